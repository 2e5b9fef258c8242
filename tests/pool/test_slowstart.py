"""How a node that comes back gets its share."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import BreakerConfig, HealthConfig, NodeConfig
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.placement import PrefixAffinity
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.pool.selection import STRATEGIES, Strategy
from ollama_twisted.pool.slowstart import LEAST, share
from tests.pool.nodes import config, end, models, node, node_config, pool_of

ANY = Want()
CHAT = Want("m:1b")
B = frozenset("b")
strategies = st.sampled_from(sorted(STRATEGIES))
shares = st.floats(LEAST, 1.0)


class ShareTests(SynchronousTestCase):
    """The part of its share that a node is given."""

    def test_line(self) -> None:
        """It grows evenly, from a tenth."""
        seen = [share(since, 10.0) for since in (0.0, 0.5, 1.0, 2.5, 9.0, 10.0, 99.0)]
        self.assertEqual(seen, [0.1, 0.1, 0.1, 0.25, 0.9, 1.0, 1.0])

    @given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
    def test_monotone(self, one: float, other: float, window: float) -> None:
        """It never becomes less, is never nothing, and is the whole after the window."""
        earlier, later = sorted((one, other))
        self.assertLessEqual(LEAST, share(earlier, window))
        self.assertLessEqual(share(earlier, window), share(later, window))
        self.assertLessEqual(share(later, window), 1.0)
        self.assertEqual(share(window, window), 1.0)


class ReturnTests(SynchronousTestCase):
    """Which nodes come back, and when."""

    def pool(self, *nodes: NodeConfig, **said: str) -> NodePool:
        pool = pool_of(*(nodes or (node_config("a"), node_config("b"))), **said)
        for name in pool.nodes:
            pool.checked(name, 0, True)
        return pool

    def seen(self, pool: NodePool, *times: float) -> list[float]:
        """The share of ``a`` at these times, as somebody sees it who asks."""
        found = []
        for now in times:
            end(pool.lease(ANY, now), now=now)
            found.append(round(pool.nodes["a"].share, 3))
        return found

    def test_start(self) -> None:
        """When a gateway starts, every node has its whole share."""
        self.assertEqual(self.seen(self.pool(), 0, 1), [1.0, 1.0])

    def test_late(self) -> None:
        """One that was there at the start, but is still starting when others are, comes late."""
        patient = HealthConfig(start_period=60)
        nodes = config(node_config("a", health=patient), node_config("b"))
        pool = NodePool(nodes, Random(1))
        pool.checked("b", 0, True)
        pool.checked("a", 0, False, "refused")
        self.assertEqual(pool.slow_start.back, {})
        pool.checked("a", 20, True)
        self.assertEqual(pool.nodes["b"].share, 1.0)
        self.assertEqual(self.seen(pool, 24, 30), [0.4, 1.0])

    def test_first_checks(self) -> None:
        """Which of the first nodes is checked first makes no difference."""
        pool = NodePool(config(*map(node_config, "abc")), Random(1))
        for moment, name in enumerate("abc"):
            pool.checked(name, moment, True)
            self.assertEqual(pool.slow_start.back, {})

    def test_down(self) -> None:
        """One that was down has it ten seconds after it is up again."""
        pool = self.pool()
        for _ in range(3):
            pool.checked("a", 1, False, "refused")
        for _ in range(2):
            pool.checked("a", 20, True)
        self.assertEqual(self.seen(pool, 20, 25, 29.9, 30), [0.1, 0.5, 0.99, 1.0])

    def test_ejected(self) -> None:
        """So has one that was ejected, from the first good answer on."""
        pool = self.pool(node_config("a", breaker=BreakerConfig(failures=1)), node_config("b"))
        end(pool.lease(ANY, 0, B), Outcome.RESET)
        end(pool.lease(ANY, 50, B), now=50)
        self.assertEqual(self.seen(pool, 52, 60), [0.2, 1.0])

    def test_drained(self) -> None:
        """So has one that was drained, which may have been started anew meanwhile."""
        pool = self.pool()
        pool.drain("a", True, 0)
        pool.drain("a", False, 100)
        self.assertEqual(self.seen(pool, 104, 110), [0.4, 1.0])

    def test_new(self) -> None:
        """So has one that a new configuration brings, once its check has passed."""
        pool = self.pool(node_config("b"))
        pool.replace(config(node_config("a"), node_config("b")), 50)
        self.assertEqual(pool.nodes["a"].share, 1.0)
        pool.checked("a", 51, True)
        self.assertEqual(self.seen(pool, 56, 61), [0.5, 1.0])

    def test_enabled(self) -> None:
        """So has one that was disabled."""
        pool = self.pool(node_config("a", enabled=False), node_config("b"))
        pool.replace(config(node_config("a"), node_config("b")), 50)
        self.assertEqual(self.seen(pool, 55, 60), [0.5, 1.0])

    def test_once_more(self) -> None:
        """One that goes again begins anew when it is back."""
        pool = self.pool()
        for moment in (10, 15):
            pool.drain("a", True, moment)
            pool.drain("a", False, moment)
        self.assertEqual(self.seen(pool, 17, 25), [0.2, 1.0])

    def test_away(self) -> None:
        """One that goes while it comes back is forgotten with that."""
        pool = self.pool()
        pool.drain("a", True, 0)
        pool.drain("a", False, 1)
        pool.drain("a", True, 2)
        self.assertEqual((pool.slow_start.back, pool.nodes["a"].share), ({}, 1.0))
        pool.drain("a", False, 3)
        pool.replace(config(node_config("b")), 4)
        self.assertEqual(pool.slow_start.back, {})

    def test_off(self) -> None:
        """With 0 seconds it has its whole share at once."""
        pool = self.pool(node_config("a", health=HealthConfig(slow_start=0)), node_config("b"))
        pool.drain("a", True, 0)
        pool.drain("a", False, 1)
        self.assertEqual(self.seen(pool, 1), [1.0])

    def test_reloaded(self) -> None:
        """A new configuration changes its weight, and nothing of how long it has been back."""
        pool = self.pool()
        pool.drain("a", True, 0)
        pool.drain("a", False, 0)
        pool.replace(config(node_config("a", weight=4.0), node_config("b")), 5)
        found = pool.nodes["a"]
        self.assertEqual((found.share, found.weight), (0.5, 2.0))

    def test_foretold(self) -> None:
        """Who asks where a request would go is told what holds now."""
        pool = self.pool(strategy="weighted_round_robin")
        pool.drain("a", True, 0)
        pool.drain("a", False, 0)
        self.assertEqual([each.name for each in pool.preview(ANY, 1).best], ["b"])
        self.assertEqual(pool.nodes["a"].share, 0.1)
        self.assertEqual([each.name for each in pool.preview(ANY, 10).best], ["a"])


def three(first: float, in_flight: tuple[int, ...] = (0, 0, 0)) -> list[Node]:
    """Three nodes that have the model loaded, the first of which has such a part of its share."""
    nodes = [node(name) for name in "abc"]
    for each, count in zip(nodes, in_flight, strict=True):
        each.models = models("m:1b", loaded=("m:1b",))
        each.holdings.listed(each.models)
        each.in_flight = count
    nodes[0].give(first)
    return nodes


def crowd(strategy: Strategy, nodes: list[Node], size: int, requests: int) -> Counter[str]:
    """Who gets the requests when so many are in flight at all times."""
    random, found, under_way = Random(7), Counter[str](), []
    for number in range(requests):
        if len(under_way) == size:
            under_way.pop(random.randrange(size)).in_flight -= 1
        each = strategy.choose(
            nodes, Want("m:1b", (), random.getrandbits(64) if number % 2 else None)
        )
        each.in_flight += 1
        under_way.append(each)
        found[each.name] += 1
    return found


class StrategyTests(SynchronousTestCase):
    """What each strategy makes of it."""

    @given(strategies, shares, st.integers(0, 50))
    def test_alone(self, strategy: str, part: float, in_flight: int) -> None:
        """The only node that is left takes everything."""
        only = node("a")
        only.in_flight = in_flight
        only.give(part)
        policy = STRATEGIES[strategy](Random(1))
        self.assertEqual([policy.choose([only], CHAT) for _ in range(3)], [only] * 3)

    @given(strategies, st.integers(1, 6), st.data())
    def test_together(self, strategy: str, count: int, data: st.DataObject) -> None:
        """Nodes that come back together share evenly, as if they had been there all the time."""
        part, seed = data.draw(shares), data.draw(st.integers())
        chosen = []
        for each in (part, 1.0):
            nodes = [node(str(index)) for index in range(count)]
            for one in nodes:
                one.give(each)
            policy = STRATEGIES[strategy](Random(seed))
            names = []
            for _ in range(20):
                one = policy.choose(nodes, ANY)
                one.in_flight += 1
                names.append(one.name)
            chosen.append(sorted(Counter(names).values()))
        self.assertEqual(chosen[0], chosen[1])

    def test_grows(self) -> None:
        """
        With each strategy a node in a crowd gets some requests, the more the longer it is
        back, and in the end as many as the others.
        """
        for strategy in STRATEGIES:
            counts = []
            for part in (0.1, 0.25, 0.5, 0.75, 1.0):
                policy = STRATEGIES[strategy](Random(1))
                counts.append(crowd(policy, three(part), 60, 3000)["a"])
            self.assertEqual(counts, sorted(counts), strategy)
            # A tenth of an even share is one in 28.
            self.assertTrue(50 < counts[0] < 200, (strategy, counts))
            self.assertTrue(900 < counts[-1] < 1100, (strategy, counts))

    def test_first_turn(self) -> None:
        """By turns, the first request goes to who has come back, and no other one for some time."""
        pool = pool_of(node_config("a"), node_config("b"))
        for draining in (True, False):
            pool.drain("a", draining, 0)
        found = "".join(end(pool.lease(ANY, 0)) for _ in range(25))
        self.assertEqual(found, "a" + "b" * 18 + "abbbbb")

    def test_turns(self) -> None:
        """By turns, it has the part of its turns that it is given."""
        for strategy in ("round_robin", "weighted_round_robin"):
            nodes = three(0.25)
            policy = STRATEGIES[strategy](Random(1))
            found = crowd(policy, nodes, 10, 900)
            # A quarter of a share beside two whole ones: a ninth, or a twelfth if it waits
            # for as many rounds.
            self.assertTrue(900 / 12 - 2 <= found["a"] <= 900 / 9 + 2, found)
            self.assertLessEqual(abs(found["b"] - found["c"]), 2)

    @given(strategies, st.integers(0, 40), st.integers())
    def test_over(self, strategy: str, requests: int, seed: int) -> None:
        """Once it is over, the strategy chooses as if it had never been."""
        chosen = []
        for part in (LEAST, 1.0):
            nodes = three(part)
            nodes[0].give(1.0)
            policy, names = STRATEGIES[strategy](Random(seed)), []
            for _ in range(requests):
                each = policy.choose(nodes, CHAT)
                each.in_flight += 1
                names.append(each.name)
            chosen.append(names)
        self.assertEqual(chosen[0], chosen[1])

    @given(
        st.lists(st.tuples(st.integers(0, 9), shares, st.floats(0.1, 10)), min_size=1, max_size=6),
        st.integers(0, 2**64 - 1),
    )
    def test_somebody(self, nodes: list[tuple[int, float, float]], prefix: int) -> None:
        """Whatever the loads, the shares and the weights, somebody has room for a conversation."""
        made = []
        for index, (in_flight, part, weight) in enumerate(nodes):
            each = node(str(index), weight=weight)
            each.in_flight = in_flight
            each.give(part)
            made.append(each)
        for strategy in STRATEGIES.values():
            self.assertIn(strategy(Random(1)).choose(made, Want("m", (), prefix)), made)

    def test_home(self) -> None:
        """Conversations are still at home where they were, as far as there is room."""
        policy, nodes = PrefixAffinity(Random(1)), three(1.0)
        at_home = [prefix for prefix in range(300) if self.home(policy, nodes, prefix) == "a"]
        nodes[0].give(LEAST)
        self.assertTrue(at_home)
        self.assertEqual({self.home(policy, nodes, prefix) for prefix in at_home}, {"a"})

    def home(self, policy: Strategy, nodes: list[Node], prefix: int) -> str:
        (found,) = policy.best(nodes, Want("m:1b", (), prefix))
        return found.name


class NobodyIsRefusedTests(SynchronousTestCase):
    """Slow starts decide where requests go, never whether."""

    @given(
        strategies,
        st.lists(
            st.tuples(
                st.sampled_from(["ask", "end", "down", "up", "drain", "resume"]),
                st.sampled_from("abc"),
                st.floats(0, 4),
            ),
            max_size=60,
        ),
    )
    def test_room(self, strategy: str, events: list[tuple[str, str, float]]) -> None:
        """There is a place if and only if a node that serves has room."""
        checks = HealthConfig(rise=1, fall=1)
        pool = pool_of(
            *(node_config(name, max_in_flight=2, health=checks) for name in "abc"),
            strategy=strategy,
        )
        now, held = 0.0, list[Lease]()
        for what, name, later in events:
            now += later
            if what == "ask":
                room = any(each.serves and not each.full for each in pool.nodes.values())
                lease = pool.lease(CHAT, now)
                self.assertEqual(lease is not None, room)
                held.extend(filter(None, [lease]))
            elif what == "end" and held:
                end(held.pop(), now=now)
            elif what in ("up", "down"):
                pool.checked(name, now, what == "up")
            elif what in ("drain", "resume"):
                pool.drain(name, what == "drain", now)
            shares = [each.share for each in pool.nodes.values()]
            self.assertTrue(LEAST <= min(shares) <= max(shares) <= 1.0, shares)
