"""
TCP transports that send at once when nothing is queued.

Twisted's own ``write`` only remembers the data and asks the reactor to send it
on its next turn: two ``epoll_ctl`` calls and one dispatch for each token of each
stream.  Here the socket is tried first, and only what it does not take is left to
the reactor.  Order, flow control and errors stay Twisted's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet import tcp
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from zope.interface import directlyProvides, providedBy

#: A burst of connections above the backlog waits a second for TCP's retransmit.
BACKLOG = 1024


class _SendsAtOnce:
    """Mixed into a TCP connection: the first send does not wait for the reactor."""

    def doRead(self: Any) -> Any:
        # As the base class does, in one call instead of three.
        try:
            data = self.socket.recv(self.bufferSize)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self.protocol.dataReceived(data)
        return None

    def write(self: Any, data: bytes) -> None:
        # What waits already must go first; a connection that is closing, or
        # that speaks TLS by itself, has rules of its own.
        if (
            self._tempDataLen
            or self.dataBuffer
            or not data
            or not self.connected
            or self.disconnecting
            or self._writeDisconnected
            or self.TLS
            # A pull producer is asked for more when the reactor has written.
            or (self.producer is not None and not self.streamingProducer)
        ):
            super().write(data)  # type: ignore[misc]
            return
        try:
            sent = self.socket.send(data)
        except OSError:
            # Full, or broken: the reactor waits for room, or meets the error
            # again and reports it where a protocol expects it.
            sent = 0
        if sent < len(data):
            super().write(data[sent:] if sent else data)  # type: ignore[misc]

    def writeSequence(self: Any, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))


class EagerServer(_SendsAtOnce, tcp.Server):
    """A client's connection to us."""


class EagerClient(_SendsAtOnce, tcp.Client):
    """Our connection to a node."""


class EagerPort(tcp.Port):
    """A listening port whose connections send at once."""

    transport = EagerServer


class _EagerConnector(tcp.Connector):
    def _makeTransport(self) -> EagerClient:
        return EagerClient(self.host, self.port, self.bindAddress, self, self.reactor)


class EagerReactor:
    """
    A reactor whose TCP connections send at once; all else is the given reactor's.

    Endpoints take it in place of the reactor, so that every ``tcp:`` endpoint
    string, and TLS above TCP, gets these transports without knowing of them.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = BACKLOG, interface: str = ""
    ) -> EagerPort:
        listening = EagerPort(port, factory, max(backlog, BACKLOG), interface, self._reactor)
        listening.startListening()
        return listening

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None
    ) -> _EagerConnector:
        connector = _EagerConnector(host, port, factory, timeout, bindAddress, self._reactor)
        connector.connect()
        return connector


def eager(reactor: Any) -> Any:
    """
    The reactor with eager transports, where it can have them.

    A reactor that does its I/O in another way than Twisted's own TCP classes
    (Windows' completion ports) is returned as it is.
    """
    from twisted.internet.posixbase import PosixReactorBase

    if isinstance(reactor, PosixReactorBase) and IReactorTCP.providedBy(reactor):
        return EagerReactor(reactor)
    return reactor
