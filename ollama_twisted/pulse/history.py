"""What the last minutes looked like: one number after another, the oldest overwritten."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import nan

from ollama_twisted.pulse.shape import History, Rate

#: Seconds from one point to the next, and how many are kept: five minutes.
INTERVAL, POINTS = 2.0, 150


class Past:
    """The points of several rows, by the names of the row and of the field."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, array[float]]] = {}
        self._next = 0
        self._end: str | None = None

    def add(self, date: str, rows: Mapping[str, Mapping[str, Rate]]) -> None:
        """One more point of each row; rows that are not named are forgotten."""
        known, self._rows = self._rows, {}
        for name, values in rows.items():
            row = known.get(name)
            if row is None:
                row = {field: array("d", [nan]) * POINTS for field in values}
            for field, value in values.items():
                row[field][self._next] = nan if value is None else value
            self._rows[name] = row
        self._next = (self._next + 1) % POINTS
        self._end = date

    def told(self) -> History:
        """All points, oldest first; what is not a number is null in JSON."""
        return History(
            INTERVAL,
            self._end,
            {
                name: {field: self._in_order(points) for field, points in row.items()}
                for name, row in self._rows.items()
            },
        )

    def _in_order(self, points: array[float]) -> list[float | None]:
        return [*points[self._next :], *points[: self._next]]
