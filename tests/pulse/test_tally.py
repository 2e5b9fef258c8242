"""What is counted of each node."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pulse.shape import Failure
from ollama_twisted.pulse.tally import FAILURES, LONGEST_TEXT, Tallies, plain
from tests.pulse.views import date, record


class TallyTests(SynchronousTestCase):
    """The counts of a gateway."""

    def setUp(self) -> None:
        self.tallies = Tallies(date)

    def counts(self, name: str = "a") -> tuple[int, float, int, int]:
        tally = self.tallies.nodes[name]
        return tally.requests, tally.tokens, tally.bytes, tally.failed

    def test_counted(self) -> None:
        """
        An answer counts for its node and for the gateway.
        """
        self.tallies.count(record())
        self.tallies.count(record(node="b", relayed=7, final=None))
        self.assertEqual(self.counts(), (1, 10, 100, 0))
        self.assertEqual(self.counts("b"), (1, 0, 7, 0))
        total = self.tallies.gateway
        self.assertEqual((total.requests, total.tokens, total.bytes), (2, 10, 107))

    def test_models(self) -> None:
        """
        It counts for its model, too, if that is known, and while it passes.
        """
        self.tallies.count(record(), "m:1b")
        self.tallies.passing(record(), 50, "m:1b")
        self.tallies.count(record())
        (tally,) = self.tallies.models.values()
        self.assertEqual((tally.requests, tally.tokens, tally.bytes), (1, 15, 150))

    def test_nobody(self) -> None:
        """
        What no node was asked counts for the gateway alone.
        """
        self.tallies.count(record(node="", failure="no_node"))
        self.assertEqual((self.tallies.nodes, self.tallies.gateway.failed), ({}, 1))

    def test_client_left(self) -> None:
        """
        A client that leaves is nobody's failure.
        """
        self.tallies.count(record(failure="client_left"))
        self.assertEqual((self.counts()[3], self.tallies.failures("a")), (0, ()))

    def test_failures(self) -> None:
        """
        A node that failed is remembered for it, also if another one answered then.
        """
        self.tallies.count(record(node="b", retries=(("a", "unreachable"),)))
        self.tallies.count(record(failure="upstream_cut", detail="it closed", ended=3.0))
        self.assertEqual(
            self.tallies.failures("a"),
            (
                Failure("at 2", "unreachable", ""),
                Failure("at 3", "upstream_cut", "it closed"),
            ),
        )
        self.assertEqual(self.tallies.take_news(), {"a": (2, "upstream_cut")})
        self.assertEqual(self.tallies.take_news(), {})

    def test_bounded(self) -> None:
        """
        However much fails, and with however many words, little of it is kept.
        """
        for _ in range(100):
            self.tallies.count(record(failure="reset", detail="x" * 10_000))
        failures = self.tallies.failures("a")
        self.assertEqual((len(failures), len(failures[0].detail)), (FAILURES, LONGEST_TEXT))

    def test_plain(self) -> None:
        """
        Half a character can be sent, if not as what it is.
        """
        self.assertEqual(plain("a\ud800b"), "a?b")

    def test_first_token(self) -> None:
        """
        The first token took what it took half of the answers of the last minute.
        """
        for seconds in (0.1, 0.2, 9.0):
            self.tallies.count(record(first_at=seconds))
        self.assertEqual(self.tallies.gateway.first_token(now=60.0), 0.2)
        self.assertEqual(self.tallies.gateway.first_token(now=63.0), None)

    def test_forgotten(self) -> None:
        """
        Of nodes that are gone nothing is kept.
        """
        self.tallies.count(record(failure="reset"))
        self.tallies.keep(["b"])
        self.assertEqual((self.tallies.nodes, self.tallies.failures("a")), ({}, ()))
        self.assertEqual(self.tallies.take_news(), {})

    @given(
        st.lists(st.lists(st.integers(0, 1000), max_size=5), max_size=5),
        st.integers(0, 500),
    )
    def test_passing(self, answers: list[list[int]], tokens: int) -> None:
        """
        However an answer is looked at while it passes, it is counted once, and exactly.
        """
        tallies = Tallies(date)
        relayed = 0
        for parts in answers:
            passing = record(relayed=0, final=None)
            for part in parts:
                tallies.passing(passing, passing.counted + part)
            ended = record(relayed=sum(parts), counted=passing.counted, reckoned=passing.reckoned)
            assert ended.final is not None
            tallies.count(ended)
            relayed += sum(parts)
        for tally in (tallies.gateway, *tallies.nodes.values()):
            self.assertEqual(tally.bytes, relayed)
            self.assertAlmostEqual(tally.tokens, 10 * len(answers), places=3)

    def test_reckoned(self) -> None:
        """
        Tokens of an answer that passes are reckoned by what the others took.
        """
        self.tallies.passing(record(), 50)
        self.assertEqual(self.tallies.nodes["a"].tokens, 0)
        self.tallies.count(record())
        self.tallies.passing(record(), 50)
        self.assertEqual(self.tallies.nodes["a"].tokens, 15)
        self.tallies.passing(record(operation="v1_chat"), 50)
        self.assertEqual(self.tallies.nodes["a"].tokens, 15)
