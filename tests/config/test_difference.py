"""What is new in a configuration."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.difference import FIXED, Difference, difference
from ollama_twisted.config.resolved import Address, Config, GatewayLimits, LineConfig, NodeConfig


def node(name: str, port: int = 11434) -> NodeConfig:
    """A node on this machine."""
    return NodeConfig(name, (Address("http", "127.0.0.1", port),))


OLD = Config((node("a"), node("b")))


class DifferenceTests(SynchronousTestCase):
    """Two configurations, side by side."""

    def test_none(self) -> None:
        """
        A configuration that is read again is no other one, wherever it was read.
        """
        found = difference(OLD, Config((node("b"), node("a")), source="elsewhere"))
        self.assertEqual((found, str(found)), (Difference(), "nothing has changed"))

    def test_nodes(self) -> None:
        """
        Nodes come, go, and change.
        """
        found = difference(OLD, Config((node("b", 1), node("c"))))
        self.assertEqual(found, Difference(added=("c",), removed=("a",), changed=("b",)))
        self.assertEqual(str(found), "1 node added (c); 1 node removed (a); 1 node changed (b)")

    def test_settings(self) -> None:
        """
        Settings are named as they are in the file.
        """
        new = replace(
            OLD,
            strategy="round_robin",
            line=LineConfig(max_waiting=1),
            gateway=GatewayLimits(max_body=1, listen=("tcp:1",), access_log="off"),
        )
        found = difference(OLD, new)
        self.assertEqual(found.settings, ("strategy", "line", "gateway.max_body"))
        self.assertEqual(found.waiting, ("gateway.listen", "gateway.access_log"))
        self.assertEqual(found.warnings[0], "gateway.listen has changed: that needs a restart")

    def test_fixed(self) -> None:
        """
        What needs a restart is really among the settings.
        """
        limits = GatewayLimits()
        self.assertEqual([each for each in FIXED if not hasattr(limits, each)], [])
