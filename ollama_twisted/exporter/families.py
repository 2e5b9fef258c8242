"""Families of metrics from numbers that may not be known: those are left out."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

NODE = ("node",)

Labelled = Iterable[tuple[tuple[str, ...], float | None]]


def gauge(name: str, text: str, labels: Iterable[str], series: Labelled) -> Metric:
    """A gauge of these series."""
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, number in series:
        if number is not None:
            family.add_metric(values, number)
    return family


def counter(name: str, text: str, labels: Iterable[str], series: Labelled) -> Metric:
    """A counter of these series; its name without ``_total``."""
    family = CounterMetricFamily(name, text, labels=list(labels))
    for values, number in series:
        if number is not None:
            family.add_metric(values, number)
    return family
