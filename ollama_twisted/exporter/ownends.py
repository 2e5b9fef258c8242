"""The exporter's own connections to Ollama, so that it does not count itself among the clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from ollama_twisted.probe.connection import plain

#: A connection is seen for a minute after its end (TIME_WAIT), and looks take their time.
REMEMBERED = 90.0

_CONNECT = 5.0


@implementer(IAgentEndpointFactory)
class OwnEnds:
    """
    Makes connections, and holds our ends of them: address and port.

    An end is in here before the first byte is sent through it.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._ends: dict[tuple[str, int], float] = {}

    def __contains__(self, end: object) -> bool:
        return end in self._ends

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._ends)

    def __len__(self) -> int:
        return len(self._ends)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii")
        kind: Any = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        return _Noting(kind(self._reactor, host.strip("[]"), uri.port, _CONNECT), self)

    def note(self, address: str, port: int) -> None:
        """This end is ours."""
        now = self._reactor.seconds()
        self._ends = {end: at for end, at in self._ends.items() if now - at < REMEMBERED}
        self._ends[plain(address), port] = now


@implementer(IStreamClientEndpoint)
class _Noting:
    """An endpoint whose connections are known to be ours."""

    def __init__(self, endpoint: Any, ends: OwnEnds) -> None:
        self._endpoint = endpoint
        self._ends = ends

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connecting: Deferred[Any] = self._endpoint.connect(protocolFactory)
        return connecting.addCallback(self._connected)

    def _connected(self, protocol: Any) -> Any:
        host = protocol.transport.getHost()
        self._ends.note(host.host, host.port)
        return protocol
