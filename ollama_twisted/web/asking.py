"""Questions that a server of ours puts to an Ollama itself: small, bounded, JSON for an answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TimeoutError,
    UserError,
)
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import HTTPConnectionPool, ResponseDone, _HTTP11ClientFactory
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

#: A list of a thousand models is a megabyte.
MAX_ANSWER = 16 * 2**20


class Unanswered(Exception):
    """
    A question got no usable answer.  ``str()`` says why, for people.

    ``status`` is the HTTP status if there was one, else ``None``; ``refused``: nobody is
    there to answer, which is known at once.
    """

    def __init__(
        self,
        why: str,
        status: int | None = None,
        timed_out: bool = False,
        refused: bool = False,
    ) -> None:
        super().__init__(why)
        self.status = status
        self.timed_out = timed_out
        self.refused = refused


class _QuietFactory(_HTTP11ClientFactory):
    """Questions come every few seconds; their connections are not worth a line each."""

    noisy = False


class QuietPool(HTTPConnectionPool):
    """Connections of which nothing is said in the log."""

    _factory = _QuietFactory


class _TooLong(Exception):
    pass


class Asker:
    """Asks for small JSON documents; ``name`` is who says to be asking."""

    def __init__(self, agent: IAgent, reactor: IReactorTime, name: str) -> None:
        self._client = HTTPClient(agent)
        self._name = name
        self._reactor = reactor

    async def json(self, url: str, timeout: float, headers: Iterable[tuple[str, str]] = ()) -> Any:
        """
        The document at ``url``, within ``timeout`` seconds in all.

        @raise Unanswered: it could not be had.
        """
        body = await self.body(url, timeout, headers)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise Unanswered("its answer is not JSON") from None

    async def body(
        self, url: str, timeout: float, headers: Iterable[tuple[str, str]] = ()
    ) -> bytes:
        """
        Whatever is at ``url``, within ``timeout`` seconds in all.

        @raise Unanswered: it could not be had.
        """
        timed_out = False

        def late(value: Any, _timeout: float) -> Any:
            nonlocal timed_out
            timed_out = True
            return value

        asking = Deferred.fromCoroutine(self._body(url, headers))
        asking.addTimeout(timeout, self._reactor, onTimeoutCancel=late)
        try:
            return await asking
        except Unanswered:
            raise
        except Exception as error:
            if timed_out:
                raise Unanswered(f"no answer within {timeout:g} s", timed_out=True) from None
            refused = isinstance(error, ConnectionRefusedError)
            raise Unanswered(_why(error), refused=refused) from error

    async def _body(self, url: str, extra: Iterable[tuple[str, str]]) -> bytes:
        headers = Headers({"Accept": ["application/json"], "User-Agent": [self._name]})
        for name, value in extra:
            headers.setRawHeaders(name, [value])
        response = await self._client.get(
            url, headers=headers, unbuffered=True, allow_redirects=False
        )
        document = _Document()
        response.deliverBody(document)
        await document.whole
        if response.code != 200:
            raise Unanswered(f"answered {response.code}", response.code)
        return b"".join(document.parts)


class _Document(Protocol):
    """Takes a document in, and hangs up on one that is too long or too late."""

    transport: Any

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._room = MAX_ANSWER
        self.whole: Deferred[None] = Deferred(lambda _: self.transport.stopProducing())

    def dataReceived(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self.parts.append(data)
        elif not self.whole.called:
            self.whole.errback(_TooLong())
            self.transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(None)
        else:
            self.whole.errback(reason)


def _why(error: Exception) -> str:
    if isinstance(error, (ConnectError, DNSLookupError)):
        return in_words(error)
    if isinstance(error, _TooLong):
        return "its answer is too long"
    return "it broke the connection"


def in_words(error: Exception) -> str:
    """Why there is no connection, for people: never a class name or a traceback."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, (TimeoutError, UserError)):
        return "no connection in time"
    if isinstance(error, DNSLookupError):
        return "no such host"
    if isinstance(error, NoRouteError):
        return "no route to it"
    if isinstance(error, ConnectError) and error.osError is not None:
        return f"connecting failed (errno {error.osError})"
    return "connecting failed"
