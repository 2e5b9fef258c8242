"""Whom the strategies choose that spare the nodes work, and what they never do."""

from __future__ import annotations

from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Outcome
from ollama_twisted.pool.models import ModelName
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.placement import (
    AWAY,
    LOADING,
    MOST_HELD,
    OTHER_OPTIONS,
    Adaptive,
    PrefixAffinity,
    WarmFirst,
    bound,
)
from ollama_twisted.pool.pool import NodePool
from tests.pool.nodes import end, models, node, node_config, pool_of

prefixes = st.integers(0, 2**64 - 1)
loads = st.lists(st.integers(0, 12), min_size=1, max_size=8)


def holding(name: str, *loaded: str, in_flight: int = 0) -> Node:
    """A node that has two models, and some of them in memory."""
    made = node(name)
    made.models = models("m:1b", "n:1b", loaded=loaded)
    made.holdings.listed(made.models)
    made.in_flight = in_flight
    return made


def chosen(pool: NodePool, want: Want) -> str:
    """The node that a request is given to, which it keeps."""
    lease = pool.lease(want, 0)
    assert lease is not None
    return lease.node.name


class WarmFirstTests(SynchronousTestCase):
    """Loaded, else on disk, else anybody."""

    def test_order(self) -> None:
        """A loaded model is worth any number of requests; else the emptier memory is taken."""
        strategy = WarmFirst(Random(1))
        warm, cold = holding("a", "m:1b", in_flight=9), holding("b")
        other = holding("c", "n:1b")
        self.assertEqual(strategy.best([other, cold, warm], Want("M:1b")), [warm])
        self.assertEqual(strategy.best([other, cold], Want("m:1b")), [cold])

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=6))
    def test_never_cold(self, nodes: list[tuple[bool, int]]) -> None:
        """While a node that has the model loaded is free, no other is chosen."""
        pool = pool_of(
            *(node_config(str(index), max_in_flight=3) for index in range(len(nodes))),
            strategy="warm_first",
        )
        for index, (warm, in_flight) in enumerate(nodes):
            pool.listed(str(index), models("m:1b", loaded=("m:1b",) if warm else ()))
            pool.nodes[str(index)].in_flight = in_flight
        free = [str(index) for index, (warm, count) in enumerate(nodes) if warm and count < 3]
        assume(free)
        self.assertIn(chosen(pool, Want("m:1b")), free)

    def test_options(self) -> None:
        """A context other than the loaded one would load it again; a free memory is better."""
        pool = pool_of(node_config("a"), node_config("b"), strategy="warm_first")
        small = Want("m:1b", (("num_ctx", 2048),))
        large = Want("m:1b", (("num_ctx", 4096),))
        found = [chosen(pool, each) for each in (small, large, small, large, Want("m:1b"))]
        self.assertEqual((found[0], found[1]), (found[2], found[3]))
        self.assertNotEqual(found[0], found[1])

    def test_listed_context(self) -> None:
        """The context that a node says it has loaded is believed."""
        pool = pool_of(node_config("a"), node_config("b"), strategy="warm_first")
        for name, context in (("a", 2048), ("b", 4096)):
            ps = [{"name": "m:1b", "context_length": context}]
            pool.listed(name, type(models()).from_lists([{"name": "m:1b"}], ps))
        self.assertEqual(chosen(pool, Want("m:1b", (("num_ctx", 4096),))), "b")


class HoldingsTests(SynchronousTestCase):
    """What is believed to be loaded between two lists."""

    def setUp(self) -> None:
        self.pool = pool_of(node_config("a"), node_config("b"), strategy="warm_first")

    def test_sent(self) -> None:
        """Who was sent a request has the model from then on, list or no list."""
        first = self.pool.lease(Want("m:1b"), 0)
        assert first is not None
        self.assertTrue(first.loads)
        self.pool.listed(first.node.name, models("m:1b"))  # it is still loading
        second = self.pool.lease(Want("m:1b"), 0)
        assert second is not None
        self.assertEqual((second.node, second.loads), (first.node, False))

    def test_listed(self) -> None:
        """A list that does not name it, with nobody at work on it, ends the belief."""
        lease = self.pool.lease(Want("m:1b"), 0)
        name = end(lease)
        self.assertEqual(len(self.pool.nodes[name].holdings), 1)
        self.pool.listed(name, models("m:1b"))
        self.assertEqual(len(self.pool.nodes[name].holdings), 0)

    def test_failed(self) -> None:
        """Who could not be reached has loaded nothing."""
        lease = self.pool.lease(Want("m:1b"), 0)
        name = end(lease, Outcome.UNREACHABLE)
        self.assertEqual(len(self.pool.nodes[name].holdings), 0)

    def test_invented(self) -> None:
        """However many names are invented, few are remembered, and none that is not there."""
        for number in range(1000):
            end(self.pool.lease(Want(f"m{number}"), 0))
        held = [len(each.holdings) for each in self.pool.nodes.values()]
        self.assertLessEqual(max(held), 256)
        self.pool.listed("a", models("m:1b"))
        self.pool.listed("b", models("m:1b"))
        end(self.pool.lease(Want("nobodys"), 0))
        self.assertEqual([len(each.holdings) for each in self.pool.nodes.values()], [0, 0])

    def test_not_looked_at(self) -> None:
        """A strategy that does not look at it has no account of it."""
        pool = pool_of(node_config("a"))
        lease = pool.lease(Want("m:1b"), 0)
        assert lease is not None
        self.assertEqual((lease.model, len(lease.node.holdings), pool.looks), (None, 0, False))

    def test_clamped(self) -> None:
        """Who gets less context than it asks for finds it as it left it, all the same."""
        made = holding("a", "m:1b")
        name, options = ModelName.parse("m:1b"), (("num_ctx", 10**6),)
        self.assertTrue(made.holdings.sent(made.models, name, options))
        told = type(models()).from_lists([], [{"name": "m:1b", "context_length": 4096}])
        made.holdings.listed(told)
        self.assertFalse(made.holdings.sent(made.models, name, options))


class PrefixAffinityTests(SynchronousTestCase):
    """Each conversation at home somewhere."""

    @given(loads, prefixes, st.lists(st.floats(0.1, 10), min_size=8, max_size=8))
    def test_bound(self, in_flight: list[int], prefix: int, weights: list[float]) -> None:
        """However many conversations belong to a node, it never has more than the bound."""
        nodes = [
            node(str(index), weight=weight)
            for index, (_, weight) in enumerate(zip(in_flight, weights, strict=False))
        ]
        for each, count in zip(nodes, in_flight, strict=True):
            each.in_flight = count
        strategy = PrefixAffinity(Random(1))
        for number in range(20):
            want = Want("m", (), prefix if number % 2 else (prefix + number) % 2**64)
            each = strategy.choose(nodes, want)
            most = bound(each, nodes)
            each.in_flight += 1
            self.assertLessEqual(each.in_flight, most)

    @given(st.integers(2, 8), st.data())
    def test_few_move(self, count: int, data: st.DataObject) -> None:
        """When a node leaves, only its own conversations move; when it is back, they do too."""
        nodes = [node(f"n{index}") for index in range(count)]
        gone = data.draw(st.sampled_from(nodes))
        strategy, left = PrefixAffinity(Random(1)), [each for each in nodes if each is not gone]
        for prefix in data.draw(st.lists(prefixes, max_size=20)):
            want = Want("m", (), prefix)
            home = strategy.choose(nodes, want)
            if home is not gone:
                self.assertIs(strategy.choose(left, want), home)
            self.assertIs(strategy.choose(nodes, want), home)

    def test_shares(self) -> None:
        """Conversations are spread over the nodes by weight."""
        nodes = [node("a", weight=2.0), node("b"), node("c")]
        strategy, random = PrefixAffinity(Random(1)), Random(2)
        found = [
            strategy.choose(nodes, Want("m", (), random.getrandbits(64))).name for _ in range(4000)
        ]
        self.assertEqual([round(found.count(name) / 1000) for name in "abc"], [2, 1, 1])


class AdaptiveTests(SynchronousTestCase):
    """Loading, reading and waiting, held against each other."""

    def test_warm(self) -> None:
        """A load is avoided, until those who wait cost more."""
        strategy = Adaptive(Random(1))
        warm, cold = holding("a", "m:1b", in_flight=4), holding("b", "n:1b")
        self.assertEqual(strategy.best([warm, cold], Want("m:1b")), [warm])
        warm.in_flight = 5
        self.assertEqual(strategy.best([warm, cold], Want("m:1b")), [cold])

    def test_idle(self) -> None:
        """A node that holds nothing is not left idle beside one that is at work on several."""
        strategy = Adaptive(Random(1))
        warm, empty = holding("a", "m:1b", in_flight=1), holding("b")
        self.assertEqual(strategy.best([warm, empty], Want("m:1b")), [warm])
        warm.in_flight = 2
        self.assertEqual(strategy.best([warm, empty], Want("m:1b")), [empty])

    @given(prefixes, prefixes)
    def test_stays(self, one: int, other: int) -> None:
        """A conversation stays where it was, though another node would be as good."""
        assume(one != other)
        strategy = Adaptive(Random(1))
        nodes = [holding("a", "m:1b"), holding("b", "m:1b")]
        home = strategy.choose(nodes, Want("m:1b", (), one))
        home.in_flight += 1
        strategy.choose(nodes, Want("m:1b", (), other))
        self.assertIs(strategy.choose(nodes, Want("m:1b", (), one)), home)

    @given(
        st.lists(
            st.tuples(st.integers(0, 30), st.sampled_from([(), ("m:1b",), ("n:1b",)])),
            min_size=1,
            max_size=6,
        ),
        prefixes | st.none(),
        st.sampled_from([(), (("num_ctx", 4096),)]),
    )
    def test_nobody_starves(
        self,
        nodes: list[tuple[int, tuple[str, ...]]],
        prefix: int | None,
        options: tuple[tuple[str, int], ...],
    ) -> None:
        """Nobody is much busier than another: neither waits a request nor idles a node for long."""
        made = [
            holding(str(index), *loaded, in_flight=count)
            for index, (count, loaded) in enumerate(nodes)
        ]
        strategy = Adaptive(Random(1))
        most = LOADING + MOST_HELD + OTHER_OPTIONS + AWAY
        for _ in range(60):
            each = strategy.choose(made, Want("m:1b", options, prefix))
            self.assertLessEqual(each.in_flight - min(one.in_flight for one in made), most)
            each.in_flight += 1
