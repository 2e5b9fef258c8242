"""One request, as a handler sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import IO

from ollama_twisted.simulator.answer import Answer
from ollama_twisted.simulator.ask import Body, read_body
from ollama_twisted.simulator.node import Node
from ollama_twisted.simulator.voice.base import JSON_UTF8, dumps


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked, and the answer to be given."""

    node: Node
    answer: Answer
    content: IO[bytes]
    argument: str = ""
    """What the path names: a digest or a model."""
    content_type: str = ""

    def body(self) -> Body:
        """The JSON object that was sent."""
        return read_body(self.content.read())

    async def json(self, value: object, status: int = 200, kind: str = JSON_UTF8) -> None:
        """Answer with a JSON value."""
        await self.answer.whole(status, kind, dumps(value))

    async def nothing(self, status: int = 200) -> None:
        """Answer with a status alone."""
        await self.answer.whole(status, "", b"")


Handler = Callable[[Call], Awaitable[None]]
