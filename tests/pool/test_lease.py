"""A place is given back once, whatever happens in between."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pool.lease import Lease, Outcome
from tests.pool.nodes import node


class Remembering:
    """A lessor that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def answering(self, lease: Lease, now: float) -> None:
        self.told.append(("answering", now))

    def ended(self, lease: Lease, outcome: Outcome, now: float) -> None:
        self.told.append((outcome, now))


class LeaseTests(SynchronousTestCase):
    """One lease."""

    def setUp(self) -> None:
        self.lessor = Remembering()
        self.lease = Lease(node(), 1, self.lessor)

    def test_outcome(self) -> None:
        """The outcome is told when the block ends, with the time it was seen."""
        with self.lease as lease:
            lease.answering(2.0)
            lease.outcome(Outcome.ANSWERED, 3.0)
            self.assertEqual(self.lessor.told, [("answering", 2.0)])
        self.assertEqual(self.lessor.told, [("answering", 2.0), (Outcome.ANSWERED, 3.0)])

    def test_last_word(self) -> None:
        """Of several outcomes the last one counts."""
        with self.lease as lease:
            lease.outcome(Outcome.ANSWERED, 3.0)
            lease.outcome(Outcome.RESET, 4.0)
        self.assertEqual(self.lessor.told, [(Outcome.RESET, 4.0)])

    def test_no_outcome(self) -> None:
        """A block that names no outcome has abandoned its request."""
        with self.lease:
            pass
        self.assertEqual(self.lessor.told, [(Outcome.ABANDONED, 0.0)])

    def test_exception(self) -> None:
        """A block that raises gives its place back, and its exception goes on."""
        with self.assertRaises(ZeroDivisionError), self.lease:
            raise ZeroDivisionError
        self.assertEqual(self.lessor.told, [(Outcome.ABANDONED, 0.0)])

    def test_once(self) -> None:
        """A place is given back once, however often that is asked for."""
        with self.lease:
            self.lease.give_back()
        self.lease.give_back()
        self.assertEqual(len(self.lessor.told), 1)
