"""A page's site in memory, and clients of it."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.server import Site


class Wire(StringTransport):
    """The server's end of a connection."""

    def __init__(self, host: str) -> None:
        super().__init__(
            hostAddress=IPv4Address("TCP", host, 9101),
            peerAddress=IPv4Address("TCP", "192.168.1.9", 40000),
        )
        self.aborted = False
        self.protocol: Any = None

    def abortConnection(self) -> None:
        self.aborted = True
        self.lose(ConnectionLost())

    def loseConnection(self) -> None:
        super().loseConnection()
        self.lose(ConnectionDone())

    def lose(self, reason: Exception) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(reason))


class Answer:
    """What came back, taken apart."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ")[1]) if first else 0
        self.fields: dict[bytes, list[bytes]] = {}
        for line in lines:
            name, _, value = line.partition(b":")
            self.fields.setdefault(name.lower(), []).append(value.strip())

    def field(self, name: bytes) -> bytes | None:
        return self.fields.get(name, [None])[0]


class Visitor:
    """Somebody who is connected to a site."""

    def __init__(self, site: Site, host: str = "127.0.0.1") -> None:
        self.wire = Wire(host)
        protocol: Any = site.buildProtocol(None)
        self.clock = Clock()
        protocol.callLater = self.clock.callLater
        self.wire.protocol = protocol
        protocol.makeConnection(self.wire)

    def send(self, data: bytes) -> None:
        if self.wire.protocol is not None:
            self.wire.protocol.dataReceived(data)

    def take(self) -> bytes:
        data = self.wire.value()
        self.wire.clear()
        return data

    def ask(
        self, method: bytes, path: bytes, host: bytes = b"localhost:9101", **more: bytes
    ) -> Answer:
        lines = [b"%b %b HTTP/1.1" % (method, path), b"Host: " + host]
        lines += [name.replace("_", "-").encode() + b": " + value for name, value in more.items()]
        self.send(b"\r\n".join(lines) + b"\r\n\r\n")
        return Answer(self.take())

    def get(self, path: bytes, **more: bytes) -> Answer:
        return self.ask(b"GET", path, **more)

    def stall(self) -> None:
        """Read no more: the transport's buffer is full."""
        self.wire.producer.pauseProducing()

    def catch_up(self) -> None:
        self.wire.producer.resumeProducing()

    def leave(self) -> None:
        self.wire.lose(ConnectionDone())
