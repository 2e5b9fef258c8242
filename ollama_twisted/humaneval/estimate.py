"""
pass@k: the chance that of k samples of a problem at least one is right.

The unbiased estimate of Chen et al., "Evaluating Large Language Models Trained
on Code" (2021), section 2.1: of n samples c were right, so of all choices of k
of them the share that holds a right one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import comb, sqrt


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """For one problem; there must be at least k samples."""
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {samples} samples of which {correct} are right")
    return 1.0 - comb(samples - correct, k) / comb(samples, k)


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float | None:
    """Over problems, each (samples, correct); None where one has fewer than k samples."""
    counts = list(counts)
    if not counts or any(samples < k for samples, _ in counts):
        return None
    return sum(pass_at_k(samples, correct, k) for samples, correct in counts) / len(counts)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """
    Where the mean of so many problems' values lies, 19 times of 20.

    Wilson's interval, which holds for few problems and for means of 0 and 1;
    for values between 0 and 1 it is wider than need be, never narrower.
    """
    n = len(values)
    if not n:
        return 0.0, 1.0
    z, mean = 1.96, sum(values) / n
    middle = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
