"""Nodes of which nothing is known yet: who waits for them, and who does not."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import HealthConfig, NodeConfig
from ollama_twisted.pool.eligibility import Reason, Want
from ollama_twisted.pool.lease import Lease
from ollama_twisted.pool.line import Blocked
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.pool.preview import Verdict
from ollama_twisted.services import Service
from tests.pool.nodes import config, end, models, node_config

ANY = Want()


class StartingCase(SynchronousTestCase):
    """A pool that has just been made."""

    def made(self, *nodes: NodeConfig) -> NodePool:
        self.pool = NodePool(config(*nodes), Random(1))
        self.granted: list[Lease] = []
        return self.pool

    def wait(self, want: Want) -> None:
        self.pool.wait(want, 0.0, self.granted.append)

    def blocked(self, want: Want) -> Blocked | None:
        lease = self.pool.lease(want, 0.0)
        if lease is None:
            return self.pool.blocked(want, 0.0)
        lease.give_back()
        return None


class FirstCheckTests(StartingCase):
    """Before the first checks have come back."""

    def test_waited_for(self) -> None:
        """Nobody is sent to a node that nothing is known of; the first good check lets them."""
        self.made(node_config("a"))
        self.assertEqual(self.blocked(ANY), Blocked.STARTING)
        self.wait(ANY)
        self.pool.checked("a", 0.0, True)
        self.assertEqual([lease.node.name for lease in self.granted], ["a"])

    def test_refused(self) -> None:
        """A first bad check decides at once, too: it is down, and nobody waits."""
        self.made(node_config("a"))
        self.assertEqual(self.pool.checked("a", 0.0, False, "connection refused"), True)
        self.assertEqual(self.blocked(ANY), Blocked.NO_NODE)

    def test_another(self) -> None:
        """Nobody waits for a node if another can serve."""
        self.made(node_config("a"), node_config("b"))
        self.pool.checked("b", 0.0, True, models=models("m"))
        self.assertEqual((self.blocked(ANY), self.blocked(Want("m"))), (None, None))

    def test_model(self) -> None:
        """A model that nobody is known to have may be on one that is starting."""
        self.made(node_config("a"), node_config("b"))
        self.pool.checked("b", 0.0, True, models=models("m"))
        self.assertEqual(self.blocked(Want("x")), Blocked.STARTING)
        told = {node.name: refusal for node, refusal in self.pool.explain(Want("x"), 0.0)}
        self.assertEqual(str(told["a"]), "starting (not checked yet)")
        self.assertEqual(str(told["b"]), "it does not have the model")
        self.wait(Want("x"))
        self.pool.checked("a", 0.0, True, models=models("x"))
        self.assertEqual(self.granted[0].node.name, "a")
        self.assertEqual(self.blocked(Want("y")), None)

    def test_not_meant(self) -> None:
        """A node that could not serve anyway is not waited for."""
        self.made(node_config("a", enabled=False), node_config("b"), node_config("c"))
        self.pool.drain("b", True, 0.0)
        self.pool.checked("c", 0.0, False)
        self.assertEqual(self.blocked(ANY), Blocked.NO_NODE)

    def test_foretold(self) -> None:
        """Whoever asks beforehand is told that the request would wait."""
        self.made(node_config("a"))
        told = self.pool.preview(ANY, 0.0)
        self.assertEqual((told.verdict, told.fallback), (Verdict.WAIT, False))

    def test_changes(self) -> None:
        """Whoever changes models waits as well, and takes no place on the node."""
        self.made(node_config("a"))
        manages = Want("m", service=Service.MANAGE)
        self.assertEqual(self.pool.blocked(manages, 0.0), Blocked.STARTING)
        self.wait(manages)
        self.pool.checked("a", 0.0, True)
        node = self.pool.nodes["a"]
        self.assertEqual((node.in_flight, node.total_requests, node.visits), (0, 0, 1))
        self.granted[0].give_back()
        self.assertEqual(node.busy, False)


class StartPeriodTests(StartingCase):
    """A node that is given time to start."""

    def setUp(self) -> None:
        self.made(node_config("a", health=HealthConfig(start_period=10.0)))

    def check(self, now: float, good: bool) -> Blocked | None:
        self.pool.checked("a", now, good, "" if good else "connection refused")
        return self.blocked(ANY)

    def test_waited_for(self) -> None:
        """Bad checks say only that it is starting, until the period is over."""
        self.assertEqual(self.check(5.0, False), Blocked.STARTING)
        self.assertEqual(self.check(14.9, False), Blocked.STARTING)
        ((_, refusal),) = self.pool.explain(ANY, 14.9)
        self.assertEqual(str(refusal), "starting (connection refused)")
        self.assertEqual(self.check(15.0, False), Blocked.NO_NODE)

    def test_up(self) -> None:
        """One that has been up is down like any other when it goes."""
        self.assertEqual(self.check(0.0, False), Blocked.STARTING)
        self.assertEqual(self.check(1.0, True), None)
        for _ in range(3):
            last = self.check(2.0, False)
        self.assertEqual(last, Blocked.NO_NODE)

    def test_given_up(self) -> None:
        """One whose end is known is waited for no more."""
        self.check(0.0, False)
        self.pool.given_up("a", 1.0, "it has ended by SIGKILL")
        self.assertEqual(self.blocked(ANY), Blocked.NO_NODE)
        ((_, refusal),) = self.pool.explain(ANY, 1.0)
        assert refusal is not None
        self.assertEqual(refusal.reason, Reason.UNHEALTHY)
        self.assertEqual(str(refusal), "down (it has ended by SIGKILL)")

    def test_given_up_later(self) -> None:
        """Of one that has been up the checks tell, and of none nothing need be told."""
        self.check(0.0, True)
        self.pool.given_up("a", 1.0, "it has ended")
        self.pool.given_up("z", 1.0, "it has ended")
        self.assertEqual(end(self.pool.lease(ANY, 1.0)), "a")
