"""What an exchange tells the pool of the node that served it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import BreakerConfig
from ollama_twisted.pool.breaker import Circuit
from tests.gateway.harness import STREAM, World, chunks, post, whole

ERROR = whole(b'{"error":"broken"}', b"500 Internal Server Error")
BUSY = whole(b'{"error":"busy"}', b"503 Service Unavailable")


class TrustTests(SynchronousTestCase):
    """One node that is distrusted after its first error."""

    def setUp(self) -> None:
        self.world = World(breaker=BreakerConfig(failures=1, cooldown=5))
        self.breaker = self.world.pool.nodes["a"].breaker

    def ask(self, answer: bytes) -> None:
        self.world.client().send(post(b"/api/chat"))
        self.world.node().answer(answer)

    def test_error(self) -> None:
        """An answer that is passed on as an error counts against the node."""
        self.ask(ERROR)
        self.assertEqual(self.breaker.circuit, Circuit.OPEN)

    def test_busy(self) -> None:
        """An answer that the node is busy counts neither for it nor against it."""
        self.ask(BUSY)
        self.assertEqual(self.breaker.circuit, Circuit.CLOSED)
        self.ask(ERROR)
        self.world.clock.advance(6)
        self.ask(BUSY)
        self.assertEqual(self.breaker.circuit, Circuit.OPEN)

    def test_trial(self) -> None:
        """A node on trial is trusted again when its answer begins, not when it ends."""
        self.ask(ERROR)
        self.world.clock.advance(6)
        self.ask(b"")
        self.assertEqual(self.breaker.circuit, Circuit.HALF_OPEN)
        self.world.node().answer(STREAM + chunks(b'{"done":false}\n', end=False))
        self.assertEqual(self.breaker.circuit, Circuit.CLOSED)

    def test_client_leaves(self) -> None:
        """A client that leaves during the trial gives it back."""
        self.ask(ERROR)
        self.world.clock.advance(6)
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.assertEqual(self.breaker.circuit, Circuit.HALF_OPEN)
        client.leave()
        self.assertEqual(self.breaker.circuit, Circuit.OPEN)
        self.assertEqual(self.breaker.admits(self.world.clock.seconds()), True)
