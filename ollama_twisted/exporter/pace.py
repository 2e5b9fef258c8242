"""How many bytes a second went over a wire between two looks at it."""

from __future__ import annotations

from collections.abc import Mapping

Bytes = tuple[int | None, int | None]
Rates = tuple[float | None, float | None]

UNKNOWN: Rates = (None, None)


class Pace:
    """
    The pace of several wires, by name: bytes a second, sent and received.

    What was not measured is ``None``, and so is everything at the first look.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Bytes, Rates]] = {}

    def look(self, time: float, sums: Mapping[str, Bytes]) -> dict[str, Rates]:
        """The pace of each wire, now that these are the sums; those not named are forgotten."""
        known, self._known = self._known, {}
        for name, now in sums.items():
            before = known.get(name)
            if before is None:
                self._known[name] = (time, now, UNKNOWN)
            elif time > before[0]:
                seconds = time - before[0]
                rates = (_rate(before[1][0], now[0], seconds), _rate(before[1][1], now[1], seconds))
                self._known[name] = (time, now, rates)
            else:
                self._known[name] = before
        return {name: rates for name, (_, _, rates) in self._known.items()}


def _rate(before: int | None, now: int | None, seconds: float) -> float | None:
    if before is None or now is None:
        return None
    return round(max(0, now - before) / seconds, 1)
