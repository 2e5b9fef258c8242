"""An answer's body on its way to the client: framed for it, watched, told if it is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.pagechannel import PageChannel
from ollama_twisted.gateway.task import Signal
from ollama_twisted.record import Record
from ollama_twisted.wire import problems
from ollama_twisted.wire.framed import Framed, framed_for
from ollama_twisted.wire.framing import chunk
from ollama_twisted.wire.head import AnswerHead, RequestHead
from ollama_twisted.wire.headers import answer_to_client
from ollama_twisted.wire.routes import Dialect
from ollama_twisted.wire.stream import Final, Watch


class AnswerCut(Exception):
    """The node's answer broke off after it had begun.  ``str()`` says how."""


class Relay:
    """
    Writes the parts of a node's answer to its client.

    Flow control is the transports' own: the client's channel pauses the node's
    transport while its send buffer is full.
    """

    __slots__ = (
        "_at_boundary",
        "_framed",
        "_head",
        "_seconds",
        "_tail",
        "_watch",
        "_write",
        "done",
        "first_at",
        "plain",
        "relayed",
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
        #: Its content is sent as it is, not compressed.
        self.plain = True
        self._at_boundary = False
        #: Fires with nothing once the answer has passed whole; fails with AnswerCut.
        self.done: Signal[None] = Signal(cancel)

    async def carry(self, connection: NodeConnection, channel: PageChannel, record: Record) -> None:
        """Write all of the connection's answer to its client, and record what that was."""
        channel.produce(connection.transport)
        try:
            connection.relay_to(self)
            await self.done
        finally:
            channel.produce(None)
            record.first_at, record.relayed, record.final = self.told()

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
        self._at_boundary = at_boundary
        self.done.fail(AnswerCut(why))

    def told(self) -> tuple[float, int, Final | None]:
        """When the body began, how much of it has passed, and what it said of itself."""
        final = self._watch.final() if self._watch is not None else None
        return self.first_at, self.relayed, final

    def tell(self, dialect: Dialect, message: str) -> None:
        """Say at the end of a stream that it broke off, if it did so between two lines."""
        if not (self.plain and self._at_boundary and self._tail.endswith(b"\n")):
            return
        problem = problems.in_stream(dialect, message)
        if dialect is not Dialect.OLLAMA and not self._tail.endswith(b"\n\n"):
            # An event ends with an empty line, which may not have come.
            problem = b"\n" + problem
        self._write(problem if self._framed.closes else chunk(problem))


def relay_for(
    request: RequestHead,
    answer: AnswerHead,
    channel: PageChannel,
    said: bytes,
    watch: Watch | None,
    connection: NodeConnection,
) -> Relay:
    """What carries ``answer`` to the client of ``channel``; its head is written anew."""
    head, framed = _begun(request, answer, channel, said)
    write, seconds = channel.transport.write, channel.site.seconds
    relay = Relay(write, head, framed, seconds, watch, connection.abort)
    relay.plain = b"content-encoding" not in answer.lower
    return relay


def pass_whole(
    request: RequestHead,
    answer: AnswerHead,
    channel: PageChannel,
    said: bytes,
    watch: Watch | None,
    body: bytes,
) -> Final | None:
    """The same for an answer that is here whole, as long as it said: it goes at once."""
    head, _ = _begun(request, answer, channel, said)
    channel.transport.write(head + body)
    if watch is None:
        return None
    watch.see(body)
    return watch.final()


def _begun(
    request: RequestHead, answer: AnswerHead, channel: PageChannel, said: bytes
) -> tuple[bytes, Framed]:
    framed = framed_for(answer, request.method, request.minor)
    if framed.closes:
        channel.last()
    alive, minor = channel.keeps_alive, request.minor
    head = answer_to_client(answer, framing=framed.line, said=said, keep_alive=alive, minor=minor)
    return head, framed
