"""Medians over rounds, ratios within rounds, and failures that cannot be overlooked."""

from __future__ import annotations

import math
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bench.harness.table import Column, Results, render

_CPU = Column("CPU us", "cpu_us", relative=True)
_P50 = Column("added p50 us", "p50_us", added=True)


def _line(contender: str, number: int, **figures: Any) -> dict[str, Any]:
    return {"contender": contender, "test": "get", "round": number, "errors": [], **figures}


class ResultsTests(SynchronousTestCase):
    """``Results``."""

    def test_ratio_within_rounds(self) -> None:
        """
        The median of the rounds' ratios, not the ratio of the medians.

        A neighbour that slows the second round down slows both contenders.
        """
        results = Results(
            [
                _line("nginx", 0, cpu_us=10.0),
                _line("gateway", 0, cpu_us=20.0),
                _line("nginx", 1, cpu_us=30.0),
                _line("gateway", 1, cpu_us=60.0),
                _line("nginx", 2, cpu_us=11.0),
                _line("gateway", 2, cpu_us=44.0),
            ]
        )
        self.assertEqual(results.typical("get", "gateway", _CPU), 44.0)
        self.assertEqual(results.ratio("get", "gateway", "nginx", _CPU), 2.0)

    def test_added(self) -> None:
        """What is added is counted from the direct way in the same round."""
        results = Results(
            [
                _line("direct", 0, p50_us=30.0),
                _line("nginx", 0, p50_us=80.0),
                _line("direct", 1, p50_us=100.0),
                _line("nginx", 1, p50_us=170.0),
            ]
        )
        self.assertEqual(results.typical("get", "nginx", _P50), 60.0)
        self.assertEqual(results.typical("get", "direct", _P50), 65.0)

    def test_failed_rounds(self) -> None:
        """A round without a figure is left out; with none at all there is no figure."""
        results = Results(
            [
                _line("nginx", 0, cpu_us=10.0),
                {**_line("nginx", 1), "errors": ["not up"]},
                {**_line("haproxy", 0), "errors": ["not up"]},
            ]
        )
        self.assertEqual(results.typical("get", "nginx", _CPU), 10.0)
        self.assertTrue(math.isnan(results.ratio("get", "haproxy", "nginx", _CPU)))

    def test_runs_do_not_mix(self) -> None:
        """Round 0 of a second run in the same file does not replace round 0 of the first."""
        results = Results(
            [
                {"conditions": {}},
                _line("nginx", 0, cpu_us=10.0),
                {"conditions": {}},
                _line("nginx", 0, cpu_us=20.0),
            ]
        )
        self.assertEqual(results.typical("get", "nginx", _CPU), 15.0)


class RenderTests(SynchronousTestCase):
    """``render``."""

    def test_failures_stand_out(self) -> None:
        """A contender with errors is marked in its row, and each error has its own line."""
        text = render(
            Results(
                [
                    _line("nginx", 0, cpu_us=10.0),
                    {**_line("gateway", 0, cpu_us=20.0), "errors": ["Non-2xx: 3"]},
                ]
            )
        )
        self.assertIn("| gateway |         20.0 ! |    2.00 |", text)
        self.assertIn("! gateway, get: Non-2xx: 3", text)

    def test_summary(self) -> None:
        """One row a contender, its ratio in brackets; the yardstick needs none."""
        text = render(Results([_line("nginx", 0, cpu_us=10.0), _line("gateway", 0, cpu_us=25.0)]))
        self.assertTrue(
            text.endswith(
                "| summary (/ nginx) |      GET us |\n"
                "|-------------------|------------:|\n"
                "| nginx             |        10.0 |\n"
                "| gateway           | 25.0 (2.50) |"
            ),
            text,
        )
