"""Whom to choose among the nodes that may serve and are free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from operator import attrgetter
from random import Random
from typing import Protocol

from ollama_twisted.pool.node import Node

_turn = attrgetter("turn")
_in_flight = attrgetter("in_flight")


class Strategy(Protocol):
    """A way to choose.  What it must remember of a node, it keeps there."""

    def choose(self, candidates: Sequence[Node]) -> Node:
        """One of the candidates, of which there is at least one."""


class RoundRobin:
    """
    The candidate that was chosen longest ago.

    With the same candidates each time that is a round; and it stays fair where
    each model has candidates of its own, which a shared counter would not.
    """

    def __init__(self, random: Random) -> None:
        self._turn = 0

    def choose(self, candidates: Sequence[Node]) -> Node:
        node = min(candidates, key=_turn)
        self._turn += 1
        node.turn = self._turn
        return node


class LeastConnections:
    """
    The candidate with the fewest requests in flight; ties go to chance.

    Chance matters: with a fixed order, the first of several idle nodes would take
    every request of a client that sends them one by one.
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    def choose(self, candidates: Sequence[Node]) -> Node:
        fewest = min(map(_in_flight, candidates))
        return self._random.choice([each for each in candidates if each.in_flight == fewest])


class WeightedRoundRobin:
    """
    Smooth weighted round robin, as nginx has it.

    Each turn every candidate gains its weight, and the one that has most is chosen
    and pays what all gained: weights of 5, 1, 1 give a a b a c a a, not a a a a a b c.
    """

    def __init__(self, random: Random) -> None:
        pass

    def choose(self, candidates: Sequence[Node]) -> Node:
        total = 0.0
        best, most = candidates[0], -inf
        for node in candidates:
            weight = node.config.weight
            total += weight
            node.credit = credit = node.credit + weight
            if credit > most:
                best, most = node, credit
        best.credit -= total
        return best


STRATEGIES: dict[str, Callable[[Random], Strategy]] = {
    "round_robin": RoundRobin,
    "least_connections": LeastConnections,
    "weighted_round_robin": WeightedRoundRobin,
}
