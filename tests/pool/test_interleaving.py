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
from ollama_twisted.pool.line import Blocked, LineFull, Waiter
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.pool.selection import STRATEGIES
from tests.pool.nodes import config, models, node_config

NAMES = "abc"

# What rarely matters is drawn rarely: else most runs are of nodes that are not there.
wants = st.sampled_from([None, None, "m:1b", "m:70b", "nobodys"]).map(Want)
left_out = st.sampled_from(["", "", "", *NAMES, "ab", "bc"]).map(frozenset)
outcomes = st.sampled_from(Outcome)
which = st.integers(0, 1000)

#: What somebody may do in the moment of being granted a place.
THEN = ["hold", "hold", "end", "anew", "again", "oust"]


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Some of the nodes, with other limits each time."""
    nodes: list[NodeConfig] = [
        node_config(
            name,
            host=draw(st.sampled_from(["here.test", "here.test", "there.test"])),
            enabled=draw(st.sampled_from([True, True, True, True, False])),
            max_in_flight=draw(st.sampled_from([1, 1, 2])),
            weight=draw(st.sampled_from([0.5, 1.0, 3.0])),
            ranges=draw(st.sampled_from([(), (), (SizeRange(0, 8),)])),
            health=HealthConfig(rise=2, fall=2),
            breaker=BreakerConfig(failures=draw(st.sampled_from([1, 2])), cooldown=5.0),
        )
        for name in draw(st.permutations(NAMES))[: draw(st.sampled_from([1, 2, 2, 3]))]
    ]
    return config(
        *nodes,
        strategy=draw(st.sampled_from(sorted(STRATEGIES))),
        max_waiting=draw(st.sampled_from([0, 2, 6, 6])),
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
        #: Nodes that an operator has taken out.
        self.drained: set[str] = set()
        #: Has the pool been told how late it is?
        self.told = True

    # What happens.

    @rule(wanted=st.lists(wants, min_size=1, max_size=5), then=st.sampled_from(THEN))
    def crowd(self, wanted: list[Want], then: str) -> None:
        """Several requests come at once."""
        for want in wanted:
            self.request(want, frozenset(), then)

    @rule(want=wants, without=left_out, then=st.sampled_from(THEN))
    def request(self, want: Want, without: frozenset[str], then: str) -> None:
        """A request comes: it has a place now, or waits if waiting may help."""
        lease = self.pool.lease(want, self.now, without)
        if lease is not None:
            assert lease.node.name not in without
            self.take(want, lease)
            if not without:
                self.nobody_was_overtaken(lease)
        elif not without and self.pool.blocked(want, self.now) is Blocked.FULL:
            self.wait(want, then)

    @rule(which=which, outcome=outcomes)
    def end(self, which: int, outcome: Outcome) -> None:
        """One of those who hold a place ends, and says so twice."""
        if self.held:
            lease = self.held[which % len(self.held)]
            self.give_back(lease, outcome)
            lease.give_back()

    @rule(which=which)
    def answer_begins(self, which: int) -> None:
        """A node begins to answer one of those who hold a place."""
        if self.held:
            self.held[which % len(self.held)].answering(self.now)

    @rule(which=which)
    def leave(self, which: int) -> None:
        """One of those who wait leaves, or has waited for too long."""
        if self.waiting:
            self.send_away(self.waiting[which % len(self.waiting)])

    @rule(seconds=st.sampled_from([0.1, 3.0, 6.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        """Time passes, of which the pool does not know before somebody tells it."""
        self.now += seconds
        self.told = False

    @rule(name=st.sampled_from(NAMES), ok=st.sampled_from([True, True, False]))
    def check(self, name: str, ok: bool) -> None:
        """A check ends."""
        self.told = self.told or name in self.pool.nodes
        self.pool.checked(name, self.now, ok, "" if ok else "silent")

    @rule(name=st.sampled_from(NAMES))
    def refuse(self, name: str) -> None:
        """A check finds nobody there."""
        self.told = self.told or name in self.pool.nodes
        self.pool.checked(name, self.now, False, "refused", refused=True)

    @rule(name=st.sampled_from(NAMES), draining=st.sampled_from([True, False, False]))
    def drain(self, name: str, draining: bool) -> None:
        """An operator takes a node out, or in again."""
        before = self.pool.nodes.get(name)
        if self.pool.drain(name, draining, self.now) and before is not None:
            self.drained = self.drained | {name} if draining else self.drained - {name}

    @rule(name=st.sampled_from(NAMES), listed=st.sets(st.sampled_from(["m:1b", "m:70b"])))
    def list_models(self, name: str, listed: set[str]) -> None:
        """A node tells its models."""
        self.pool.listed(name, models(*listed))

    @rule(config=configs())
    def reload(self, config: Config) -> None:
        """The configuration changes."""
        self.told = True
        self.drained &= {each.name for each in config.nodes}
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
        elif waiting.then == "anew":
            self.give_back(lease, Outcome.ANSWERED)
            self.request(waiting.want, frozenset(), "hold")
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

    def nobody_was_overtaken(self, lease: Lease) -> None:
        """A node is not given away while one who wants it waits, but for want of a better one."""
        breaker = lease.node.breaker
        if breaker.circuit is Circuit.CLOSED or lease.request == breaker._trial:
            for waiting in self.waiting:
                assert lease.node not in self.may_serve(waiting.want), "overtaken"

    @invariant()
    def places_taken_are_held(self) -> None:
        """Each node counts exactly the places that are held on it."""
        for node in self.seen:
            held = sum(lease.node is node for lease in self.held)
            assert node.in_flight == held

    @invariant()
    def no_name_is_overloaded(self) -> None:
        """Nodes that came and went under one name are one node."""
        names = [node.name for node in self.seen if node.in_flight]
        assert len(names) == len(set(names))

    @invariant()
    def line_is_as_long_as_told(self) -> None:
        assert len(self.pool.line) == len(self.waiting)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """As long as somebody waits, no node that would serve it has room."""
        for waiting in self.waiting:
            nodes = self.may_serve(waiting.want)
            if not self.told and any(each.breaker.circuit is not Circuit.CLOSED for each in nodes):
                continue
            trusted = [node for node in nodes if node.breaker.admits(self.now)]
            for node in trusted or nodes:
                assert node.full

    @invariant()
    def only_the_busy_drain(self) -> None:
        """Nodes that are gone are remembered as long as they work, and no longer."""
        for node in self.pool.leaving.values():
            assert node.draining and node.in_flight
        for node in self.pool.nodes.values():
            assert node.draining == (node.name in self.drained)

    def teardown(self) -> None:
        """When all have ended and left, nothing is taken, and nobody is forgotten."""
        if not hasattr(self, "pool"):
            return
        while self.waiting:
            self.send_away(self.waiting[0])
        while self.held:
            self.give_back(self.held[0], Outcome.ABANDONED)
        assert [node.in_flight for node in self.seen] == [0] * len(self.seen)
        assert (len(self.pool.line), self.pool.leaving, self.pool.line._queues) == (0, {}, {})
        self.now += 1000
        for node in self.seen:
            assert node.breaker.admits(self.now)


class InterleavingTests(SynchronousTestCase):
    """Requests, outcomes, leaving, waiting, checks, time and new configurations."""

    def test_any_order(self) -> None:
        """Places taken are places given back, and nobody waits in vain, is lost or overtaken."""
        run_state_machine_as_test(
            PoolMachine,
            settings=settings(max_examples=200, stateful_step_count=50, deadline=None),
        )
