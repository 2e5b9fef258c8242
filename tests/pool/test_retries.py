"""How many requests are asked again at a time, and which of them count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import BreakerConfig, Config, GatewayLimits
from ollama_twisted.pool.breaker import RECENT
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.pool.retries import RetriesSpent, RetryBudget, counts
from tests.pool.nodes import config, end, node, node_config, pool_of

ANY = Want()
#: None of these nodes is ever ejected, so that each is asked as long as it lasts.
PATIENT = BreakerConfig(failures=10**6)


class BudgetTests(SynchronousTestCase):
    """How many may be under way."""

    def test_share(self) -> None:
        """A fifth of the requests in flight, rounded down, and three in any case."""
        budget = RetryBudget()
        self.assertEqual(
            [budget.most(each) for each in (0, 1, 15, 19, 20, 104)], [3, 3, 3, 3, 4, 20]
        )

    def test_off(self) -> None:
        """With a hundred percent, nobody is ever refused: not more can be asked again than are."""
        budget = RetryBudget(percent=100, least=0)
        for number in range(50):
            budget.begin(number + 1)

    @given(
        st.floats(0, 100),
        st.integers(0, 20),
        st.lists(st.tuples(st.booleans(), st.integers(0, 500)), max_size=200),
    )
    def test_bounded(self, percent: float, least: int, events: list[tuple[bool, int]]) -> None:
        """One is refused if and only if as many are under way as may, whatever came before."""
        budget = RetryBudget(percent, least)
        for begins, in_flight in events:
            before = budget.under_way
            if begins:
                try:
                    budget.begin(in_flight)
                except RetriesSpent:
                    self.assertGreaterEqual(before, max(least, int(percent * in_flight / 100)))
                    self.assertEqual(budget.under_way, before)
                else:
                    self.assertEqual(budget.under_way, before + 1)
                    self.assertLessEqual(
                        budget.under_way, max(least, percent * in_flight / 100 + 1e-6)
                    )
            elif before:
                budget.ended()
        self.assertGreaterEqual(budget.under_way, 0)


class CountsTests(SynchronousTestCase):
    """Which of them count."""

    def test_alone(self) -> None:
        """What one node drops does not count as long as no other one fails."""
        a, b, c = nodes = [node(name, breaker=PATIENT) for name in "abc"]
        a.breaker.failed(a.breaker.admitted(0), 0)
        self.assertEqual([counts(each, nodes, 1) for each in "ab"], [False, True])
        b.breaker.failed(b.breaker.admitted(0), 0)
        self.assertEqual([counts(each, nodes, 1) for each in "ab"], [True, True])
        b.breaker.succeeded(b.breaker.admitted(1))
        self.assertEqual(counts("a", nodes, 1), False)
        self.assertEqual(c.breaker.fails(1), False)

    def test_recent(self) -> None:
        """A failure is forgotten after a while, if the node was not asked since."""
        a, b = node("a"), node("b")
        b.breaker.failed(b.breaker.admitted(0), 5)
        seen = [counts("a", [a, b], now) for now in (5, 5 + RECENT - 0.1, 5 + RECENT)]
        self.assertEqual(seen, [True, True, False])


def budgeted(*names: str, percent: float = 20.0, least: int = 3) -> NodePool:
    """A pool of such nodes."""
    pool = pool_of(*(node_config(name, breaker=PATIENT) for name in names))
    pool.replace(limited(*names, percent=percent, least=least), 0)
    return pool


def limited(*names: str, percent: float, least: int) -> Config:
    """The configuration of such a pool."""
    found = config(*(node_config(name, breaker=PATIENT) for name in names))
    limits = GatewayLimits(retry_percent=percent, min_retries=least)
    return Config(found.nodes, found.strategy, gateway=limits)


def drop(pool: NodePool, lease: Lease | None, outcome: Outcome = Outcome.RESET) -> Lease | None:
    """The node drops the request; where it is asked again, if anywhere."""
    name = end(lease, outcome)
    return pool.lease(ANY, 0, frozenset({name}), name)


class PoolTests(SynchronousTestCase):
    """The budget in the pool."""

    @given(st.integers(2, 6), st.integers(1, 100))
    def test_one_node_dies(self, nodes: int, requests: int) -> None:
        """However much one node drops, all of it is asked again elsewhere."""
        pool = budgeted(*map(str, range(nodes)))
        leases = [pool.lease(ANY, 0) for _ in range(requests)]
        for lease in leases:
            if lease is not None and lease.node.name == "0":
                self.assertIsNotNone(drop(pool, lease))
        self.assertEqual(pool.retries.under_way, 0)

    @given(st.integers(2, 6), st.integers(1, 100), st.integers(0, 100), st.integers(0, 5))
    def test_all_nodes_fail(self, nodes: int, requests: int, percent: int, least: int) -> None:
        """When all fail, never more are asked again at a time than the configuration says."""
        pool = budgeted(*map(str, range(nodes)), percent=percent, least=least)
        leases = [pool.lease(ANY, 0) for _ in range(requests)]
        for each in pool.nodes.values():
            each.breaker.failed(each.breaker.admitted(0), 0)
        again, refused = 0, 0
        for lease in leases:
            try:
                again += drop(pool, lease) is not None
            except RetriesSpent:
                refused += 1
        self.assertEqual((pool.retries.under_way, again + refused), (again, requests))
        self.assertLessEqual(again, max(least, requests * percent // 100))
        self.assertGreaterEqual(again, min(requests, least))

    def test_until_it_answers(self) -> None:
        """One counts until its answer begins, or it ends in another way."""
        pool = budgeted(*"abc", percent=0, least=1)
        for each in pool.nodes.values():
            each.breaker.failed(each.breaker.admitted(0), 0)
        again = drop(pool, pool.lease(ANY, 0))
        assert again is not None
        waiting = pool.lease(ANY, 0)
        name = end(waiting, Outcome.RESET)
        self.assertRaises(RetriesSpent, pool.lease, ANY, 0, frozenset({name}), name)
        again.answering(0)
        self.assertEqual(pool.retries.under_way, 0)
        end(again)
        self.assertEqual(pool.retries.under_way, 0)

    def test_nobody_there(self) -> None:
        """Where there is no other node, it is not for the budget that none is asked."""
        pool = budgeted("a", percent=0, least=0)
        self.assertIsNone(drop(pool, pool.lease(ANY, 0)))

    def test_changed(self) -> None:
        """A new configuration holds from the next one on, and forgets none that is under way."""
        pool = budgeted(*"abc", percent=0, least=1)
        for each in pool.nodes.values():
            each.breaker.failed(each.breaker.admitted(0), 0)
        self.assertIsNotNone(drop(pool, pool.lease(ANY, 0)))
        pool.replace(limited(*"abc", percent=0, least=2), 0)
        self.assertIsNotNone(drop(pool, pool.lease(ANY, 0)))
        self.assertRaises(RetriesSpent, drop, pool, pool.lease(ANY, 0))

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["ask", "answer", *(each.value for each in Outcome)]),
                st.integers(0, 9),
            ),
            max_size=60,
        )
    )
    def test_given_back(self, events: list[tuple[str, int]]) -> None:
        """Whatever becomes of them, none is under way once all have ended."""
        pool = budgeted(*"abc", least=2)
        held: list[Lease] = []
        for what, which in events:
            if what == "ask":
                held.extend(filter(None, [pool.lease(ANY, 0)]))
            elif held and what == "answer":
                held[which % len(held)].answering(0)
            elif held:
                lease = held.pop(which % len(held))
                with lease:
                    lease.outcome(Outcome(what), 0)
                try:
                    again = pool.lease(ANY, 0, frozenset({lease.node.name}), lease.node.name)
                except RetriesSpent:
                    continue
                held.extend(filter(None, [again]))
            under_way = sum(each.budget is not None for each in held)
            self.assertEqual(pool.retries.under_way, under_way)
        for lease in held:
            lease.give_back()
            lease.give_back()
        self.assertEqual(pool.retries.under_way, 0)
