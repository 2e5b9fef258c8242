"""Questions that a server of ours puts to an Ollama itself: small, bounded, JSON for an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
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
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

#: A list of a thousand models is a megabyte.
MAX_ANSWER = 16 * 2**20


class Unanswered(Exception):
    """
    A question got no usable answer.  ``str()`` says why, for people.

    ``status`` is the HTTP status if there was one, else ``None``.
    """

    def __init__(self, why: str, status: int | None = None, timed_out: bool = False) -> None:
        super().__init__(why)
        self.status = status
        self.timed_out = timed_out


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
        timed_out = False

        def late(value: Any, _timeout: float) -> Any:
            nonlocal timed_out
            timed_out = True
            return value

        asking = Deferred.fromCoroutine(self._json(url, headers))
        asking.addTimeout(timeout, self._reactor, onTimeoutCancel=late)
        try:
            return await asking
        except Unanswered:
            raise
        except Exception as error:
            if timed_out:
                raise Unanswered(f"no answer within {timeout:g} s", timed_out=True) from None
            raise Unanswered(_why(error)) from error

    async def _json(self, url: str, extra: Iterable[tuple[str, str]]) -> Any:
        headers = Headers({"Accept": ["application/json"], "User-Agent": [self._name]})
        for name, value in extra:
            headers.setRawHeaders(name, [value])
        response = await self._client.get(
            url, headers=headers, unbuffered=True, allow_redirects=False
        )
        parts: list[bytes] = []
        await response.collect(_bounded(parts, MAX_ANSWER))
        if response.code != 200:
            raise Unanswered(f"answered {response.code}", response.code)
        try:
            return json.loads(b"".join(parts))
        except (ValueError, RecursionError):
            raise Unanswered("its answer is not JSON") from None


def _bounded(parts: list[bytes], limit: int) -> Callable[[bytes], None]:
    size = 0

    def add(data: bytes) -> None:
        nonlocal size
        size += len(data)
        if size > limit:
            raise _TooLong
        parts.append(data)

    return add


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
