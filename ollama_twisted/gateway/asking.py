"""Questions that the gateway itself puts to a node: small, bounded, never a client's request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from ollama_twisted.config.resolved import NodeConfig
from ollama_twisted.gateway.upstream import in_words

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
    """Asks nodes for small JSON documents."""

    def __init__(self, agent: IAgent, reactor: IReactorTime) -> None:
        self._client = HTTPClient(agent)
        self._reactor = reactor

    async def json(self, node: NodeConfig, address: Any, path: str, timeout: float) -> Any:
        """
        The document at ``path`` of a node, within ``timeout`` seconds in all.

        @raise Unanswered: it could not be had.
        """
        timed_out = False

        def late(value: Any, _timeout: float) -> Any:
            nonlocal timed_out
            timed_out = True
            return value

        asking = Deferred.fromCoroutine(self._json(node, address, path))
        asking.addTimeout(timeout, self._reactor, onTimeoutCancel=late)
        try:
            return await asking
        except Unanswered:
            raise
        except Exception as error:
            if timed_out:
                raise Unanswered(f"no answer within {timeout:g} s", timed_out=True) from None
            raise Unanswered(_why(error)) from error

    async def _json(self, node: NodeConfig, address: Any, path: str) -> Any:
        headers = Headers({"Accept": ["application/json"], "User-Agent": ["ollama-gateway"]})
        for name, value in node.headers:
            headers.setRawHeaders(name, [value])
        url = f"{address.scheme}://{address.authority}{address.path}{path}"
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
