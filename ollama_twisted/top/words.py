"""Numbers, times and names as a terminal shows them; what is not known is a dash."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeGuard

UNKNOWN = "-"

_BLOCKS = "▁▂▃▄▅▆▇█"


def plain(value: Any) -> str:
    """
    A text from outside without what a terminal would obey.

    Names of models are made by whoever made the model.
    """
    return "".join(each if each.isprintable() else "?" for each in str(value))


def known(value: Any) -> TypeGuard[float]:
    """Is this a number?"""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any) -> str:
    """Three digits that count: 0.42, 7, 38.1, 12.5k."""
    if not known(value):
        return UNKNOWN
    for limit, scale, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return _three(value / scale) + letter
    return _three(value)


def _three(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(value: Any) -> str:
    """Bytes in the units that Ollama prints: 815 MB, 4.7 GB."""
    if not known(value):
        return UNKNOWN
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= limit:
            return f"{_three(value / limit)} {unit}"
    return f"{value:.0f} B"


def duration(value: Any) -> str:
    """Seconds: 850 ms, 3.2 s, 4 min, 3 h."""
    if not known(value):
        return UNKNOWN
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    for limit, scale, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if value < limit:
            amount = value / scale
            return f"{_three(round(amount, 1)) if amount < 10 else f'{amount:.0f}'} {unit}"
    return f"{value / 86400:.0f} d"


def clock(text: Any) -> str:
    """The time of day, here, of a moment in ISO form."""
    try:
        return f"{datetime.fromisoformat(str(text).replace('Z', '+00:00')).astimezone():%H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return UNKNOWN


def bars(values: Iterable[Any]) -> str:
    """A line of small bars; a gap where nothing is known."""
    numbers = [float(each) if known(each) else None for each in values]
    most = max((each for each in numbers if each is not None), default=0.0) or 1.0
    return "".join(
        " " if each is None else _BLOCKS[round(max(each, 0.0) / most * (len(_BLOCKS) - 1))]
        for each in numbers
    )
