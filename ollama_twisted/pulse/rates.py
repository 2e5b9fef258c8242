"""How fast something grows: the difference of two looks at what is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from ollama_twisted.pulse.shape import Rate

#: A pace is taken over so many looks, which are a second apart.
LOOKS = 5

Counts = tuple[float, ...]


def digits(value: float) -> float:
    """Three digits of a number: what is beyond them is noise, and noise is no news."""
    return float(f"{value:.3g}")


class Pace:
    """
    How fast several rows of counts grow, by the name of the row.

    A row that is new is unknown, unless rows begin ``from_nothing``: then it has
    grown from there since the last look.
    """

    def __init__(self, from_nothing: bool = False) -> None:
        self._from_nothing = from_nothing
        self._looks: dict[str, deque[tuple[float, Counts]]] = {}
        self._looked: float | None = None

    def look(self, now: float, counts: Mapping[str, Counts]) -> None:
        """These are the counts at this moment; rows not named are forgotten."""
        known, self._looks = self._looks, {}
        before, self._looked = self._looked, now
        for name, row in counts.items():
            looks = known.get(name)
            if looks is None:
                looks = deque(maxlen=LOOKS + 1)
                if self._from_nothing and before is not None:
                    looks.append((before, (0.0,) * len(row)))
            looks.append((now, row))
            self._looks[name] = looks

    def of(self, name: str, width: int) -> tuple[Rate, ...]:
        """The growth a second of each count in a row of so many; ``None`` before two looks."""
        looks = self._looks.get(name)
        if looks is None or len(looks) < 2:
            return (None,) * width
        (since, before), (now, row) = looks[0], looks[-1]
        if now <= since:
            return (None,) * width
        if row == before:
            return (0.0,) * width
        # What was reckoned may turn out to have been too much.
        return tuple(
            digits((count - was) / (now - since)) if count > was else 0.0
            for was, count in zip(before, row, strict=True)
        )
