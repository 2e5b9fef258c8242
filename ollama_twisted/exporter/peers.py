"""Who a client is, by its address: never more of a stranger than that it is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from ollama_twisted.exporter.settings import Peer
from ollama_twisted.exporter.view import LOCAL, OTHER
from ollama_twisted.probe.connection import plain


class PeerBook:
    """The configured peers, by all the addresses that they are known to have."""

    def __init__(self, peers: Iterable[Peer], own: Iterable[str] = ()) -> None:
        self._peers = tuple(peers)
        self._own = frozenset(map(_normal, own))
        self._names: dict[str, str] = {}
        self.learn({})

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every name or address that a peer was given."""
        return tuple(host for peer in self._peers for host in peer.hosts)

    @property
    def routers(self) -> tuple[str, ...]:
        return tuple(peer.name for peer in self._peers if peer.router)

    def learn(self, addresses: Mapping[str, Iterable[str]]) -> None:
        """What the hosts' names mean now; an address stands for itself."""
        names: dict[str, str] = {}
        for peer in self._peers:
            for host in peer.hosts:
                for address in (host, *addresses.get(host, ())):
                    # The first one named has it: routers stand before nodes.
                    names.setdefault(_normal(address), peer.name)
        self._names = names

    def count(self, connections: Mapping[str, int]) -> dict[str, int]:
        """Connections by who is connected; every peer is in it."""
        counts = {peer.name: 0 for peer in self._peers} | {LOCAL: 0, OTHER: 0}
        for address, number in connections.items():
            counts[self._name(address)] += number
        return counts

    def bytes(self, traffic: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Bytes sent and received, by address, as bytes by who is connected."""
        sums = {name: (0, 0) for name in self.count({})}
        for address, (sent, received) in traffic.items():
            name = self._name(address)
            sums[name] = (sums[name][0] + sent, sums[name][1] + received)
        return sums

    def _name(self, address: str) -> str:
        address = _normal(address)
        named = self._names.get(address)
        if named is not None:
            return named
        if address in self._own or _is_loopback(address):
            return LOCAL
        return OTHER


def _normal(address: str) -> str:
    try:
        return plain(address)
    except ValueError:
        return address.lower()


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
