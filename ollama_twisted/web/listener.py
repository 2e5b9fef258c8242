"""One address at which clients are accepted."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.python.failure import Failure


class Listener(Service):
    """
    Listens at an endpoint while it runs.

    Starting it raises what went wrong, so that a gateway that cannot listen does
    not seem to run; and where it listens can be asked, which a port of 0 needs.
    """

    def __init__(self, endpoint: str, factory: IProtocolFactory, reactor: Any) -> None:
        self.endpoint = endpoint
        self._factory = factory
        self._reactor = reactor
        self._port: IListeningPort | None = None

    def startService(self) -> None:
        failures: list[Failure] = []
        listening: Deferred[IListeningPort] = serverFromString(self._reactor, self.endpoint).listen(
            self._factory
        )
        listening.addCallbacks(self._listens, failures.append)
        if failures:
            failures[0].raiseException()
        super().startService()

    def _listens(self, port: IListeningPort) -> None:
        self._port = port

    @property
    def address(self) -> str:
        """Where it listens: ``127.0.0.1:11435``, or a socket's path."""
        if self._port is None:
            return self.endpoint
        address: Any = self._port.getHost()
        if hasattr(address, "port"):
            host = f"[{address.host}]" if ":" in address.host else address.host
            return f"{host}:{address.port}"
        name = address.name
        return name.decode() if isinstance(name, bytes) else str(name)

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        port, self._port = self._port, None
        stopped: Deferred[None] | None = port.stopListening() if port is not None else None
        return stopped


class Announcement(Service):
    """Prints ``listening on ADDRESS`` for each listener once all of them listen."""

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = tuple(listeners)

    def startService(self) -> None:
        super().startService()
        for listener in self._listeners:
            # twistd has put its own log where sys.stdout was.
            print(f"listening on {listener.address}", file=sys.__stdout__, flush=True)
