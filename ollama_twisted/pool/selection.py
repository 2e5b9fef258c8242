"""Whom to choose among the nodes that may serve and are free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.placement import Adaptive, PrefixAffinity, WarmFirst

_ANY = Want()


class Strategy(Protocol):
    """A way to choose.  What it must remember of a node, it keeps there."""

    #: What makes a candidate the best one, for people.
    why: str
    #: Does it look at what is wanted beside the model, and at what nodes hold in memory?
    looks: bool

    def best(self, candidates: Sequence[Node], want: Want = _ANY) -> Sequence[Node]:
        """
        Those among whom it would choose now, of candidates of whom there is at least one.

        Asking changes nothing, and ``choose`` chooses among no others.
        """

    def choose(self, candidates: Sequence[Node], want: Want = _ANY) -> Node:
        """One of the best; it is remembered that its turn has been."""


class RoundRobin:
    """
    The candidate that was chosen longest ago.

    With the same candidates each time that is a round; and it stays fair where
    each model has candidates of its own, which a shared counter would not.  One that has
    half of its share only is taken for chosen a round later than it was.
    """

    why = "it was chosen longest ago"
    looks = False

    def __init__(self, random: Random) -> None:
        self._turn = 0

    def best(self, candidates: Sequence[Node], want: Want = _ANY) -> Sequence[Node]:
        count = len(candidates)
        turns = [each.turn + count * (1 / each.share - 1) for each in candidates]
        return (candidates[turns.index(min(turns))],)

    def choose(self, candidates: Sequence[Node], want: Want = _ANY) -> Node:
        (node,) = self.best(candidates)
        self._turn += 1
        node.turn = self._turn
        return node


class LeastConnections:
    """
    The candidate with the fewest requests in flight; ties go to chance.

    Chance matters: with a fixed order, the first of several idle nodes would take
    every request of a client that sends them one by one.
    """

    why = "it has the fewest requests in flight"
    looks = False

    def __init__(self, random: Random) -> None:
        self._random = random

    def best(self, candidates: Sequence[Node], want: Want = _ANY) -> Sequence[Node]:
        loads = [each.in_flight / each.share for each in candidates]
        fewest = min(loads)
        return [each for each, load in zip(candidates, loads, strict=True) if load == fewest]

    def choose(self, candidates: Sequence[Node], want: Want = _ANY) -> Node:
        return self._random.choice(self.best(candidates))


class WeightedRoundRobin:
    """
    Smooth weighted round robin, as nginx has it.

    Each turn every candidate gains its weight, and the one that has most is chosen
    and pays what all gained: weights of 5, 1, 1 give a a b a c a a, not a a a a a b c.
    """

    why = "its turn by weight has come"
    looks = False

    def __init__(self, random: Random) -> None:
        pass

    def best(self, candidates: Sequence[Node], want: Want = _ANY) -> Sequence[Node]:
        return (max(candidates, key=_credit_to_be),)

    def choose(self, candidates: Sequence[Node], want: Want = _ANY) -> Node:
        (node,) = self.best(candidates)
        for each in candidates:
            each.credit += each.weight
            node.credit -= each.weight
        return node


def _credit_to_be(node: Node) -> float:
    return node.credit + node.weight


STRATEGIES: dict[str, Callable[[Random], Strategy]] = {
    "round_robin": RoundRobin,
    "least_connections": LeastConnections,
    "weighted_round_robin": WeightedRoundRobin,
    "warm_first": WarmFirst,
    "prefix_affinity": PrefixAffinity,
    "adaptive": Adaptive,
}
