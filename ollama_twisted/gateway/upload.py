"""A request's body that is passed on as it comes, no faster than the slowest node takes it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.gateway.body import SLOWEST, too_long
from ollama_twisted.wire.ask import Ask, ask_of
from ollama_twisted.wire.framing import LAST_CHUNK, chunk, request_body
from ollama_twisted.wire.head import RequestHead
from ollama_twisted.wire.routes import Route

#: What may come of a body before there is a node to take it.
HELD = 2**16
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Source(Protocol):
    """The connection that an upload comes from, and when its client has been too slow."""

    transport: Any
    due: float


class Upload:
    """
    The bytes of one request's body, of any length, on their way to one node or several.

    Nothing of it is kept, so it is sent once.  What comes before all nodes that it
    is for have ``joined``, or said by ``without`` that they do not, is held back,
    and then the client is not read for.
    """

    __slots__ = (
        "_awaited",
        "_framing",
        "_held",
        "_in_pace",
        "_limits",
        "_seconds",
        "_source",
        "_takers",
        "_told_to_send",
        "ended",
        "length",
        "paused",
        "size",
    )

    def __init__(
        self, head: RequestHead, limits: GatewayLimits, source: Source, seconds: Callable[[], float]
    ) -> None:
        #: How long it will be, if the client has said so.
        self.length = None if head.chunked else head.length
        self.size = 0
        #: Nothing more of it will come.
        self.ended = not (head.chunked or head.length)
        #: Its client is not read for at present.
        self.paused = False
        self._limits = limits
        self._check(head.length)
        self._framing = request_body(head)
        self._source = source
        self._seconds = seconds
        self._told_to_send = not head.expect_continue
        self._takers: list[Taker] = []
        self._awaited = 1
        self._held: list[bytes] | None = []
        #: When it must be here, if nothing of it has come.
        self._in_pace = inf

    # For the client's connection.

    def feed(self, data: bytes) -> bytes:
        """
        Pass on what the client has sent; what came behind the body's end is given back.

        @raise BadRequest: it is longer than it may be.
        @raise FramingError: nothing after these bytes means anything.
        """
        _, payload, ended, rest = self._framing.feed(data)
        self.size += len(payload)
        self._check(self.size)
        # Whoever takes the last part may find the whole answered in there.
        self.ended = ended
        if self._held is not None:
            self._held.append(payload)
        else:
            for taker in tuple(self._takers):
                taker.take(payload, ended)
        self.keep_pace()
        return rest

    def _check(self, size: int) -> None:
        limit = self._limits.max_upload
        if limit is not None and size > limit:
            raise too_long(limit, "gateway.max_upload")

    def ask(self, route: Route, head: RequestHead, looks: bool) -> Ask:
        """What the request asks for, as far as that does not stand in its body."""
        return ask_of(route, head, b"", looks)

    def close(self) -> None:
        """Nobody takes it any more; the rest is read and thrown away."""
        self._takers.clear()
        self._held = None
        self.keep_pace()

    # For the nodes' connections.

    def expect(self, nodes: int) -> None:
        """It is for so many nodes, and flows when each has joined or does not."""
        self._awaited = nodes

    def join(self, taker: Taker) -> None:
        """A node takes it from now on."""
        self._takers.append(taker)
        self.without()

    def without(self) -> None:
        """A node that was expected does not take it; or it has joined."""
        self._awaited -= 1
        if self._awaited or self._held is None or not self._takers:
            return
        held, self._held = b"".join(self._held), None
        for taker in tuple(self._takers):
            taker.take(held, self.ended)
        self.keep_pace()

    def leave(self, taker: Taker) -> None:
        """A node takes no more of it."""
        if taker in self._takers:
            self._takers.remove(taker)
            self.keep_pace()

    def keep_pace(self) -> None:
        """Read for the client if there is somebody to take what it sends, and only then."""
        if self.ended:
            return
        if self._held is not None:
            paused = self.size >= HELD
        else:
            paused = any(taker.paused for taker in self._takers)
            if self._takers and not self._told_to_send:
                self._told_to_send = True
                if not self.size:
                    self._source.transport.write(CONTINUE)
        if paused != self.paused:
            self.paused = paused
            if paused:
                self._source.transport.pauseProducing()
            else:
                self._source.transport.resumeProducing()
        self._set_due()

    def _set_due(self) -> None:
        """A client must send on, unless it is not read for."""
        if self.paused or self._held is not None:
            self._source.due = self._in_pace = inf
            return
        due = self._seconds() + self._limits.body_timeout
        if self._in_pace == inf:
            self._in_pace = due - self.size / SLOWEST
        self._source.due = min(due, self._in_pace + self.size / SLOWEST)


@implementer(IPushProducer)
class Taker:
    """
    One node's side of an upload.

    It is the producer of the node's transport.  ``sent`` is called when all of
    the body has been written to it.
    """

    __slots__ = ("_chunked", "_sent", "_transport", "_upload", "paused")

    def __init__(self, upload: Upload, transport: Any, sent: Callable[[], None]) -> None:
        self._upload = upload
        self._transport = transport
        self._sent = sent
        self._chunked = upload.length is None
        self.paused = False

    def start(self) -> None:
        self._transport.registerProducer(self, True)
        self._upload.join(self)

    def take(self, payload: bytes, last: bool) -> None:
        """Send the next part of the body."""
        if self._chunked:
            payload = (chunk(payload) if payload else b"") + (LAST_CHUNK if last else b"")
        if payload:
            self._transport.write(payload)
        if last:
            self.stopProducing()
            self._transport.unregisterProducer()
            self._sent()

    def pauseProducing(self) -> None:
        self.paused = True
        self._upload.keep_pace()

    def resumeProducing(self) -> None:
        self.paused = False
        self._upload.keep_pace()

    def stopProducing(self) -> None:
        self._upload.leave(self)
