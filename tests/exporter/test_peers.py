"""Who a client is."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.exporter.peers import PeerBook
from ollama_twisted.exporter.settings import Peer
from tests.exporter.world import NODE2, ROUTER


class PeerTests(SynchronousTestCase):
    """Connections by address become connections by name."""

    def test_spelling(self) -> None:
        """
        An address is the same address in each of its spellings.
        """
        book = PeerBook([Peer("r", True, ("::ffff:10.0.0.5", "2001:DB8:0::1"))])
        self.assertEqual(book.count({"10.0.0.5": 1, "2001:db8::1": 2})["r"], 3)

    def test_names(self) -> None:
        """
        A peer that was given by name is known by what its name means, as of the last look-up.
        """
        book = PeerBook([NODE2])
        self.assertEqual(book.count({"10.0.0.7": 1})["other"], 1)
        book.learn({"node2.lan": ["10.0.0.7"]})
        self.assertEqual(book.count({"10.0.0.7": 1, "10.0.0.6": 1})["node2"], 2)
        book.learn({"node2.lan": ["10.0.0.8"]})
        self.assertEqual(book.count({"10.0.0.7": 1})["other"], 1)

    def test_local(self) -> None:
        """
        Loopback, and this machine's own addresses, are this machine.
        """
        book = PeerBook([ROUTER], own=["192.168.1.20", "fe80::1%eth0"])
        counts = book.count({"127.0.0.1": 1, "::1": 1, "192.168.1.20": 1, "fe80::1": 1})
        self.assertEqual(counts, {"router": 0, "local": 4, "other": 0})

    def test_router_here(self) -> None:
        """
        A router on this very machine is that router, not merely somebody local.
        """
        book = PeerBook([Peer("gateway", True, ("127.0.0.1",))])
        self.assertEqual(book.count({"127.0.0.1": 2})["gateway"], 2)

    def test_junk(self) -> None:
        """
        What is no address is another.
        """
        self.assertEqual(PeerBook([ROUTER]).count({"*": 1, "?": 1})["other"], 2)
