"""What a node keeps, and what it forgets."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import BreakerConfig, HealthConfig
from ollama_twisted.pool.breaker import Circuit
from tests.pool.nodes import failed, models, node, node_config


class NodeTests(SynchronousTestCase):
    """One node."""

    def test_full(self) -> None:
        """A node is full at its limit, and beyond when the limit has shrunk."""
        limited = node(max_in_flight=2)
        full = []
        for limited.in_flight in range(4):
            full.append(limited.full)
        self.assertEqual(full, [False, False, True, True])

    def test_without_limit(self) -> None:
        """A node without a limit is never full."""
        free = node()
        free.in_flight = 10**6
        self.assertEqual(free.full, False)

    def test_available(self) -> None:
        """A node is available when checks and breaker agree and there is room."""
        seen = [node(), node(), node(), node(max_in_flight=1)]
        failed(seen[1])
        seen[2].breaker.failed(seen[2].breaker.admitted(0), 0, unreachable=True)
        seen[3].in_flight = 1
        self.assertEqual([each.available(1) for each in seen], [True, False, False, False])
        self.assertEqual([each.healthy(1) for each in seen], [True, False, False, True])

    def test_configured(self) -> None:
        """Checks and breaker follow the configuration."""
        configured = node(health=HealthConfig(rise=4, fall=5), breaker=BreakerConfig(6, 7.0))
        health, breaker = configured.health, configured.breaker
        self.assertEqual(
            (health.rise, health.fall, breaker.failures, breaker.cooldown), (4, 5, 6, 7.0)
        )

    def test_configured_anew(self) -> None:
        """A new configuration of the same server leaves what was seen of it."""
        kept = node()
        kept.in_flight, kept.models, kept.version = 3, models("m"), "1"
        failed(kept)
        kept.configure(node_config(max_in_flight=2))
        self.assertEqual(
            (kept.in_flight, kept.models, kept.version, kept.health.healthy, kept.full),
            (3, models("m"), "1", False, True),
        )

    def test_moved(self) -> None:
        """Nothing that was seen of a server holds for one elsewhere; its requests still run."""
        moved = node()
        moved.in_flight, moved.models = 3, models("m")
        failed(moved)
        moved.breaker.failed(moved.breaker.admitted(0), 0, unreachable=True)
        moved.configure(node_config(host="elsewhere.test"))
        self.assertEqual(
            (moved.in_flight, moved.models, moved.health.starting, moved.breaker.circuit),
            (3, None, True, Circuit.CLOSED),
        )
