"""How long an exchange may wait for what it waits for at present."""

from __future__ import annotations

from enum import Enum
from math import inf


class Phase(Enum):
    """What an exchange waits for; each has a time limit of its own."""

    PLACE = "place"
    CONNECTION = "connection"
    FIRST_BYTE = "first byte"
    BODY = "body"


_PLACE = Phase.PLACE


class Patience:
    """
    The present wait of one exchange, and when it has lasted too long.

    Progress is read off a count, about once a second, so that a chunk costs no
    look at the clock.
    """

    __slots__ = ("_seen", "_since", "limit", "phase")

    def __init__(self) -> None:
        self.phase = _PLACE
        self.limit = inf
        self._since = inf
        self._seen: object = None

    def wait(self, phase: Phase, limit: float, now: float) -> None:
        """From now on this is waited for, and no longer than ``limit`` seconds."""
        self.phase = phase
        self.limit = limit
        self._since = now

    def progressed(self, seen: object, now: float) -> bool:
        """Has anything changed since the last look?  Then the wait begins anew."""
        if seen == self._seen:
            return False
        self._seen = seen
        self._since = now
        return True

    def spent(self, limit: float, now: float) -> bool:
        """Has the wait lasted longer than ``limit``?  That is said once."""
        if now - self._since <= limit:
            return False
        self._since = inf
        return True
