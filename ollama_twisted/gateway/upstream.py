"""
The connections to one node: those that wait for work, and how a new one is made.

They carry proxied requests only.  Checks and lists go through treq, where a
connection's price does not matter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import TimeoutError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from zope.interface import implementer

from ollama_twisted.config.resolved import Address, NodeConfig
from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.failures import Unreachable
from ollama_twisted.web.asking import in_words

EndpointFor = Callable[[Address, float], IStreamClientEndpoint]


def endpoint_for(reactor: Any) -> EndpointFor:
    """How an address is connected to with this reactor; certificates are verified."""

    def endpoint(address: Address, timeout: float) -> IStreamClientEndpoint:
        tcp: IStreamClientEndpoint
        # Literal addresses skip the resolver, which would cost a thread.
        if ":" in address.host:
            tcp = TCP6ClientEndpoint(reactor, address.host, address.port, timeout)
        elif address.host.replace(".", "").isdigit():
            tcp = TCP4ClientEndpoint(reactor, address.host, address.port, timeout)
        else:
            tcp = HostnameEndpoint(reactor, address.host, address.port, timeout)
            # Which bounds each attempt, but not the search for the addresses.
            tcp = _InTime(tcp, 2 * timeout, reactor)
        if address.scheme == "https":
            tcp = wrapClientTLS(optionsForClientTLS(address.host), tcp)
        return tcp

    return endpoint


@implementer(IStreamClientEndpoint)
class _InTime:
    """An endpoint that is connected to in so many seconds in all, or not at all."""

    def __init__(self, endpoint: IStreamClientEndpoint, limit: float, reactor: Any) -> None:
        self._endpoint = endpoint
        self._limit = limit
        self._reactor = reactor

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        def late(result: Any, _limit: float) -> Any:
            return Failure(TimeoutError()) if isinstance(result, Failure) else result

        connecting = self._endpoint.connect(factory)
        return connecting.addTimeout(self._limit, self._reactor, onTimeoutCancel=late)


class Upstream:
    """
    One node's connections.

    The one used last is used next: it is the least likely to be stale, and those
    that a burst left behind age away.
    """

    def __init__(
        self, config: NodeConfig, endpoint: EndpointFor, seconds: Callable[[], float]
    ) -> None:
        self.config = config
        self._seconds = seconds
        self._idle: deque[NodeConnection] = deque()
        self._closed = False
        self._addresses = [
            (address, endpoint(address, config.timeouts.connect)) for address in config.addresses
        ]
        self._preferred = 0
        #: When the node last began or ended an answer: a sign of life.
        self.answered_at = float("-inf")
        #: Called when the node has closed a connection that waited for work.
        self.lost: Callable[[], None] = lambda: None
        self._factory = Factory.forProtocol(lambda: NodeConnection(self))
        self._factory.noisy = False

    @property
    def address(self) -> Address:
        """Where the node answered last, or the first of its addresses."""
        return self._addresses[self._preferred][0]

    def addresses(self) -> list[Address]:
        """All of them, the one to try first before the others."""
        addresses = [address for address, _ in self._addresses]
        return addresses[self._preferred :] + addresses[: self._preferred]

    def prefer(self, address: Address) -> None:
        """The node answered at this address."""
        self._preferred = next(
            index for index, (known, _) in enumerate(self._addresses) if known == address
        )

    def serves(self, config: NodeConfig) -> bool:
        """Are these connections to the node that is configured there?"""
        now, wanted = self.config, config
        same = (now.addresses, now.timeouts.connect) == (wanted.addresses, wanted.timeouts.connect)
        return same and not self._closed

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    def idle(self) -> NodeConnection | None:
        """A connection that is open already, taken out of those that wait."""
        return self._idle.pop() if self._idle else None

    async def connect(self) -> NodeConnection:
        """
        A new connection, to the first of the node's addresses that answers.

        @raise Unreachable: none of them did; the last one's reason is given.
        """
        count = len(self._addresses)
        for turn in range(count):
            index = (self._preferred + turn) % count
            address, endpoint = self._addresses[index]
            try:
                connection: Any = await endpoint.connect(self._factory)
            except CancelledError:
                raise
            except Exception as error:
                failed = f"{address.authority}: {in_words(error)}"
                continue
            self._preferred = index
            connection.host = address.authority.encode()
            connection.prefix = address.path.encode()
            return connection  # type: ignore[no-any-return]
        # The address that stopped answering is no better than the first one.
        self._preferred = 0
        raise Unreachable(failed)

    def release(self, connection: NodeConnection) -> None:
        """Keep a connection whose answer has ended, for the next request."""
        self.answered_at = self._seconds()
        if self._closed or len(self._idle) >= self.config.connections.idle:
            connection.close()
            return
        connection.idle_since = self.answered_at
        self._idle.append(connection)

    def forget(self, connection: NodeConnection) -> None:
        """A waiting connection was lost."""
        with suppress(ValueError):
            self._idle.remove(connection)
            self.lost()

    def sweep(self, now: float) -> None:
        """Close what has waited for too long."""
        limit = now - self.config.connections.idle_seconds
        while self._idle and self._idle[0].idle_since < limit:
            self._idle.popleft().close()

    def close(self) -> None:
        """Close what waits now, and later what is in use, once its answer has ended."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
