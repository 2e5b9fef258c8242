"""What is said of a decision is what is then decided."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import BreakerConfig, SizeRange
from ollama_twisted.pool.eligibility import Reason, Want
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.line import Blocked
from ollama_twisted.pool.preview import Verdict
from ollama_twisted.pool.selection import STRATEGIES
from tests.pool.nodes import end, models, node_config, pool_of

steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "end", "fail", "down", "up", "model"]),
        st.integers(0, 3),
        st.sampled_from(["m", "n", "m:70b", None]),
    ),
    max_size=40,
)


class PreviewTests(SynchronousTestCase):
    """A request that has not come yet."""

    @given(steps, st.sampled_from(sorted(STRATEGIES)))
    def test_as_decided(self, steps: list[tuple[str, int, str | None]], strategy: str) -> None:
        """Whatever has happened: who is chosen is among those foretold, and nobody else is."""
        pool = pool_of(
            node_config("a", weight=3.0, max_in_flight=2),
            node_config("b", ranges=(SizeRange(0, 10),)),
            node_config("c", breaker=BreakerConfig(failures=1), max_in_flight=3),
            node_config("d", enabled=False),
            strategy=strategy,
        )
        leases: list[Lease] = []
        for now, (act, number, model) in enumerate(steps):
            name = "abcd"[number]
            if act == "ask":
                want = Want(model)
                foretold = pool.preview(want, now)
                self.assertEqual(pool.preview(want, now), foretold)
                lease = pool.lease(want, now)
                if lease is None:
                    full = pool.blocked(want, now) is Blocked.FULL
                    self.assertIs(foretold.verdict, Verdict.WAIT if full else Verdict.REFUSE)
                    self.assertEqual(foretold.best, ())
                else:
                    self.assertIs(foretold.verdict, Verdict.SEND)
                    self.assertIn(lease.node, foretold.best)
                    leases.append(lease)
            elif act in ("end", "fail") and leases:
                outcome = Outcome.ANSWERED if act == "end" else Outcome.RESET
                end(leases.pop(number % len(leases)), outcome, now)
            elif act == "model":
                pool.listed(name, models(*([model] if model else [])))
            else:
                pool.checked(name, now, act == "up", "refused")

    def test_changes_nothing(self) -> None:
        """However often it is asked, the round goes on where it was."""
        for strategy in ("round_robin", "weighted_round_robin"):
            pool = pool_of(*map(node_config, "abc"), strategy=strategy)
            chosen = ""
            for _ in range(6):
                for _ in range(5):
                    (best,) = pool.preview(Want(), 0).best
                lease = pool.lease(Want(), 0)
                assert lease is not None
                self.assertIs(lease.node, best)
                chosen += lease.node.name
            self.assertEqual(chosen, "abcabc")

    def test_chance(self) -> None:
        """Where chance decides, all whom it may hit are named, and what they have in common."""
        pool = pool_of(*map(node_config, "abc"), strategy="least_connections")
        lease = pool.lease(Want(), 0)
        assert lease is not None
        preview = pool.preview(Want(), 0)
        self.assertEqual(len(preview.best), 2)
        self.assertNotIn(lease.node, preview.best)
        self.assertEqual(preview.why, "it has the fewest requests in flight")

    def test_line_full(self) -> None:
        """Where nobody else may wait, it would be refused."""
        pool = pool_of(node_config("a", max_in_flight=1), max_waiting=1)
        pool.lease(Want(), 0)
        self.assertIs(pool.preview(Want(), 0).verdict, Verdict.WAIT)
        pool.wait(Want(), 0, lambda lease: None)
        self.assertIs(pool.preview(Want(), 0).verdict, Verdict.REFUSE)

    def test_fallback(self) -> None:
        """A model that nobody has may be asked of all, and that is said."""
        pool = pool_of(*map(node_config, "ab"))
        self.assertFalse(pool.preview(Want("m"), 0).fallback)  # they may have it
        for name in "ab":
            pool.listed(name, models("n"))
        self.assertTrue(pool.preview(Want("m"), 0).fallback)
        self.assertFalse(pool.preview(Want("n"), 0).fallback)
        self.assertFalse(pool.preview(Want(), 0).fallback)

    def test_passed_over(self) -> None:
        """For the log: who could not serve the model, in a word each."""
        pool = pool_of(*map(node_config, "ab"), node_config("c", enabled=False))
        pool.listed("a", models("m"))
        pool.listed("b", models("n"))
        pool.lease(Want("m"), 0)
        self.assertEqual(pool.passed_over(Want("m")), "b: model absent; c: disabled")
        pool.listed("b", models("m"))
        pool.lease(Want("m"), 0)
        self.assertEqual(pool.passed_over(Want("m")), "c: disabled")

    def test_passing(self) -> None:
        """Reasons of the moment are told from those that stay."""
        pool = pool_of(node_config("a", max_in_flight=1), node_config("b", enabled=False))
        pool.lease(Want(), 0)
        (_, full), (_, disabled) = pool.preview(Want(), 0).judged
        assert full is not None and disabled is not None
        self.assertEqual((full.reason, full.passing), (Reason.FULL, True))
        self.assertEqual((disabled.reason, disabled.passing), (Reason.DISABLED, False))
