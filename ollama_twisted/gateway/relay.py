"""An answer's body on its way to the client: framed for it, watched, told if it is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ollama_twisted.gateway.task import Signal
from ollama_twisted.wire.framed import Framed
from ollama_twisted.wire.framing import chunk
from ollama_twisted.wire.stream import Watch


class AnswerCut(Exception):
    """The node's answer broke off after it had begun.  ``str()`` says how."""


class Relay:
    """
    Writes the parts of a node's answer to its client.

    Flow control is the transports' own: the client's channel pauses the node's
    transport while its send buffer is full.
    """

    __slots__ = (
        "_framed",
        "_head",
        "_seconds",
        "_tail",
        "_watch",
        "_write",
        "done",
        "first_at",
        "relayed",
        "tellable",
    )

    def __init__(
        self,
        write: Callable[[bytes], Any],
        head: bytes,
        framed: Framed,
        seconds: Callable[[], float],
        watch: Watch | None,
        cancel: Callable[[], Any],
    ) -> None:
        self._write = write
        # The head waits for the first part of the body, so that a short answer
        # is one segment.
        self._head = head
        self._framed = framed
        self._seconds = seconds
        self._watch = watch
        self._tail = b"\n"
        #: Bytes of payload so far.
        self.relayed = 0
        #: When the first byte of the body passed; 0.0 before.
        self.first_at = 0.0
        #: Broken off between two messages, so that a last one can be added.
        self.tellable = False
        #: Fires with nothing once the answer has passed whole; fails with AnswerCut.
        self.done: Signal[None] = Signal(cancel)

    def part(self, forward: bytes, payload: bytes) -> None:
        frame = self._framed.frame
        if frame is not None:
            # An empty chunk would be the last one.
            forward = frame(payload) if payload else b""
        if self._head:
            forward, self._head = self._head + forward, b""
        if payload:
            if not self.relayed:
                self.first_at = self._seconds()
            self.relayed += len(payload)
            self._tail = payload
            if self._watch is not None:
                self._watch.see(payload)
        self._write(forward)

    def ended(self) -> None:
        ending = self._head + self._framed.last
        if ending:
            self._head = b""
            self._write(ending)
        self.done.fire(None)

    def broke(self, why: str, at_boundary: bool) -> None:
        if self._head:
            self.part(b"", b"")
        self.tellable = at_boundary and self._tail.endswith(b"\n")
        self.done.fail(AnswerCut(why))

    def tell(self, problem: bytes) -> None:
        """Put one more message at the end of an answer that broke off between two messages."""
        self._write(problem if self._framed.closes else chunk(problem))
