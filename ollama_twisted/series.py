"""
Numbers that are counted up, by the values of their labels: plain until somebody scrapes.

Counting happens with every exchange, a scrape every few seconds; so Prometheus's own
types are made only then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric


@dataclass(slots=True)
class Count:
    """A counter, by the values of its labels."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    of: defaultdict[tuple[str, ...], float] = field(default_factory=lambda: defaultdict(float))

    def family(self) -> Metric:
        family = CounterMetricFamily(f"ollama_gateway_{self.name}", self.text, labels=self.labels)
        for labels, value in self.of.items():
            family.add_metric(labels, value)
        if not self.labels and not self.of:
            family.add_metric((), 0)
        return family


class Observed:
    """One series of a histogram: how many in each bucket, and their sum."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        # A bucket holds what is less than or equal to its bound.
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Distribution:
    """A histogram, by the values of its labels."""

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> None:
        self._name = f"ollama_gateway_{name}"
        self._text = text
        self._bounds = bounds
        self._labels = labels
        self._series: dict[tuple[str, ...], Observed] = {}
        if not labels:
            self.of()

    def of(self, *labels: str) -> Observed:
        tally = self._series.get(labels)
        if tally is None:
            tally = self._series[labels] = Observed(self._bounds)
        return tally

    def family(self) -> Metric:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        names = [*map(str, self._bounds), "+Inf"]
        for labels, tally in self._series.items():
            below, buckets = 0, []
            for name, count in zip(names, tally.counts, strict=True):
                below += count
                buckets.append((name, below))
            family.add_metric(labels, buckets, tally.sum)
        return family
