"""Whom each strategy chooses; above all, how fairly."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pool.node import Node
from ollama_twisted.pool.selection import (
    STRATEGIES,
    LeastConnections,
    RoundRobin,
    Strategy,
    WeightedRoundRobin,
)
from tests.pool.nodes import node

names = st.integers(1, 8).map(lambda count: [f"n{index}" for index in range(count)])


def chosen(strategy: Strategy, nodes: list[Node], times: int) -> list[str]:
    """Whom a strategy chooses when nobody is ever done."""
    found = []
    for _ in range(times):
        each = strategy.choose(nodes)
        each.in_flight += 1
        found.append(each.name)
    return found


def working(*in_flight: int) -> list[Node]:
    """Nodes that work on so many requests, named by their numbers."""
    nodes = [node(str(index)) for index in range(len(in_flight))]
    for each, count in zip(nodes, in_flight, strict=True):
        each.in_flight = count
    return nodes


class RoundRobinTests(SynchronousTestCase):
    """The one that was chosen longest ago."""

    def test_round(self) -> None:
        """With the same candidates it goes round, in the configured order."""
        nodes = [node(name) for name in "abc"]
        self.assertEqual(chosen(RoundRobin(Random(1)), nodes, 7), list("abcabca"))

    def test_absent(self) -> None:
        """A node that could not be chosen for a while is not given more to make up for it."""
        strategy = RoundRobin(Random(1))
        a, b = node("a"), node("b")
        chosen(strategy, [a, b], 2)
        chosen(strategy, [a], 5)
        self.assertEqual(chosen(strategy, [a, b], 5), list("babab"))

    def test_models(self) -> None:
        """Models with candidates of their own do not push each other off one node."""
        strategy = RoundRobin(Random(1))
        a, b, c = node("a"), node("b"), node("c")
        for _ in range(30):
            chosen(strategy, [a, b], 1)
            chosen(strategy, [c, b], 1)
        counts = [each.in_flight for each in (a, b, c)]
        self.assertEqual((sum(counts), max(counts) - min(counts) <= 1), (60, True))


class LeastConnectionsTests(SynchronousTestCase):
    """The one with the fewest requests in flight."""

    def test_least(self) -> None:
        """A worse candidate is forgotten when a better one appears."""
        nodes = working(5, 3, 4, 3)
        strategy = LeastConnections(Random(1))
        self.assertEqual({strategy.choose(nodes).name for _ in range(50)}, {"1", "3"})

    def test_ties(self) -> None:
        """Ties go to chance, so that no idle node gets all of one client's requests."""
        nodes = [node(name) for name in "abc"]
        strategy = LeastConnections(Random(1))
        counts = Counter(strategy.choose(nodes).name for _ in range(3000))
        self.assertEqual([900 < counts[name] < 1100 for name in "abc"], [True] * 3)


class WeightedTests(SynchronousTestCase):
    """Smooth weighted round robin."""

    def test_smooth(self) -> None:
        """A heavy node's turns are spread over the round."""
        nodes = [node("a", weight=5.0), node("b", weight=1.0), node("c", weight=1.0)]
        self.assertEqual("".join(chosen(WeightedRoundRobin(Random(1)), nodes, 7)), "aabacaa")

    def test_fractions(self) -> None:
        """Weights may be fractions."""
        nodes = [node("a", weight=0.5), node("b", weight=0.25), node("c", weight=0.25)]
        counts = Counter(chosen(WeightedRoundRobin(Random(1)), nodes, 400))
        self.assertEqual(counts, {"a": 200, "b": 100, "c": 100})

    def test_absent(self) -> None:
        """A node that could not be chosen for a while is not given more to make up for it."""
        strategy = WeightedRoundRobin(Random(1))
        a, b = node("a"), node("b")
        chosen(strategy, [a, b], 2)
        chosen(strategy, [a], 50)
        self.assertEqual(Counter(chosen(strategy, [a, b], 10)), {"a": 5, "b": 5})


class FairnessTests(SynchronousTestCase):
    """What each strategy promises, whatever the numbers."""

    @given(st.sampled_from(sorted(STRATEGIES)), names, st.integers(0, 60), st.integers())
    def test_even(self, strategy: str, names: list[str], requests: int, seed: int) -> None:
        """Over equal nodes, the numbers of requests differ by at most one at any time."""
        nodes = [node(name) for name in names]
        policy = STRATEGIES[strategy](Random(seed))
        for _ in range(requests):
            chosen(policy, nodes, 1)
            counts = [each.in_flight for each in nodes]
            self.assertLessEqual(max(counts) - min(counts), 1)

    @given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.integers())
    def test_never_busier(self, in_flight: list[int], seed: int) -> None:
        """Least connections never chooses a busier node than it must."""
        found = LeastConnections(Random(seed)).choose(working(*in_flight))
        self.assertEqual(found.in_flight, min(in_flight))

    @given(
        st.lists(st.integers(1, 12), min_size=1, max_size=6),
        st.sampled_from([1.0, 0.1, 0.37, 1e6]),
        st.integers(1, 4),
    )
    def test_weights(self, weights: list[int], unit: float, rounds: int) -> None:
        """Within one round each node is chosen as often as its weight says, round after round."""
        nodes = [node(str(index), weight=weight * unit) for index, weight in enumerate(weights)]
        strategy = WeightedRoundRobin(Random(1))
        for _ in range(rounds):
            counts = Counter(chosen(strategy, nodes, sum(weights)))
            self.assertEqual([counts[each.name] for each in nodes], weights)

    @given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.integers(1, 200))
    def test_ahead(self, weights: list[float], requests: int) -> None:
        """At no time is a node a whole request ahead of its share."""
        nodes = [node(str(index), weight=weight) for index, weight in enumerate(weights)]
        strategy = WeightedRoundRobin(Random(1))
        for count in range(1, requests + 1):
            chosen(strategy, nodes, 1)
            for each, weight in zip(nodes, weights, strict=True):
                self.assertLess(each.in_flight, count * weight / sum(weights) + 1)
