"""The nodes together: choose one, hold a place on it, learn from what became of it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ollama_twisted.config.resolved import Config
from ollama_twisted.pool.breaker import Circuit
from ollama_twisted.pool.eligibility import Refusal, Want, any_starting, at_present, eligible, free
from ollama_twisted.pool.known import Known
from ollama_twisted.pool.lease import Lease, Outcome, visit
from ollama_twisted.pool.line import Blocked, Granted, Line, Waiter
from ollama_twisted.pool.membership import renewed
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.preview import Preview, foretold
from ollama_twisted.pool.retries import RetryBudget, counts
from ollama_twisted.pool.selection import STRATEGIES, Strategy
from ollama_twisted.pool.slowstart import SlowStart
from ollama_twisted.pool.warmth import name_of
from ollama_twisted.services import Service

# By names of their own: a member looked up in its class costs several times as much.
_CLOSED, _ANSWERED = Circuit.CLOSED, Outcome.ANSWERED
_FAILED = frozenset({Outcome.UNREACHABLE, Outcome.RESET, Outcome.GATEWAY_ERROR})


class NodePool:
    """
    The nodes, and who works on what.

    Nothing in here waits or looks at a clock: ``now`` comes from the caller, in
    seconds of one monotonic clock.
    """

    def __init__(self, config: Config, random: Random) -> None:
        self._random = random
        self._now = 0.0
        self.nodes: dict[str, Node] = {}
        #: Nodes that the configuration has no more, and that still work.
        self.leaving: dict[str, Node] = {}
        self._known = Known(self._judge)
        self._eligible, self._eligible_for = self._known.nodes, self._known.find
        self.line = Line(config.line.max_waiting, self._eligible_for)
        self.retries = RetryBudget()
        self._strategy: Strategy = STRATEGIES[config.strategy](random)
        self._granting = False
        #: Called when a node has turned, for better or worse, or tells of other models.
        self.turned: Callable[[], None] = lambda: None
        #: Called when a request has failed on a node, which may be a sign of more.
        self.doubted: Callable[[str], None] = lambda name: None
        self._configure(config)
        self.slow_start = SlowStart(self.nodes.values())

    # Choosing.

    def lease(
        self,
        want: Want,
        now: float,
        without: frozenset[str] = frozenset(),
        dropped_by: str = "",
    ) -> Lease | None:
        """
        A place on one of the nodes that may serve, or ``None`` if none is free now.

        Those who wait come first, except before a request that names nodes to do
        ``without``: it has been served already, and failed there.  ``dropped_by`` is the
        last of them, if it may have begun to work on the request.

        @raise RetriesSpent: there is a place, but too many are being asked again.
        """
        self._now = now
        if self.line and not without:
            if self._granting:
                return None
            # A node may have become free by the passing of time alone.
            self._grant()
        return self._lease(want, without, dropped_by)

    def blocked(self, want: Want, now: float, without: frozenset[str] = frozenset()) -> Blocked:
        """Why ``lease`` had none."""
        if any(node.name not in without for node in self._eligible_for(want)):
            return Blocked.FULL
        return Blocked.STARTING if any_starting(self._judge(want)) else Blocked.NO_NODE

    def wait(
        self, want: Want, now: float, granted: Granted, without: frozenset[str] = frozenset()
    ) -> Waiter:
        """
        Stand in line after ``lease`` had none; ``granted`` is called with a lease, later and once.

        If ``granted`` raises, nobody has the place.

        @raise LineFull: as many wait as may.
        """
        self._now = now
        return self.line.join(want, granted, without)

    def leave(self, waiter: Waiter) -> None:
        """Leave the line without a place."""
        self.line.leave(waiter)

    def _lease(self, want: Want, without: frozenset[str], dropped_by: str = "") -> Lease | None:
        nodes = self._eligible.get((want.model, want.service)) or self._eligible_for(want)
        # The common case first: no node is full or distrusted.
        candidates = [
            node
            for node in nodes
            if node.in_flight < node.limit and node.breaker.circuit is _CLOSED
        ]
        if without or len(candidates) < len(nodes):
            candidates = free(nodes, without, self._now)
        if not candidates:
            return None
        again = dropped_by != "" and counts(dropped_by, nodes, self._now)
        if again:
            # Itself included, which has no place at the moment.
            self.retries.begin(1 + sum(node.in_flight for node in self.nodes.values()))
        if self.slow_start.back:
            self.slow_start.grow(self._now)
        node = self._strategy.choose(candidates, want)
        node.in_flight += 1
        node.total_requests += 1
        lease = Lease(node, node.breaker.admitted(self._now), self)
        if again:
            lease.budget = self.retries
        if self.looks and want.model is not None:
            lease.model = name = name_of(want.model)
            lease.loads = node.holdings.sent(node.models, name, want.options)
        return lease

    def _place(self, want: Want, without: frozenset[str]) -> Lease | None:
        """What is granted: to those who change models no place, but that there is a node."""
        if want.service is Service.MANAGE:
            return next(map(visit, self._eligible_for(want)), None)
        return self._lease(want, without)

    def _judge(self, want: Want) -> list[tuple[Node, Refusal | None]]:
        return eligible(self.nodes.values(), want, self._sizes)

    def passed_over(self, want: Want) -> str:
        """Which nodes may not serve the request, whatever their load, and why; for the log."""
        return self._known.passed_over.get((want.model, want.service), "")

    def explain(self, want: Want, now: float) -> list[tuple[Node, Refusal | None]]:
        """Each node, with the reason why it may not serve the request at this moment."""
        return at_present(self._judge(want), now)

    def preview(self, want: Want, now: float) -> Preview:
        """What would become of the request if it came now; asking changes nothing."""
        self.slow_start.grow(now)
        return foretold(want, self.explain(want, now), self._strategy, self.line.has_room)

    # Learning.

    def answering(self, lease: Lease, now: float) -> None:
        """The node has begun a good answer; called by its lease."""
        if lease.node.breaker.answering(lease.request):
            self._now = now
            self._turned()
            self._grant()

    def ended(self, lease: Lease, outcome: Outcome, now: float) -> None:
        """A place is free again; called by its lease, once."""
        self._now = now = now if now > self._now else self._now
        node = lease.node
        node.in_flight -= 1
        circuit = node.breaker.circuit
        if lease.model is not None:
            node.holdings.ended(lease.model, outcome in _FAILED)
        if outcome is _ANSWERED:
            node.breaker.succeeded(lease.request)
        elif outcome is Outcome.ABANDONED or outcome is Outcome.BUSY:
            # A node that is merely busy is not down.
            node.breaker.abandoned(lease.request)
        else:
            node.failed_requests += 1
            unreachable = outcome is Outcome.UNREACHABLE
            node.breaker.failed(lease.request, now, unreachable, self._random.uniform(0.9, 1.1))
            self.doubted(node.name)
        if node.breaker.circuit is not circuit:
            self._turned()
        if node.draining:
            self.let_go()
        if self.line:
            self._grant()

    def checked(
        self,
        name: str,
        now: float,
        ok: bool,
        error: str = "",
        version: str | None = None,
        models: NodeModels | None = None,
        refused: bool = False,
    ) -> bool:
        """
        What a check found.  Does it change whether the node is healthy?

        A connection that was ``refused`` ejects the node at once, as a request's would.
        """
        node = self.nodes.get(name)
        if node is None:
            return False
        self._now = now
        before = (node.last_check_error, node.breaker.circuit)
        other = version is not None and version != node.version and node.is_of(version)
        changed = node.checked(now, ok, error, refused, self._random.uniform(0.9, 1.1))
        if changed or other:
            self._changed()
        if changed or before != (error, node.breaker.circuit):
            self._turned()
        if models is not None:
            self.listed(name, models)
        self._grant()
        return changed

    def given_up(self, name: str, now: float, why: str) -> None:
        """Whoever started the node says that it has ended: nobody need wait for it any more."""
        if name in self.nodes and self.nodes[name].health.give_up():
            self.checked(name, now, False, why)

    def listed(self, name: str, models: NodeModels) -> None:
        """Which models a node says it has."""
        node = self.nodes.get(name)
        if node is None:
            return
        node.holdings.listed(models)
        if node.models != models:
            node.models = models
            self._changed()
            self._turned()
            self._grant()

    # Changing.

    def replace(self, config: Config, now: float) -> None:
        """
        Take a new configuration in place.

        Nodes that stay keep what was seen of them and the requests in flight; one
        that is gone gets no new ones, and those it works on end as they end.
        """
        self._now = now
        self._configure(config)
        self._turned()
        self._grant()

    def drain(self, name: str, draining: bool, now: float) -> bool:
        """
        Give the node no new requests, or give it some again; what it works on ends as it ends.

        @return: is there such a node?
        """
        node = self.nodes.get(name)
        if node is not None and node.draining != draining:
            self._now = now
            node.draining = draining
            self._changed()
            self._turned()
            self._grant()
        return node is not None

    def let_go(self) -> None:
        """Forget those nodes that have left and have done their work."""
        self.leaving = {name: node for name, node in self.leaving.items() if node.busy}

    def _configure(self, config: Config) -> None:
        self.nodes, self.leaving = renewed(config.nodes, self.nodes, self.leaving)
        self._sizes = config.sizes
        self.retries.configure(config.gateway)
        if type(self._strategy) is not STRATEGIES[config.strategy]:
            # One that stays remembers where conversations are at home.
            self._strategy = STRATEGIES[config.strategy](self._random)
        #: Does the strategy look at a request's options and at how its conversation begins?
        self.looks = self._strategy.looks
        self.line.max_waiting = config.line.max_waiting
        self._changed()

    def _turned(self) -> None:
        self.slow_start.look(self.nodes.values(), self._now)
        self.turned()

    def _changed(self) -> None:
        """Who may serve what must be asked anew."""
        self._known.forget()
        self.line.regroup()

    def _grant(self) -> None:
        # A grant may end a lease, which would grant again, deeper and deeper.
        if self._granting or not self.line:
            return
        self._granting = True
        try:
            self.line.grant(self._place)
        finally:
            self._granting = False
