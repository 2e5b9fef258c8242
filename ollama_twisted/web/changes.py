"""What has changed among things that are shown by their ids, and when that was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TypeVar

_T = TypeVar("_T")

#: The form of the documents that are told; it grows, and is numbered anew if it must break.
SCHEMA = 1


def changes(before: Mapping[str, _T], now: Mapping[str, _T]) -> tuple[list[_T], list[str]]:
    """Those that are new or differ, whole, and the ids of those that are gone."""
    changed = [
        each
        for name, each in now.items()
        # Of many things few change, and what is the same object need not be compared.
        if (known := before.get(name)) is not each and known != each
    ]
    return changed, [name for name in before if name not in now]


def iso(time: float) -> str | None:
    """A moment of Unix time as the documents have it; ``None`` if it was never."""
    if not time:
        return None
    text = datetime.fromtimestamp(time, timezone.utc).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")
