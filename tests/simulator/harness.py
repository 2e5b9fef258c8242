"""A simulated node on a clock that tests turn, spoken to through the real HTTP stack in memory."""

from __future__ import annotations

import json
from http.client import HTTPResponse
from io import BytesIO
from random import Random
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.simulator.canned import CannedEngine, Pace
from ollama_twisted.simulator.engine import Engine
from ollama_twisted.simulator.faults import Faults, parse_rule
from ollama_twisted.simulator.node import Limits, Node
from ollama_twisted.simulator.service import simulator
from ollama_twisted.simulator.stamps import Stamps

PACE = Pace(tokens_per_second=8.0, first_token_delay=0.5, load_time=2.0, answer_tokens=4)
STEP = 1 / 32
PORT = 11434


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> BytesIO:
        return BytesIO(self._data)


class Said:
    """What a client has got, read by the standard library's own client."""

    def __init__(self, data: bytes, method: str = "GET") -> None:
        answer = HTTPResponse(_Socket(data), method=method)  # type: ignore[arg-type]
        answer.begin()
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def json(self) -> Any:
        """The body as one JSON value."""
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The body as NDJSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def events(self) -> list[Any]:
        """The data of server-sent events; what is no JSON stays text."""
        found = [each[6:] for each in self.body.decode().splitlines() if each.startswith("data: ")]
        return [json.loads(each) if each.startswith("{") else each for each in found]


class Asked:
    """A request on a connection of its own."""

    def __init__(self, harness: Harness, method: str) -> None:
        self._harness = harness
        self.method = method
        self.transport = StringTransport()
        address = IPv4Address("TCP", "127.0.0.1", 50000)
        self.protocol = harness.factory.buildProtocol(address)
        self.protocol.makeConnection(self.transport)
        self.gone = False

    @property
    def raw(self) -> bytes:
        """All bytes that came."""
        return self.transport.value()

    @property
    def payload(self) -> bytes:
        """What stands after the head."""
        return self.raw.partition(b"\r\n\r\n")[2]

    def said(self) -> Said:
        """The answer, which must be whole."""
        return Said(self.raw, self.method)

    def leave(self) -> None:
        """Close the connection, as a client that waits no more."""
        if not self.gone:
            self.gone = True
            self.protocol.connectionLost(Failure(ConnectionLost()))


class Harness:
    """One node."""

    def __init__(
        self,
        engine: Engine | None = None,
        pace: Pace = PACE,
        limits: Limits | None = None,
        models: tuple[str, ...] = ("llama3:8b",),
        faults: tuple[str, ...] = (),
        frozen: bool = True,
        seed: int = 0,
    ) -> None:
        self.reactor = MemoryReactorClock()
        self.node = Node(
            engine=engine or CannedEngine(self.reactor, pace, seed),
            clock=self.reactor,
            stamps=Stamps(self.reactor.seconds, frozen),
            faults=Faults(Random(1), map(parse_rule, faults)),
            limits=limits or Limits(),
            models=models,
            version="0.20.0",
        )
        self._asked: list[Asked] = []
        self.service, self.listener = simulator(self.reactor, self.node, port=PORT)
        self.service.startService()

    @property
    def factory(self) -> Any:
        """The HTTP server."""
        return self.reactor.tcpServers[-1][1]

    @property
    def counts(self) -> Any:
        """What the node has counted."""
        return self.node.counts

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        fault: str = "",
        coding: str = "",
        kind: str = "",
    ) -> Asked:
        """Send a request, and let no time pass."""
        asked = Asked(self, method)
        self._asked.append(asked)
        data = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        head = f"{method} {path} HTTP/1.1\r\nHost: node\r\nContent-Length: {len(data)}\r\n"
        if fault:
            head += f"X-Simulator-Fault: {fault}\r\n"
        if kind:
            head += f"Content-Type: {kind}\r\n"
        if coding:
            head += f"Content-Encoding: {coding}\r\n"
        asked.protocol.dataReceived(head.encode() + b"\r\n" + data)
        return asked

    def close(self) -> None:
        """Let all clients leave: no coroutine may be left to the garbage collector."""
        for asked in self._asked:
            asked.leave()

    def wait(self, seconds: float) -> None:
        """Let time pass, in small steps."""
        self.reactor.pump([STEP] * round(seconds / STEP))

    def get(self, method: str, path: str, body: Any = None, seconds: float = 10.0) -> Said:
        """Send a request, let time pass, and have the answer."""
        asked = self.ask(method, path, body)
        self.wait(seconds)
        return asked.said()


class NodeCase(SynchronousTestCase):
    """Tests of a node, which is closed when they end."""

    def start(self, **options: Any) -> Harness:
        """A node of one's own."""
        node = Harness(**options)
        self.addCleanup(node.close)
        return node


HELLO: Any = {"model": "llama3:8b", "messages": [{"role": "user", "content": "hello"}]}
