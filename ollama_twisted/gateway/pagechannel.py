"""What twisted.web's Request asks of the connection that it answers on."""

from __future__ import annotations

from typing import Any

from twisted.internet._producer_helpers import _PullToPush
from twisted.internet.interfaces import IPushProducer, ISSLTransport
from twisted.internet.protocol import Protocol
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from zope.interface import implementer


@implementer(IPushProducer)
class PageChannel(Protocol):
    """
    The side of a channel that answers are written to.

    It is the only producer that the transport knows; whoever answers at the moment
    is paused and resumed through it.
    """

    transport: Any

    def __init__(self) -> None:
        #: The client does not read as fast as it is written to.
        self.paused = False
        self._producer: Any = None

    def produce(self, producer: Any) -> None:
        """Pause and resume ``producer`` as the client reads; ``None`` ends it."""
        self._producer = producer
        if producer is not None and self.paused:
            producer.pauseProducing()

    def done(self) -> None:
        """The answer has been written, whole."""
        raise NotImplementedError

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
        if self._producer is not None:
            self._producer.stopProducing()

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
            self.produce(pulled)
            pulled.startStreaming()

    def unregisterProducer(self) -> None:
        producer, self._producer = self._producer, None
        if isinstance(producer, _PullToPush):
            producer.stopStreaming()

    def loseConnection(self) -> None:
        self.close()

    def getPeer(self) -> Any:
        return self.transport.getPeer()

    def getHost(self) -> Any:
        return self.transport.getHost()

    def isSecure(self) -> bool:
        return ISSLTransport.providedBy(self.transport)
