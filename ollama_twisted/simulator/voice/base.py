"""What a protocol must have words for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from ollama_twisted.simulator.ask import Ask
from ollama_twisted.simulator.engine import Ended
from ollama_twisted.simulator.stamps import Stamps

JSON = "application/json"
JSON_UTF8 = "application/json; charset=utf-8"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"

dumps = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Timing:
    """How long an answer took beside the generation itself, in seconds."""

    total: float
    load: float


class Voice(Protocol):
    """One generation in the words of one protocol.  Each method gives bytes to send."""

    stream_type: str
    whole_type: str

    def begin(self) -> bytes:
        """What stands before the first token."""

    def token(self, text: str) -> bytes:
        """A piece of the answer."""

    def end(self, ended: Ended, timing: Timing) -> bytes:
        """What ends a streamed answer."""

    def whole(self, text: str, ended: Ended, timing: Timing) -> bytes:
        """The answer in one piece."""

    def broken(self, message: str) -> bytes:
        """What a client is told when the engine fails in mid-stream; Ollama may say nothing."""


Speaker = Callable[[Ask, Stamps, int], Voice]
"""Makes the voice of one generation; the number is what its identifier is made of."""

Problem = Callable[[int, str], tuple[str, bytes]]
"""Status and message of an error -> content type and body in the form of a protocol."""


def event(data: Any, name: str = "") -> bytes:
    """A server-sent event."""
    head = b"event: %s\n" % name.encode() if name else b""
    return b"%sdata: %s\n\n" % (head, dumps(data))
