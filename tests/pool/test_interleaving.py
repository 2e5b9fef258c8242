"""Whatever happens to a pool, in whatever order: what must hold all the time."""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import (
    BreakerConfig,
    Config,
    HealthConfig,
    NodeConfig,
    SizeRange,
)
from ollama_twisted.pool.breaker import Circuit
from ollama_twisted.pool.eligibility import Want, eligible
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.line import LineFull, Waiter
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.pool import Blocked, NodePool
from ollama_twisted.pool.selection import STRATEGIES
from tests.pool.nodes import config, models, node_config

NAMES = "abcd"

wants = st.sampled_from([None, "m:1b", "m:70b", "nobodys"]).map(Want)
left_out = st.sets(st.sampled_from(NAMES), max_size=2).map(frozenset)
outcomes = st.sampled_from(Outcome)
which = st.integers(0, 1000)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Some of the nodes, with other limits each time."""
    nodes: list[NodeConfig] = [
        node_config(
            name,
            host=draw(st.sampled_from(["here.test", "here.test", "there.test"])),
            enabled=draw(st.sampled_from([True, True, False])),
            max_in_flight=draw(st.sampled_from([1, 1, 2, 3])),
            weight=draw(st.sampled_from([0.5, 1.0, 3.0])),
            ranges=draw(st.sampled_from([(), (SizeRange(0, 8),)])),
            health=HealthConfig(rise=2, fall=2),
            breaker=BreakerConfig(failures=2, cooldown=5.0),
        )
        for name in draw(st.permutations(NAMES))[: draw(st.integers(1, 4))]
    ]
    return config(
        *nodes,
        strategy=draw(st.sampled_from(sorted(STRATEGIES))),
        max_waiting=draw(st.integers(0, 6)),
    )


class Waiting:
    """Somebody in the line, and what became of it."""

    def __init__(self, number: int, want: Want, then: str) -> None:
        self.number = number
        self.want = want
        self.then = then
        self.waiter: Waiter
        self.left = False
        self.granted = False


class PoolMachine(RuleBasedStateMachine):
    """A pool, and beside it a plain account of who holds and who waits."""

    @initialize(config=configs(), seed=which)
    def begin(self, config: Config, seed: int) -> None:
        self.pool = NodePool(config, Random(seed))
        self.now = 1.0
        self.held: list[Lease] = []
        self.waiting: list[Waiting] = []
        self.seen: set[Node] = set(self.pool.nodes.values())
        self.number = 0

    # What happens.

    @rule(want=wants, without=left_out, then=st.sampled_from(["hold", "end", "again", "oust"]))
    def request(self, want: Want, without: frozenset[str], then: str) -> None:
        """A request comes: it has a place now, or waits if waiting may help."""
        lease = self.pool.lease(want, self.now, without)
        if lease is not None:
            assert lease.node.name not in without
            self.take(want, lease)
            if not without:
                self.nobody_was_overtaken(lease.node)
        elif not without and self.pool.blocked(want, self.now) is Blocked.FULL:
            self.wait(want, then)

    @rule(which=which, outcome=outcomes, begun=st.booleans())
    def end(self, which: int, outcome: Outcome, begun: bool) -> None:
        """One of those who hold a place ends."""
        if self.held:
            lease = self.held[which % len(self.held)]
            if begun:
                lease.answering(self.now)
            self.give_back(lease, outcome)

    @rule(which=which)
    def leave(self, which: int) -> None:
        """One of those who wait leaves, or has waited for too long."""
        waiting = [each for each in self.waiting if not each.granted]
        if waiting:
            self.send_away(waiting[which % len(waiting)])

    @rule(seconds=st.sampled_from([0.1, 3.0, 6.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        """Time passes, and those who wait learn of it by the next check."""
        self.now += seconds
        self.pool.checked(next(iter(self.pool.nodes)), self.now, True)

    @rule(name=st.sampled_from(NAMES), ok=st.booleans())
    def check(self, name: str, ok: bool) -> None:
        """A check ends."""
        self.pool.checked(name, self.now, ok, "" if ok else "refused")

    @rule(name=st.sampled_from(NAMES), listed=st.sets(st.sampled_from(["m:1b", "m:70b"])))
    def list_models(self, name: str, listed: set[str]) -> None:
        """A node tells its models."""
        self.pool.listed(name, models(*listed))

    @rule(config=configs())
    def reload(self, config: Config) -> None:
        """The configuration changes."""
        self.pool.replace(config, self.now)
        self.seen.update(self.pool.nodes.values())

    # What those who ask do, and see.

    def take(self, want: Want, lease: Lease) -> None:
        node = lease.node
        assert self.pool.nodes[node.name] is node
        assert node in self.may_serve(want)
        assert node.in_flight <= node.limit
        self.held.append(lease)

    def give_back(self, lease: Lease, outcome: Outcome) -> None:
        self.held.remove(lease)
        with lease:
            lease.outcome(outcome, self.now)

    def wait(self, want: Want, then: str) -> None:
        self.number += 1
        waiting = Waiting(self.number, want, then)

        def granted(lease: Lease) -> None:
            self.grant(waiting, lease)

        try:
            waiting.waiter = self.pool.wait(want, self.now, granted)
        except LineFull:
            assert len(self.pool.line) >= self.pool.line.max_waiting
        else:
            self.waiting.append(waiting)

    def grant(self, waiting: Waiting, lease: Lease) -> None:
        assert not waiting.granted and not waiting.left
        waiting.granted = True
        self.waiting.remove(waiting)
        for other in self.waiting:
            assert other.want != waiting.want or other.number > waiting.number, "overtaken"
        self.take(waiting.want, lease)
        if waiting.then == "end":
            self.give_back(lease, Outcome.ANSWERED)
        elif waiting.then == "again":
            self.give_back(lease, Outcome.UNREACHABLE)
            self.request(waiting.want, frozenset(lease.node.name), "hold")
            self.request(waiting.want, frozenset(), "hold")
        elif waiting.then == "oust" and self.waiting:
            self.send_away(self.waiting[-1])

    def send_away(self, waiting: Waiting) -> None:
        waiting.left = True
        self.waiting.remove(waiting)
        self.pool.leave(waiting.waiter)

    # What must hold.

    def may_serve(self, want: Want) -> list[Node]:
        judged = eligible(self.pool.nodes.values(), want, self.pool._sizes)
        return [node for node, refusal in judged if refusal is None]

    def nobody_was_overtaken(self, node: Node) -> None:
        """A node that is trusted is not given away while one who wants it waits."""
        if node.breaker.circuit is Circuit.CLOSED:
            for waiting in self.waiting:
                assert node not in self.may_serve(waiting.want)

    @invariant()
    def places_taken_are_held(self) -> None:
        """Each node counts exactly the places that are held on it."""
        for node in self.seen:
            held = sum(lease.node is node for lease in self.held)
            assert node.in_flight == held

    @invariant()
    def line_is_as_long_as_told(self) -> None:
        assert len(self.pool.line) == len(self.waiting)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """As long as somebody waits, no node that would serve it has room."""
        for waiting in self.waiting:
            nodes = self.may_serve(waiting.want)
            trusted = [node for node in nodes if node.breaker.admits(self.now)]
            for node in trusted or nodes:
                assert node.full

    @invariant()
    def only_the_busy_drain(self) -> None:
        """Nodes that are gone are remembered as long as they work, and no longer."""
        for node in self.pool._draining.values():
            assert node.draining and node.in_flight
        for node in self.pool.nodes.values():
            assert not node.draining

    def teardown(self) -> None:
        """When all have ended and left, nothing is taken, and nobody is forgotten."""
        if not hasattr(self, "pool"):
            return
        while self.waiting:
            self.send_away(self.waiting[0])
        while self.held:
            self.give_back(self.held[0], Outcome.ABANDONED)
        assert [node.in_flight for node in self.seen] == [0] * len(self.seen)
        assert (len(self.pool.line), self.pool._draining, self.pool.line._queues) == (0, {}, {})
        self.now += 1000
        for node in self.seen:
            assert node.breaker.admits(self.now)


class InterleavingTests(SynchronousTestCase):
    """Requests, outcomes, leaving, waiting, checks, time and new configurations."""

    def test_any_order(self) -> None:
        """Places taken are places given back, and nobody waits in vain, is lost or overtaken."""
        run_state_machine_as_test(
            PoolMachine,
            settings=settings(max_examples=150, stateful_step_count=50, deadline=None),
        )
