"""How the engine speaks with llama.cpp's own HTTP server."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from ollama_twisted.simulator.engine import EngineError

_DATA = b"data: "
_ERROR = b"error: "
_MOST_WAITING = 64


class LlamaClient:
    """
    Requests to one server, each on a connection of its own.

    Closing the connection is how llama.cpp learns that nobody waits any more.
    """

    def __init__(self, reactor: Any, address: str, key: str) -> None:
        self._connections = Connections(reactor)
        pool = HTTPConnectionPool(reactor, persistent=False)
        self._http = HTTPClient(Agent.usingEndpointFactory(reactor, self._connections, pool))
        self._address = address
        self._headers = Headers(
            {"authorization": [f"Bearer {key}"], "content-type": ["application/json"]}
        )

    async def ask(self, path: str, body: dict[str, Any]) -> Any:
        """One question, one answer."""
        response = await self._send(path, body)
        return msgspec.json.decode(await response.content())

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The events of a streamed answer; closing the generator ends the work."""
        response = await self._send(path, body)
        lines = Lines()
        response.deliverBody(lines)
        try:
            while (line := await lines.next()) is not None:
                if line.startswith((_DATA, _ERROR)):
                    _, _, data = line.partition(b": ")
                    yield _event(data)
        finally:
            lines.stop()

    async def close(self) -> None:
        """
        Close all connections, and return when they are.

        A server that is destroyed before waits for them, and lets no Python run meanwhile.
        """
        await self._connections.close()

    async def _send(self, path: str, body: dict[str, Any]) -> Any:
        response = await self._http.post(
            self._address + path,
            data=msgspec.json.encode(body),
            headers=self._headers,
            unbuffered=True,
        )
        if response.code != 200:
            _event(await response.content())
            raise EngineError(f"llama.cpp answered {response.code}")
        return response


@implementer(IAgentEndpointFactory)
class Connections:
    """The open connections to one server."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._open: set[Any] = set()
        self._none_left: Deferred[None] | None = None

    def endpointForURI(self, uri: URI) -> Endpoint:
        """Where to connect to; what is connected is known here until it is lost."""
        return Endpoint(HostnameEndpoint(self._reactor, uri.host, uri.port), self)

    async def close(self) -> None:
        """Abort them all, and wait until they are gone."""
        for each in list(self._open):
            each.abortConnection()
        if self._open:
            self._none_left = self._none_left or Deferred()
            await self._none_left

    def opened(self, connection: Any) -> None:
        """Note a connection."""
        self._open.add(connection)

    def lost(self, connection: Any) -> None:
        """Forget it."""
        self._open.discard(connection)
        if not self._open and self._none_left is not None:
            none_left, self._none_left = self._none_left, None
            none_left.callback(None)


class Noted(WrappingFactory):
    """Tells `Connections` of those it makes."""

    noisy = False

    def __init__(self, factory: Any, connections: Connections) -> None:
        super().__init__(factory)
        self._connections = connections

    def registerProtocol(self, p: Any) -> None:
        self._connections.opened(p)
        super().registerProtocol(p)

    def unregisterProtocol(self, p: Any) -> None:
        super().unregisterProtocol(p)
        self._connections.lost(p)


@implementer(IStreamClientEndpoint)
class Endpoint:
    """An endpoint whose connections are noted."""

    def __init__(self, endpoint: Any, connections: Connections) -> None:
        self._endpoint = endpoint
        self._connections = connections

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect, and give what the factory made."""
        connected: Deferred[Any] = self._endpoint.connect(Noted(factory, self._connections))
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


class Lines(Protocol):
    """
    The lines of a body, one at a time.

    The body is read no faster than its lines are taken.
    """

    transport: Any

    def __init__(self) -> None:
        self._part = b""
        self._lines: deque[bytes] = deque()
        self._taker: Deferred[None] | None = None
        self._paused = False
        self._over: Failure | None = None

    async def next(self) -> bytes | None:
        """The next line, or None after the last; raises if the body broke off."""
        while not self._lines:
            if self._over is not None:
                if self._over.check(ResponseDone):
                    return None
                raise EngineError("llama.cpp broke off") from self._over.value
            self._taker = Deferred()
            await self._taker
        if self._paused and len(self._lines) <= _MOST_WAITING // 2:
            self._paused = False
            self.transport.resumeProducing()
        return self._lines.popleft()

    def stop(self) -> None:
        """No more lines are wanted."""
        if self._over is None:
            self.transport.stopProducing()

    def dataReceived(self, data: bytes) -> None:
        """Keep whole lines for whoever takes them."""
        *whole, self._part = (self._part + data).split(b"\n")
        self._lines.extend(each.rstrip(b"\r") for each in whole)
        if len(self._lines) > _MOST_WAITING and not self._paused:
            self._paused = True
            self.transport.pauseProducing()
        self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """There is no more to come."""
        self._over = reason
        self._wake()

    def _wake(self) -> None:
        taker, self._taker = self._taker, None
        if taker is not None and not taker.called:
            taker.callback(None)


def _event(data: bytes) -> dict[str, Any]:
    """The object of an event; raises what llama.cpp has to complain about."""
    try:
        value = msgspec.json.decode(data)
    except msgspec.DecodeError as bad:
        raise EngineError(f"llama.cpp said what is no JSON: {bad}") from bad
    if not isinstance(value, dict):
        raise EngineError("llama.cpp said what is no object")
    error = value.get("error")
    if error is not None:
        raise EngineError(str(error.get("message", error) if isinstance(error, dict) else error))
    return value
