"""The nodes together: choose one, hold a place on it, learn from what became of it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random

from ollama_twisted.config.resolved import Config
from ollama_twisted.pool.eligibility import Reason, Refusal, Want, eligible
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.line import Line, Waiter
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.selection import STRATEGIES, Strategy

#: Names whose nodes are remembered; an outsider's inventions push out no more than that.
REMEMBERED = 1024


class Blocked(Enum):
    """Why there is no place now."""

    NO_NODE = "no node may serve this"
    FULL = "every node that may is full"


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
        self.line = Line(config.line.max_waiting)
        self._eligible: dict[str | None, tuple[Node, ...]] = {}
        self._strategy: Strategy
        self._granting = False
        self._configure(config)

    # Choosing.

    def lease(self, want: Want, now: float, without: frozenset[str] = frozenset()) -> Lease | None:
        """A place on one of the nodes that may serve, or ``None`` if none is free now."""
        self._now = now
        if self.line:
            # A node may have become free by the passing of time alone; those who
            # wait come first.
            self._grant()
        return self._lease(want, without)

    def blocked(self, want: Want, now: float, without: frozenset[str] = frozenset()) -> Blocked:
        """Why ``lease`` had none."""
        may = any(node.name not in without for node in self._eligible_for(want))
        return Blocked.FULL if may else Blocked.NO_NODE

    def wait(
        self,
        want: Want,
        now: float,
        granted: Callable[[Lease], None],
        without: frozenset[str] = frozenset(),
    ) -> Waiter:
        """
        Stand in line; ``granted`` is called with a lease, later and once.

        @raise LineFull: as many wait as may.
        """
        return self.line.join(want, granted, without)

    def leave(self, waiter: Waiter) -> None:
        """Leave the line without a place."""
        self.line.leave(waiter)

    def _lease(self, want: Want, without: frozenset[str]) -> Lease | None:
        now = self._now
        free, closed = [], []
        everybody_ejected = True
        for node in self._eligible_for(want):
            if node.name in without:
                continue
            admits = node.breaker.admits(now)
            everybody_ejected = everybody_ejected and not admits
            if node.in_flight < node.limit:
                (free if admits else closed).append(node)
        # Signs of failure alone never leave a request without a node to try.
        candidates = closed if everybody_ejected else free
        if not candidates:
            return None
        node = candidates[0] if len(candidates) == 1 else self._strategy.choose(candidates)
        node.breaker.admitted(now)
        node.in_flight += 1
        node.total_requests += 1
        return Lease(node, self._ended)

    def _eligible_for(self, want: Want) -> tuple[Node, ...]:
        found = self._eligible.get(want.model)
        if found is None:
            if len(self._eligible) >= REMEMBERED:
                self._eligible.clear()
            judged = eligible(self.nodes.values(), want, self._sizes)
            found = tuple(node for node, refusal in judged if refusal is None)
            self._eligible[want.model] = found
        return found

    def explain(self, want: Want, now: float) -> list[tuple[Node, Refusal | None]]:
        """Each node, with the reason why it may not serve the request at this moment."""
        explained = []
        for node, refusal in eligible(self.nodes.values(), want, self._sizes):
            if refusal is None and not node.breaker.admits(now):
                refusal = Refusal(Reason.EJECTED, "ejected after failures")
            elif refusal is None and node.full:
                refusal = Refusal(Reason.FULL, f"{node.in_flight} requests in flight")
            explained.append((node, refusal))
        return explained

    # Learning.

    def _ended(self, node: Node, outcome: Outcome, now: float) -> None:
        self._now = now = max(now, self._now)
        node.in_flight -= 1
        if outcome is Outcome.ANSWERED:
            node.breaker.succeeded()
        elif outcome in (Outcome.ABANDONED, Outcome.BUSY):
            # A node that is merely busy is not down.
            node.breaker.abandoned()
        else:
            node.failed_requests += 1
            node.good_checks = 0
            unreachable = outcome is Outcome.UNREACHABLE
            node.breaker.failed(now, unreachable, self._random.uniform(0.9, 1.1))
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
    ) -> bool:
        """What a check found.  Does it change whether the node is healthy?"""
        node = self.nodes.get(name)
        if node is None:
            return False
        self._now = now
        node.last_check, node.last_check_error = now, error
        if version is not None:
            node.version = version
        if models is not None and models != node.models:
            node.models = models
            self._changed()
        changed = node.health.passed() if ok else node.health.failed()
        node.good_checks = node.good_checks + 1 if ok else 0
        if ok and node.health.healthy and node.good_checks >= node.config.health.rise:
            node.breaker.checked_well()
        if changed:
            self._changed()
        if self.line:
            self._grant()
        return changed

    def listed(self, name: str, models: NodeModels) -> None:
        """Which models a node says it has."""
        node = self.nodes.get(name)
        if node is not None and node.models != models:
            node.models = models
            self._changed()

    # Changing.

    def replace(self, config: Config, now: float) -> None:
        """
        Take a new configuration in place.

        Nodes that stay keep what was seen of them and the requests in flight; one
        that is gone gets no new ones, and those it works on end as they end.
        """
        self._now = now
        self._configure(config)
        self._grant()

    def _configure(self, config: Config) -> None:
        known = self.nodes
        self.nodes = {}
        for each in config.nodes:
            node = known.pop(each.name, None)
            if node is None:
                node = Node(each)
            else:
                node.configure(each)
            self.nodes[each.name] = node
        for gone in known.values():
            gone.draining = True
        self._sizes = config.sizes
        self._strategy = STRATEGIES[config.strategy](self._random)
        self.line.max_waiting = config.line.max_waiting
        self._changed()

    def _changed(self) -> None:
        self._eligible.clear()

    def _grant(self) -> None:
        # A grant may end a lease, which would grant again, deeper and deeper.
        if self._granting:
            return
        self._granting = True
        try:
            self.line.grant(self._lease)
        finally:
            self._granting = False
