"""
A site of pages that are read and never changed: what it refuses, before any page is asked.

Requests have no bodies here, or ones that nobody looks at; connections are bounded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from ollama_twisted.web.cors import Cors
from ollama_twisted.web.hosts import AllowedHosts, is_loopback

#: A body that we shall not read may be this long, for the sake of clients who send one.
MAX_BODY = 64 * 1024

#: Seconds within which a request must be here, all of it, from when one could begin.
PATIENCE = 30.0

_ALLOW = b"GET, HEAD, OPTIONS"


def say(request: Any, status: int, message: str) -> bytes:
    """An error as Ollama words them."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json; charset=utf-8")
    return json.dumps({"error": message}, ensure_ascii=False).encode()


class PageRequest(Request):
    """A request for a page."""

    _discarded = 0

    def gotLength(self, length: int | None) -> None:
        # Twisted would keep a long body in a file, whether or not somebody wants it.
        super().gotLength(0)
        if length is not None and length > MAX_BODY:
            self._hang_up()

    def handleContentChunk(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > MAX_BODY:
            self._hang_up()

    def _hang_up(self) -> None:
        channel: Any = self.channel
        channel.forceAbortClient()

    def process(self) -> None:
        channel: Any = self.channel
        answer: bytes | None = channel.site.refusal(self)
        if answer is None:
            super().process()
            return
        if answer:
            self.setHeader(b"content-length", b"%d" % len(answer))
            self.write(b"" if self.method == b"HEAD" else answer)
        self.finish()


class PageChannel(HTTPChannel):
    """A connection; HTTP/1.1 only, and counted."""

    def connectionMade(self) -> None:
        super().connectionMade()
        if not self._pages().joined():
            self.forceAbortClient()

    def resetTimeout(self) -> None:
        """
        Overridden: the time for a request is not begun anew with each byte.

        Otherwise whoever sends one now and then would keep a place for ever.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._pages().left()
        super().connectionLost(reason)

    def _pages(self) -> PageSite:
        site: Any = self.site  # type: ignore[attr-defined]
        assert isinstance(site, PageSite)
        return site


class PageSite(Site):
    """
    The pages of one server.

    ``shared`` says which paths other origins may read, by ``cors``; ``scraped`` which
    are read by machines that come by any name, unless they come by loopback.
    """

    noisy = False
    requestFactory = PageRequest
    protocol = PageChannel  # type: ignore[assignment]

    def __init__(
        self,
        root: IResource,
        hosts: AllowedHosts,
        cors: Cors,
        shared: Callable[[bytes], bool],
        scraped: frozenset[bytes] = frozenset(),
        max_connections: int = 1000,
    ) -> None:
        super().__init__(root, timeout=PATIENCE, parsePOSTFormSubmission=False)
        self._hosts = hosts
        self._cors = cors
        self._shared = shared
        self._scraped = scraped
        self._max_connections = max_connections
        self._connections = 0

    def startFactory(self) -> None:
        """Overridden: the base class opens a log file and starts a clock for its dates."""

    def stopFactory(self) -> None:
        """Overridden for the same reason."""

    def log(self, request: Any) -> None:
        """Overridden: who scrapes every few seconds is not worth a line each."""

    def joined(self) -> bool:
        """Somebody has connected; ``False`` if there is no room."""
        self._connections += 1
        return self._connections <= self._max_connections

    def left(self) -> None:
        """A connection has ended, whether or not there was room for it."""
        self._connections -= 1

    def refusal(self, request: PageRequest) -> bytes | None:
        """
        The body of the answer if no page shall be asked, else ``None``.

        Whatever is answered, the header fields for other origins are on it.
        """
        request.setHeader(b"server", b"ollama-twisted")
        request.setHeader(b"x-content-type-options", b"nosniff")
        path, origin = request.path.partition(b"?")[0], request.getHeader(b"origin")
        shared = self._shared(path)
        asked = request.getHeader(b"access-control-request-method")
        if request.method == b"OPTIONS":
            if not self._named(request, path):
                return self._unnamed(request)
            request.setResponseCode(204)
            if shared and origin is not None and asked is not None:
                wanted = request.getHeader(b"access-control-request-private-network")
                self._add(request, self._cors.preflight(origin, wanted == b"true"))
            else:
                request.setHeader(b"allow", _ALLOW)
                self._add(request, self._cors.fields(origin) if shared else [])
            return b""
        self._add(request, self._cors.fields(origin) if shared else [])
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"allow", _ALLOW)
            return say(request, 405, "this page can only be read: GET or HEAD")
        if not self._named(request, path):
            return self._unnamed(request)
        return None

    def _named(self, request: PageRequest, path: bytes) -> bool:
        local = is_loopback(getattr(request.getHost(), "host", ""))
        if path in self._scraped and not local:
            return True
        return self._hosts.allow(request.getHeader(b"host") or b"")

    def _unnamed(self, request: PageRequest) -> bytes:
        host = (request.getHeader(b"host") or b"").decode("latin-1")
        return say(
            request, 403, f"not answered under the name {host!r}: add it to the allowed hosts"
        )

    def _add(self, request: PageRequest, fields: list[tuple[bytes, bytes]]) -> None:
        for name, value in fields:
            request.responseHeaders.addRawHeader(name, value)
