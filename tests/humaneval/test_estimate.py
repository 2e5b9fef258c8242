"""Tests for pass@k."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval.estimate import interval, mean_pass_at_k, pass_at_k


class PassTests(SynchronousTestCase):
    """One problem, and many."""

    @given(st.integers(1, 9), st.data())
    def test_meaning(self, samples: int, data: st.DataObject) -> None:
        """It is the share of choices of k samples that hold a right one."""
        correct = data.draw(st.integers(0, samples))
        k = data.draw(st.integers(1, samples))
        choices = list(combinations([n < correct for n in range(samples)], k))
        share = sum(map(any, choices)) / len(choices)
        self.assertAlmostEqual(pass_at_k(samples, correct, k), share)

    def test_exact(self) -> None:
        """All right is 1 and none is 0, without rounding; pass@1 is the share."""
        self.assertEqual([pass_at_k(7, c, 1) for c in (0, 7)], [0.0, 1.0])
        self.assertAlmostEqual(pass_at_k(200, 50, 1), 0.25)
        self.assertAlmostEqual(pass_at_k(5, 2, 2), 0.7)

    def test_impossible(self) -> None:
        """There is no pass@k of fewer than k samples, nor of more right ones than there are."""
        for numbers in ((3, 1, 4), (3, 4, 1), (3, 1, 0), (3, -1, 1)):
            self.assertRaises(ValueError, pass_at_k, *numbers)

    def test_mean(self) -> None:
        """Over problems it is the mean; where one has too few samples it is not told."""
        self.assertEqual(mean_pass_at_k([(2, 2), (2, 0)], 1), 0.5)
        self.assertIsNone(mean_pass_at_k([(2, 2), (1, 0)], 2))
        self.assertIsNone(mean_pass_at_k([], 1))

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
    def test_interval(self, values: list[float]) -> None:
        """The interval holds the mean and stays within what is possible."""
        low, high = interval(values)
        mean = sum(values) / len(values)
        self.assertTrue(0 <= low <= mean + 1e-9 and mean - 1e-9 <= high <= 1)
