"""How the engine speaks with llama.cpp's own HTTP server."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers

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
        pool = HTTPConnectionPool(reactor, persistent=False)
        self._http = HTTPClient(Agent(reactor, pool=pool))
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
