"""Listening to a server's events, again and again, for as long as somebody watches."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from ollama_twisted.top.document import Document, EventReader
from ollama_twisted.top.screen import Link
from ollama_twisted.web.asking import in_words

#: The server says every 15 s that it is there.
QUIET, DEAD = 22.0, 45.0
#: Seconds within which it must begin to answer.
PATIENCE = 10.0
#: Seconds from losing it to trying again.
RETRY = 2.0


class NoGateway(Exception):
    """Nobody tells anything there.  ``str()`` says why, for people."""


class Listener:
    """
    Keeps a document current.

    ``changed`` is called after each change of it, and of how we are connected.
    """

    def __init__(
        self, agent: IAgent, reactor: Any, url: str, document: Document, changed: Callable[[], None]
    ) -> None:
        self._agent = agent
        self._reactor = reactor
        self._url = url
        self._document = document
        self._changed = changed
        self._heard = reactor.seconds()
        self._lost = ""

    @property
    def link(self) -> Link:
        """How we are connected now."""
        quiet = self._reactor.seconds() - self._heard
        if self._lost:
            return Link(self._url, "disconnected", quiet, self._lost)
        return Link(self._url, "stale" if quiet > QUIET else "live", quiet)

    async def listen(self) -> None:
        """
        Listen until cancelled.

        @raise NoGateway: there was nobody from the beginning.  Who goes away later is
            waited for.
        """
        while True:
            try:
                await self._follow()
                self._lost = "it ended the connection"
            except NoGateway as error:
                if not self._document.known:
                    raise
                self._lost = str(error)
            self._changed()
            await deferLater(self._reactor, RETRY)

    async def _follow(self) -> None:
        response = await self._ask()
        kind = (response.headers.getRawHeaders(b"content-type") or [b""])[0]
        if response.code != 200 or not kind.startswith(b"text/event-stream"):
            raise NoGateway(await self._refusal(response))
        stream = _Stream(self._reactor, self._hear, self._alive)
        response.deliverBody(stream)
        await stream.ended

    async def _ask(self) -> Any:
        headers = Headers({"Accept": ["text/event-stream"], "User-Agent": ["ollama-gateway-top"]})
        asking = self._agent.request(b"GET", f"{self._url}/api/events".encode(), headers)
        late: list[object] = []

        def mark(value: Any, seconds: float) -> Any:
            late.append(value)
            return value

        asking.addTimeout(PATIENCE, self._reactor, onTimeoutCancel=mark)
        try:
            return await asking
        except (ConnectError, DNSLookupError) as error:
            raise NoGateway(in_words(error)) from error
        except ResponseNeverReceived as error:
            why = f"no answer within {PATIENCE:g} s" if late else "what answers is no gateway"
            raise NoGateway(why) from error
        except Exception as error:
            if not late:
                raise
            raise NoGateway(f"no answer within {PATIENCE:g} s") from error

    async def _refusal(self, response: Any) -> str:
        """What a server says that tells us nothing, in its own words if it has any."""
        reading = readBody(response)
        reading.addTimeout(PATIENCE, self._reactor)
        try:
            told = json.loads(await reading)
        except Exception:
            told = None
        error = told.get("error") if isinstance(told, dict) else None
        if response.code == 404 or not isinstance(error, str):
            return f"what answers is no gateway, or an older one (status {response.code})"
        return error

    def _alive(self) -> None:
        self._heard = self._reactor.seconds()
        self._lost = ""

    def _hear(self, name: str, data: str) -> None:
        self._document.hear(name, data)
        self._changed()


class _Stream(Protocol):
    """The body of the answer, which ends when the server goes or has been silent for too long."""

    transport: Any

    def __init__(
        self, reactor: Any, told: Callable[[str, str], None], alive: Callable[[], None]
    ) -> None:
        self._reader = EventReader(told)
        self._reactor = reactor
        self._alive = alive
        self._deadline: Any = None
        self._left = False
        self.ended: Deferred[None] = Deferred(self._leave)

    def connectionMade(self) -> None:
        self._deadline = self._reactor.callLater(DEAD, self._hang_up)

    def dataReceived(self, data: bytes) -> None:
        self._deadline.reset(DEAD)
        self._alive()
        try:
            self._reader.feed(data)
        except ValueError:
            self._hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        if not self._left:
            self.ended.callback(None)

    def _leave(self, _ended: Deferred[None]) -> None:
        self._left = True
        self.transport.stopProducing()

    def _hang_up(self) -> None:
        self.transport.stopProducing()
