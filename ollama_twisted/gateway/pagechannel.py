"""The side of a client's connection that answers are written to: nodes', pages', and our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet._producer_helpers import _PullToPush
from twisted.internet.interfaces import IPushProducer, ISSLTransport, ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from zope.interface import implementer

from ollama_twisted.gateway.body import Body
from ollama_twisted.web.hosts import is_loopback
from ollama_twisted.wire.answers import own_answer
from ollama_twisted.wire.head import RequestHead

_log = Logger()


@implementer(IPushProducer)
class PageChannel(Protocol):
    """
    What twisted.web's Request asks of the connection that it answers on, and a little more.

    It is the only producer that the transport knows; whoever answers at the moment
    is paused and resumed through it.
    """

    transport: Any
    site: Any

    def __init__(self) -> None:
        #: The client does not read as fast as it is written to.
        self.paused = False
        self._producer: Any = None
        #: The client's address, and whether it reached us at one that is this machine's only.
        self.peer = b""
        self.local = False
        self.proto = b"http"

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self.peer = getattr(self.transport.getPeer(), "host", "unix").encode("ascii")
        self.local = is_loopback(getattr(self.transport.getHost(), "host", ""))
        self.proto = b"https" if self.isSecure() else b"http"

    @property
    def keeps_alive(self) -> bool:
        """May the connection be used again after the answer that is being given?"""
        raise NotImplementedError

    def last(self) -> None:
        """This answer is the connection's last."""
        raise NotImplementedError

    def answer(
        self,
        status: int,
        body: bytes | str,
        fields: Sequence[tuple[bytes, bytes]] = (),
        head_only: bool = False,
    ) -> None:
        """Write an answer of the gateway's own; ``done`` or ``close`` must follow."""
        self.transport.write(
            own_answer(
                status, body, fields=fields, keep_alive=self.keeps_alive, head_only=head_only
            )
        )

    def begin_page(self, head: RequestHead, body: Body) -> Request:
        """Let twisted.web answer; what it is given may be done with before this returns."""
        if not head.minor:
            self.last()
        request: Request = self.site.requestFactory(self, False)
        for name, value in head.fields:
            request.requestHeaders.addRawHeader(name, value)
        request.parseCookies()
        request.gotLength(body.size)
        request.content.write(body.whole())  # type: ignore[union-attr]
        body.close()
        if not self.keeps_alive:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return request

    def produce(self, producer: Any) -> None:
        """Pause and resume ``producer`` as the client reads; ``None`` ends it."""
        if self.paused:
            if producer is not None:
                producer.pauseProducing()
            elif self._producer is not None:
                # Whoever comes next to a node's connection must not find it paused.
                self._producer.resumeProducing()
        self._producer = producer

    def done(self) -> None:
        """The answer has been written, whole."""
        raise NotImplementedError

    def abort(self) -> None:
        """Hang up at once; what was not sent yet is lost."""
        self.transport.abortConnection()

    def failed(self, failure: Failure) -> None:
        """What was to answer could not even be ended in order."""
        _log.failure("an exchange could not be ended", failure)
        self.abort()

    def close(self) -> None:
        """Hang up once what was written has left."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        self.paused = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self.paused = False
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()

    def requestDone(self, request: Request) -> None:
        self.done()

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        if not isinstance(headers, Headers):
            headers = Headers({name: [value] for name, value in headers})
        lines = [b"%b %b %b\r\n" % (version, code, reason)]
        for name, values in headers.getAllRawHeaders():
            lines.extend(b"%b: %b\r\n" % (name, value) for value in values)
        lines.append(b"\r\n")
        self.transport.write(b"".join(lines))

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def writeSequence(self, iovec: Any) -> None:
        self.transport.writeSequence(iovec)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if streaming:
            self.produce(producer)
        else:
            pulled = _PullToPush(producer, self)
            # Before it has started, it cannot be paused.
            pulled.startStreaming()
            self.produce(pulled)

    def unregisterProducer(self) -> None:
        producer, self._producer = self._producer, None
        if isinstance(producer, _PullToPush):
            producer.stopStreaming()

    def loseConnection(self) -> None:
        self.close()

    def forceAbortClient(self) -> None:
        self.abort()

    def getPeer(self) -> Any:
        return self.transport.getPeer()

    def getHost(self) -> Any:
        return self.transport.getHost()

    def isSecure(self) -> bool:
        return ISSLTransport.providedBy(self.transport)
