"""
The seam between Ollama's API and whatever makes the words.

An engine knows nothing of HTTP, of dialects or of places: it is asked to
continue a text, or to embed some, and only for a model that was loaded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ollama_twisted.simulator.library import Model


class EngineError(Exception):
    """The engine cannot do what it was asked to; says so in its own words."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    What is to be continued: the turns of a conversation, or with ``raw`` a text as it stands.

    ``options`` are Ollama's, by Ollama's names; ``format`` is ``"json"`` or a JSON Schema;
    ``beside`` is what is no text, images and tools, as one text to tell it apart by.
    """

    messages: tuple[Message, ...] = ()
    raw: str | None = None
    context: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    format: Any = None
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a generation ended and what it cost.  Durations are in seconds."""

    reason: str
    prompt_tokens: int
    prompt_seconds: float
    generated_tokens: int
    generated_seconds: float
    context: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector of length one for each text, and how many tokens the texts had."""

    vectors: list[list[float]]
    tokens: int


class Engine(Protocol):
    """Something that makes words."""

    def describe(self, name: str, modified_at: str) -> Model:
        """The model of that name as it would be on disk."""

    async def load(self, model: Model) -> None:
        """Make a model ready.  Not called again before it was unloaded."""

    async def unload(self, model: Model) -> None:
        """Free what a loaded model holds.  Nothing is being generated with it."""

    def generate(self, model: Model, prompt: Prompt) -> AsyncGenerator[str | Ended, None]:
        """
        The words as they are made, then how it ended.

        Whoever iterates decides the pace, and stops the work by closing the generator.
        """

    async def embed(self, model: Model, texts: Sequence[str]) -> Embedded:
        """A vector for each text."""

    def hear(self, model: Model, sound: bytes, seconds: float) -> AsyncGenerator[str, None]:
        """
        The words of a recording that lasts so long, as they are understood.

        @raise EngineError: the engine hears nothing at all.
        """

    async def stop(self) -> None:
        """Free everything; the node is going away."""
