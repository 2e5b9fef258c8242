"""A whole gateway in memory: real parsers, pool and relays; transports and a clock made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from ollama_twisted.config.resolved import Address, Config, GatewayLimits, LineConfig, NodeConfig
from ollama_twisted.gateway.channel import Channel
from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.pages import pages
from ollama_twisted.gateway.reload import ReadConfig, Reloader
from ollama_twisted.gateway.site import GatewaySite
from ollama_twisted.metrics import GatewayMetrics
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.record import Record

CHAT = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


def post(path: bytes, body: bytes = CHAT, *fields: bytes) -> bytes:
    """A POST request as a client sends it."""
    lines = [b"POST %b HTTP/1.1" % path, b"Host: localhost:11435", *fields]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def get(path: bytes, *fields: bytes, method: bytes = b"GET") -> bytes:
    """A request without a body as a client sends it."""
    lines = [b"%b %b HTTP/1.1" % (method, path), b"Host: localhost:11435", *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunks(*payloads: bytes, end: bool = True) -> bytes:
    """Payloads in HTTP chunks, with the last chunk unless it is held back."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in payloads)
    return framed + b"0\r\n\r\n" if end else framed


STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def whole(body: bytes, status: bytes = b"200 OK", *fields: bytes) -> bytes:
    """An answer with a length, as a node gives it."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: application/json", *fields]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@implementer(ITCPTransport)
class Wire(StringTransport):
    """One end of a connection; what happens to it can be seen."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(peerAddress=IPv4Address("TCP", host, 54321))
        self.hostAddr = IPv4Address("TCP", "127.0.0.1", 11435)
        self.aborted = False
        self.half_closed = False
        self.protocol: Any = None
        #: Each write by itself, as a socket would have been given it.
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        super().write(data)

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def pauseProducing(self) -> None:
        # A closed connection has nothing to pause, and a real one does not mind.
        if not self.disconnecting:
            super().pauseProducing()

    def resumeProducing(self) -> None:
        if not self.disconnecting:
            super().resumeProducing()

    def abortConnection(self) -> None:
        self.aborted = True
        self.lose(ConnectionLost())

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def lose(self, reason: Exception | None = None) -> None:
        """The connection ends, as the other side or the network would end it."""
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(reason or ConnectionDone()))

    def take(self) -> bytes:
        """What was written since the last look."""
        written = self.value()
        self.clear()
        return written


class Client:
    """Somebody who is connected to the gateway."""

    def __init__(self, site: GatewaySite, host: str = "127.0.0.1") -> None:
        self.wire = Wire(host)
        self.channel = Channel(site)
        self.wire.protocol = self.channel
        self.channel.makeConnection(self.wire)

    def send(self, data: bytes) -> None:
        self.channel.dataReceived(data)

    def read(self) -> bytes:
        return self.wire.take()

    def leave(self, reason: Exception | None = None) -> None:
        self.wire.lose(reason)

    def stall(self) -> None:
        """Read no more: what is sent piles up, until the transport calls for a pause."""
        self.channel.pauseProducing()

    def catch_up(self) -> None:
        """Read all that had piled up."""
        self.channel.resumeProducing()

    @property
    def hung_up(self) -> bool:
        """Has the gateway ended the connection?"""
        return self.wire.disconnecting or self.wire.aborted or self.wire.half_closed


class NodeSide:
    """A connection that the gateway has made to a node, seen from the node."""

    def __init__(self, connection: Any) -> None:
        self.wire = Wire()
        self.connection = connection
        self.wire.protocol = connection
        connection.makeConnection(self.wire)

    def asked(self) -> bytes:
        """What the gateway has sent since the last look."""
        return self.wire.take()

    def answer(self, data: bytes) -> None:
        self.connection.dataReceived(data)

    def close(self, reason: Exception | None = None) -> None:
        self.wire.lose(reason)

    @property
    def paused(self) -> bool:
        """Does the gateway read nothing more from it for now?"""
        return self.wire.producerState == "paused"

    @property
    def gone(self) -> bool:
        """Has the gateway ended the connection?"""
        return self.wire.aborted or self.wire.disconnecting


class FakeEndpoint:
    """Where a node listens, or does not."""

    def __init__(self) -> None:
        self.connections: list[NodeSide] = []
        self.refuses = False
        self.pending: list[Deferred[Any]] | None = None

    def connect(self, factory: Any) -> Deferred[Any]:
        if self.refuses:
            return fail(ConnectionRefusedError())
        if self.pending is not None:
            waiting: Deferred[Any] = Deferred()
            self.pending.append(waiting)
            return waiting
        protocol = factory.buildProtocol(None)
        self.connections.append(NodeSide(protocol))
        return succeed(protocol)

    @property
    def last(self) -> NodeSide:
        return self.connections[-1]


class World:
    """A gateway with nodes named ``a``, ``b``, ... that all have the models they are given."""

    def __init__(
        self,
        names: str = "a",
        models: tuple[str, ...] = ("m",),
        strategy: str = "round_robin",
        limits: GatewayLimits | None = None,
        line: LineConfig | None = None,
        known: bool = True,
        **node: Any,
    ) -> None:
        """``known``: they have been checked already."""
        self.clock = Clock()
        self.endpoints: dict[str, FakeEndpoint] = {name: FakeEndpoint() for name in names}
        self.config = Config(
            nodes=tuple(
                replace(
                    NodeConfig(name, (Address("http", f"{name}.test", 11434),)),
                    **node,
                )
                for name in names
            ),
            strategy=strategy,
            gateway=limits or GatewayLimits(),
            line=line or LineConfig(),
        )
        self.pool = NodePool(self.config, Random(1))
        self.gateway = Gateway(
            self.config,
            self.pool,
            lambda address, timeout: self.endpoints.setdefault(address.host[0], FakeEndpoint()),  # type: ignore
            self.clock,
        )
        self.registry = CollectorRegistry()
        self.gateway.metrics = GatewayMetrics(self.gateway.view, "test")
        self.registry.register(self.gateway.metrics)
        self.records: list[Record] = []
        account = self.gateway.account

        def remember(record: Record) -> None:
            self.records.append(record)
            account(record)

        self.gateway.account = remember  # type: ignore
        #: What is read when the configuration is.
        self.read: ReadConfig = lambda text: self.config
        reloader = Reloader(self.gateway, lambda text: self.read(text), self._take_over)
        self.site = GatewaySite(pages(self.gateway, self.registry, reloader), self.gateway)
        for name in names if known else "":
            self.know(name, models)

    def know(self, name: str, models: tuple[str, ...], loaded: tuple[str, ...] = ()) -> None:
        """A check has passed, and told which models the node has."""
        listed = [{"name": each, "model": each, "digest": "d"} for each in models]
        in_memory = [{"name": each, "model": each} for each in loaded]
        self.gateway.learn(models)
        self.pool.checked(
            name, 0.0, True, models=NodeModels.from_lists(listed, in_memory), version="0.20.0"
        )

    def _take_over(self, config: Config) -> None:
        self.gateway.replace(config)
        self.site.replace(config.gateway)

    def client(self, host: str = "127.0.0.1") -> Client:
        return Client(self.site, host)

    def node(self, name: str = "a") -> NodeSide:
        """The newest connection to this node."""
        return self.endpoints[name].last

    def sweep(self, seconds: float) -> None:
        """Let time pass, second by second, as the running gateway does."""
        for _ in range(round(seconds)):
            self.clock.advance(1)
            self.site.sweep(self.clock.seconds())
            self.gateway.sweep(self.clock.seconds())

    def in_flight(self) -> int:
        return sum(node.in_flight for node in self.pool.nodes.values())

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"ollama_gateway_{name}", labels)


def split(answer: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Status line, headers by lower-case name, and the rest."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    fields = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    return first, fields, rest


def message(answer: bytes) -> str:
    """The text of an error in Ollama's shape."""
    text = json.loads(split(answer)[2])["error"]
    assert isinstance(text, str)
    return text


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` cut at these places, as the network may cut it."""
    places = [0, *sorted(set(cuts)), len(data)]
    found = [data[start:end] for start, end in pairwise(places)]
    return [each for each in found if each]
