"""
What time an answer says it is, and how long it says it took.

A frozen node says the same in every answer, and counts its work in tokens
instead of seconds.  So two frozen nodes with the same seed answer the same
bytes, and a test can tell whether something between them changed any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

_FROZEN_AT = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp()
_FOREVER = 292 * 365 * 86400.0
_TOKEN_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Stamps:
    """The wall clock as it is told to clients."""

    wall: Callable[[], float]
    frozen: bool = False

    def unix(self) -> float:
        """Seconds since the epoch, as far as clients are told."""
        return _FROZEN_AT if self.frozen else self.wall()

    def now(self) -> str:
        """The time as Go's ``time.RFC3339Nano`` writes it."""
        return rfc3339(self.unix())

    def later(self, seconds: float) -> str:
        """The time in so many seconds; what never comes is 292 years away, as in Go."""
        return rfc3339(self.unix() + min(seconds, _FOREVER))

    def lasting(self, seconds: float, tokens: int) -> int:
        """Nanoseconds to report for work on so many tokens that took so many seconds."""
        return tokens * _TOKEN_NS if self.frozen else max(1, round(seconds * 1e9))


def rfc3339(unix: float) -> str:
    """A moment in UTC with a ``Z``, as Go writes it."""
    return datetime.fromtimestamp(unix, timezone.utc).isoformat().replace("+00:00", "Z")


def unix(stamp: str) -> float:
    """The moment that such a text names."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
