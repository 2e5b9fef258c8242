"""What an operator is told of."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pulse.events import KEPT, MOST_NAMED, EventLog
from tests.pool.nodes import failed
from tests.pulse.views import knows, node, view


class EventTests(SynchronousTestCase):
    """The turns that nodes take."""

    def setUp(self) -> None:
        self.log = EventLog()
        self.node = node("a")
        self.look()

    def look(self, now: float = 0.0, **failed: tuple[int, str]) -> list[tuple[str, str]]:
        found = self.log.look(view(self.node, now=now), failed)
        return [(each.kind, each.text) for each in found]

    def test_nothing(self) -> None:
        """
        A node that is well and new is no event.
        """
        self.assertEqual(self.look(), [])

    def test_down_and_up(self) -> None:
        """
        A node whose checks fail is down, and one says why.
        """
        failed(self.node)
        self.node.last_check_error = "connection refused"
        self.assertEqual(self.look(), [("down", "a is down: connection refused")])
        self.assertEqual(self.look(), [])
        for _ in range(2):
            self.node.health.passed()
        self.assertEqual(self.look(), [("up", "a is up")])

    def test_new_and_down(self) -> None:
        """
        A node that is down when it is first seen is one too.
        """
        failed(self.node)
        log = EventLog()
        self.assertEqual([each.kind for each in log.look(view(self.node), {})], ["down"])

    def test_ejected(self) -> None:
        """
        A node that is left alone comes back by itself.
        """
        self.node.breaker.failed(self.node.breaker.admitted(0), 0.0, unreachable=True)
        self.assertEqual(self.look(1.0), [("ejected", "a is ejected: it cannot be reached")])
        self.assertEqual(self.look(9.0), [("readmitted", "a is given requests again")])

    def test_down_before_back(self) -> None:
        """
        One that has been found down meanwhile is not said to be back when its time is over.
        """
        self.node.breaker.failed(self.node.breaker.admitted(0), 0.0, unreachable=True)
        self.look(1.0)
        failed(self.node)
        self.assertEqual(self.look(2.0), [("down", "a is down")])
        self.assertEqual(self.look(9.0), [])

    def test_draining(self) -> None:
        """
        Drained is what an operator wants, and so is the end of it.
        """
        self.node.draining, self.node.in_flight = True, 2
        self.assertEqual(self.look(), [("draining", "a gets no new requests; it works on 2")])
        self.node.draining = False
        self.assertEqual(self.look(), [("resumed", "a gets requests again")])

    def test_models(self) -> None:
        """
        Models come into memory and leave it; what a node had when it was first asked is no news.
        """
        knows(self.node, "m", "n", loaded=("m",))
        self.assertEqual(self.look(), [])
        knows(self.node, "m", "n", loaded=("n",))
        self.assertEqual(
            self.look(),
            [("model_loaded", "n was loaded on a"), ("model_unloaded", "m was unloaded from a")],
        )

    def test_failures(self) -> None:
        """
        Failures are one event every ten seconds, however many they are.
        """
        self.assertEqual(self.look(a=(1, "reset")), [("failure", "a failed a request: reset")])
        self.assertEqual(self.look(1.0, a=(3, "reset")), [])
        self.assertEqual(self.look(9.0, a=(4, "busy"), nobody=(1, "reset")), [])
        self.assertEqual(self.look(10.0), [("failure", "a failed 7 requests: busy")])
        self.assertEqual(self.look(30.0), [])

    def test_bounded(self) -> None:
        """
        A node may say what it wants: events stay few.
        """
        knows(self.node, loaded=())
        self.look()
        knows(self.node, loaded=tuple(f"m{number}" for number in range(500)))
        self.assertEqual(len(self.look()), MOST_NAMED)
        for number in range(500):
            self.log.add("now", "reloaded", None, str(number))
        self.assertEqual(len(self.log.events), KEPT)
        self.assertEqual(self.log.events[-1].seq, MOST_NAMED + 500)
