"""An answer's body on its way to the client: framed for it, watched, told if it is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from ollama_twisted.wire.framing import LAST_CHUNK, chunk


class Watch(Protocol):
    """Who looks at the payload as it passes."""

    def see(self, payload: bytes) -> None: ...


class AnswerCut(Exception):
    """The node's answer broke off after it had begun.  ``str()`` says how."""


class Relay:
    """
    Writes the parts of a node's answer to its client.

    The node's own framing is passed on as it came, unless the client needs
    another one (``rechunk``, ``unchunk``).  Flow control is the transports' own:
    the client's channel pauses the node's while its send buffer is full.
    """

    __slots__ = (
        "_frame",
        "_head",
        "_last",
        "_seconds",
        "_tail",
        "_watch",
        "_write",
        "done",
        "finished",
        "first_at",
        "relayed",
        "tellable",
    )

    def __init__(
        self,
        write: Callable[[bytes], Any],
        head: bytes,
        seconds: Callable[[], float],
        watch: Watch | None,
        cancel: Callable[[], Any],
    ) -> None:
        self._write = write
        # The head waits for the first part of the body, so that a short answer
        # is one segment.
        self._head = head
        self._seconds = seconds
        self._watch = watch
        self._frame: Callable[[bytes], bytes] | None = None
        self._last = b""
        self._tail = b"\n"
        self.relayed = 0
        #: When the first byte of the body passed; 0.0 before.
        self.first_at = 0.0
        #: Broken off between two messages, so that a last one can be added.
        self.tellable = False
        self.finished = False
        #: Fires with nothing once the answer has passed whole; fails with AnswerCut.
        self.done: Deferred[None] = Deferred(lambda _: cancel())

    def rechunk(self) -> None:
        """The node ends its answer by closing; an HTTP/1.1 client is sent chunks."""
        self._frame, self._last = chunk, LAST_CHUNK

    def unchunk(self) -> None:
        """An HTTP/1.0 client knows no chunks; it is sent the payload alone."""
        self._frame = bytes

    def part(self, forward: bytes, payload: bytes) -> None:
        if self._frame is not None:
            forward = self._frame(payload) if payload else b""
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
        if self._head or self._last:
            self._write(self._head + self._last)
            self._head = b""
        self.finished = True
        self.done.callback(None)

    def broke(self, why: str, at_boundary: bool) -> None:
        if self._head:
            self.part(b"", b"")
        self.tellable = at_boundary and self._tail.endswith(b"\n")
        self.done.errback(AnswerCut(why))

    def tell(self, problem: bytes) -> None:
        """Put one more message at the end of an answer that broke off between two messages."""
        self._write(problem if self._frame is bytes else chunk(problem))
