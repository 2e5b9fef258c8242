"""The last minutes, point by point."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pulse.history import POINTS, Past


def plainly(past: Past) -> Any:
    """What a reader has of it."""
    return json.loads(msgspec.json.encode(past.told()))


class PastTests(SynchronousTestCase):
    """A ring of points."""

    def test_nothing(self) -> None:
        """
        At first there is nothing.
        """
        self.assertEqual(plainly(Past()), {"interval": 2.0, "end": None, "series": {}})

    @given(st.lists(st.none() | st.floats(0, 1e6), max_size=3 * POINTS))
    def test_last(self, values: list[float | None]) -> None:
        """
        The last points are told, oldest first; before the first there was nothing.
        """
        past = Past()
        for number, value in enumerate(values):
            past.add(str(number), {"gateway": {"x": value}})
        wanted = [*[None] * POINTS, *values][-POINTS:]
        told = plainly(past)
        self.assertEqual(told["series"], {"gateway": {"x": wanted}} if values else {})
        self.assertEqual(told["end"], str(len(values) - 1) if values else None)

    def test_come_and_gone(self) -> None:
        """
        A row begins when it is first named, and ends when it is not.
        """
        past = Past()
        past.add("1", {"a": {"x": 1.0}})
        past.add("2", {"a": {"x": 2.0}, "b": {"x": 3.0}})
        series = plainly(past)["series"]
        self.assertEqual(series["a"]["x"][-2:], [1.0, 2.0])
        self.assertEqual(series["b"]["x"][-2:], [None, 3.0])
        past.add("3", {"b": {"x": 4.0}})
        self.assertEqual([*plainly(past)["series"]], ["b"])
