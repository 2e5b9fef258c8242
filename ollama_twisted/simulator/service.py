"""A simulated node put together: engine, node, pages, listener."""

from __future__ import annotations

import sys
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from ollama_twisted.simulator.admin import admin_resource
from ollama_twisted.simulator.api import NodeResource
from ollama_twisted.simulator.hashed import Hashed
from ollama_twisted.simulator.node import Node

_BACKLOG = 1024
_BLOBS = b"/api/blobs/"


class Root(Resource):
    """The simulator's own pages below ``/simulator``, the node everywhere else."""

    def __init__(self, node: NodeResource, admin: Resource) -> None:
        super().__init__()
        self._node = node
        self.putChild(b"simulator", admin)

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Any path but the simulator's own is the node's."""
        return self._node


class Connection(HTTPChannel):
    """A connection of a client, known to its site for as long as it is open."""

    site: NodeSite
    transport: Any
    _command: bytes
    _path: bytes

    def connectionMade(self) -> None:
        self.site.opened(self)
        super().connectionMade()

    def allHeadersReceived(self) -> None:
        super().allHeadersReceived()
        if self._command == b"POST" and self._path.startswith(_BLOBS):
            # Instead of a file on disk, which might be many gigabytes long.
            self.requests[-1].content = Hashed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.site.closed(self)
        super().connectionLost(reason)


class NodeSite(Site):
    """The HTTP server of a node.  Like Ollama's it lets idle connections stay."""

    protocol: Any = Connection
    noisy = False

    def __init__(self, resource: Resource, node: Node) -> None:
        super().__init__(resource, reactor=node.clock, timeout=None, parsePOSTFormSubmission=False)
        self._counts = node.counts
        self._open: set[Connection] = set()

    def log(self, request: Any) -> None:
        """No access log: whoever runs experiments reads ``/simulator/state``."""

    def opened(self, connection: Connection) -> None:
        """Count a connection."""
        self._open.add(connection)
        self._counts.connections = len(self._open)

    def closed(self, connection: Connection) -> None:
        """Count it no more."""
        self._open.discard(connection)
        self._counts.connections = len(self._open)

    def close_idle(self) -> None:
        """Close the connections on which nothing is being answered."""
        for each in [each for each in self._open if not each.requests]:
            each.transport.loseConnection()

    def abort(self) -> None:
        """Cut all connections."""
        for each in list(self._open):
            each.transport.abortConnection()


class Listener(Service):
    """A listening port that can be gone for a while, and comes back under the same number."""

    _log = Logger()

    def __init__(self, reactor: Any, site: NodeSite, host: str, port: int, announce: bool) -> None:
        self._reactor = reactor
        self._site = site
        self._host = host
        self._number = port
        self._announce = announce
        self._port: Any = None
        self._back: IDelayedCall | None = None

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{self._host}:{self._number}"

    def startService(self) -> None:
        """Listen; raises if that is not possible."""
        super().startService()
        self._listen()
        if self._announce:
            # Not print(): twistd turns what is printed into lines of its log.
            out: Any = sys.__stdout__
            out.write(f"listening on {self.address}\n")
            out.flush()

    async def stopService(self) -> None:
        """Listen no more."""
        super().stopService()
        if self._back is not None and self._back.active():
            self._back.cancel()
        await self._close()

    def refuse(self, seconds: float) -> None:
        """Be gone for so many seconds, counted from now."""
        if self._back is not None and self._back.active():
            self._back.cancel()
        Deferred.fromCoroutine(self._close()).addErrback(
            lambda failure: self._log.failure("closing the port", failure)
        )
        self._back = self._reactor.callLater(seconds, self._listen)

    def _listen(self) -> None:
        self._port = self._reactor.listenTCP(
            self._number, self._site, backlog=_BACKLOG, interface=self._host
        )
        self._number = self._port.getHost().port

    async def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)


class Workings(Service):
    """What a node holds beside its port: ends with it, streams first, then the engine."""

    def __init__(self, node: Node, site: NodeSite) -> None:
        self._node = node
        self._site = site

    async def stopService(self) -> None:
        """Cut what is still being answered and free the engine."""
        super().stopService()
        self._site.abort()
        await self._node.memory.stop()


def simulator(
    reactor: Any, node: Node, host: str = "127.0.0.1", port: int = 0, announce: bool = False
) -> tuple[MultiService, Listener]:
    """
    The services of one node, and the listener among them.

    Stopped in reverse order: first nobody can come any more, then those who are
    there are cut, then the engine goes.
    """
    service = MultiService()

    def refuse(seconds: float) -> None:
        listener.refuse(seconds)
        site.close_idle()

    root = Root(NodeResource(node, refuse), admin_resource(node, refuse))
    site = NodeSite(root, node)
    listener = Listener(reactor, site, host, port, announce)
    Workings(node, site).setServiceParent(service)
    listener.setServiceParent(service)
    return service, listener
