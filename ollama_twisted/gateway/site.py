"""Where clients arrive: their connections, what is refused at the door, what is a page of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.gateway.channel import Channel
from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.exchange import Exchange
from ollama_twisted.record import Record
from ollama_twisted.web.hosts import AllowedHosts
from ollama_twisted.wire import problems
from ollama_twisted.wire.head import BadRequest, RequestHead
from ollama_twisted.wire.routes import Dialect, find, safe_path

#: Paths that the gateway answers itself; every other one is a node's.
PAGES = frozenset(
    {
        b"/health",
        b"/metrics",
        b"/topology",
        b"/api/nodes",
        b"/api/routing/query",
        b"/api/routing/rules",
        b"/api/topology",
        b"/api/events",
        b"/api/history",
        b"/api/config",
        b"/api/config/check",
        b"/api/config/reload",
        b"/debug/config",
        b"/config",
        b"/nodes",
        b"/routing",
        b"/favicon.ico",
    }
)
#: The same of whatever stands below.
FOLDERS = (b"/nodes/", b"/static/")


class GatewaySite(Site):
    """The clients of one gateway."""

    noisy = False

    def __init__(self, pages: IResource, gateway: Gateway, draining: bool = False) -> None:
        super().__init__(pages, parsePOSTFormSubmission=False)
        self.gateway = gateway
        self.limits: GatewayLimits
        self.replace(gateway.limits)
        self.seconds: Callable[[], float] = gateway.seconds
        self.draining = draining
        self.channels: set[Channel] = set()
        gateway.asked_models = self._asked_models

    def buildProtocol(self, addr: IAddress | None) -> Channel:  # type: ignore[override]
        return Channel(self)

    def startFactory(self) -> None:
        """Overridden: the base class opens a log file and starts a clock for its dates."""

    def stopFactory(self) -> None:
        """Overridden for the same reason."""

    def replace(self, limits: GatewayLimits) -> None:
        """From now on these are the limits."""
        self.limits = limits
        self._hosts = AllowedHosts(limits.allowed_hosts)

    # What channels ask and tell.

    def joined(self, channel: Channel) -> bool:
        """A client has connected; ``False`` if there is no room for it."""
        self.channels.add(channel)
        self.gateway.client_connections = len(self.channels)
        return len(self.channels) <= self.limits.max_connections

    def left(self, channel: Channel) -> None:
        self.channels.discard(channel)
        self.gateway.client_connections = len(self.channels)

    def admit(self, head: RequestHead, channel: Channel) -> None:
        """
        Refuse what no route may answer.

        @raise BadRequest: the path may be read in two ways, or the Host is not ours
            (only asked on loopback, where a foreign name can only be a rebound one).
        """
        if not safe_path(head.path):
            raise BadRequest(400, "the path is not in its plain form")
        if channel.local and not self._hosts.allow(head.host):
            raise BadRequest(
                403,
                f"this gateway does not answer to the name {head.host.decode('latin-1')!r}:"
                " add it to gateway.allowed_hosts",
            )

    def owns(self, head: RequestHead) -> bool:
        """Is this a request for one of the gateway's own pages?"""
        path = head.path
        if path == b"/":
            # Ollama's clients ask for "/" to see whether it runs; browsers want a page.
            return b"text/html" in head.lower.get(b"accept", b"")
        return path in PAGES or path.startswith(FOLDERS)

    def refused(
        self,
        channel: Channel,
        head: RequestHead | None,
        error: BadRequest,
        accounted: bool = False,
    ) -> bytes:
        """
        A request ended at the door; what its client is told, in the words of its protocol.

        ``head`` is known if that could be read; ``accounted``: an exchange tells of it.
        """
        now = self.seconds()
        record = Record(
            operation="refused",
            method=head.method if head is not None else b"",
            path=head.path if head is not None else b"",
            client=channel.peer,
            started=now,
            ended=now,
            status=error.status,
            failure="refused",
            detail=error.message,
        )
        if not accounted:
            self.gateway.account(record)
        dialect = find(head.method, head.path).dialect if head is not None else Dialect.OLLAMA
        return problems.body(dialect, error.status, error.message)

    def log(self, request: Any) -> None:
        """A page was answered (called by twisted.web)."""
        log = self.gateway.access_log
        if log is not None and isinstance(request, Request):
            now = self.seconds()
            log.add(
                Record(
                    operation="page",
                    method=request.method,
                    path=request.path,
                    client=request.channel.peer if isinstance(request.channel, Channel) else b"",
                    started=now,
                    ended=now,
                    status=request.code,
                    relayed=request.sentLength,
                )
            )

    def sweep(self, now: float) -> None:
        """Told about once a second."""
        for channel in tuple(self.channels):
            channel.sweep(now)

    def _asked_models(self) -> Iterator[str | None]:
        """The models that nodes are asked for at this moment, once for each request."""
        for channel in self.channels:
            # Who waits in line has no node yet.
            if isinstance(served := channel.served, Exchange) and served.record.node:
                yield served.record.model

    @property
    def busy(self) -> int:
        """Clients that are being answered."""
        return sum(channel.busy for channel in self.channels)

    def drain(self) -> None:
        """Hang up on those who wait for nothing; the others end their answers first."""
        self.draining = True
        for channel in tuple(self.channels):
            channel.drain()

    def cut(self, why: str) -> None:
        """End the answers that are still under way, telling the clients why."""
        for channel in tuple(self.channels):
            channel.cut(why)

    def abort(self) -> None:
        """Hang up on everybody, at once."""
        for channel in tuple(self.channels):
            channel.abort()
