"""Who waits for a place, in which order, until when."""

from __future__ import annotations

from collections.abc import Callable

from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease


class LineFull(Exception):
    """As many wait as may."""


class Waiter:
    """Somebody in the line, who is told once when there is a place."""

    __slots__ = ("granted", "want", "without")

    def __init__(
        self, want: Want, granted: Callable[[Lease], None], without: frozenset[str]
    ) -> None:
        self.want = want
        self.granted = granted
        self.without = without


class Line:
    """First come, first served; but nobody waits behind one who wants other nodes."""

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        # In order of arrival; a dict, because leaving must not cost a walk.
        self._waiting: dict[Waiter, None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, want: Want, granted: Callable[[Lease], None], without: frozenset[str]) -> Waiter:
        """
        Wait at the end.

        @raise LineFull: as many wait as may.
        """
        if len(self._waiting) >= self.max_waiting:
            raise LineFull(f"{self.max_waiting} wait already")
        waiter = Waiter(want, granted, without)
        self._waiting[waiter] = None
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Wait no more.  One who has a place already has left."""
        self._waiting.pop(waiter, None)

    def grant(self, lease: Callable[[Want, frozenset[str]], Lease | None]) -> None:
        """
        Give places to those who wait, as far as ``lease`` has any.

        A request that is granted may end in here at once, and free its place for
        one who was refused before: the walk is repeated while it gives places.
        """
        while self._grant_once(lease):
            pass

    def _grant_once(self, lease: Callable[[Want, frozenset[str]], Lease | None]) -> bool:
        granted = False
        refused: set[tuple[Want, frozenset[str]]] = set()
        for waiter in tuple(self._waiting):
            key = (waiter.want, waiter.without)
            if waiter not in self._waiting or key in refused:
                continue
            place = lease(*key)
            if place is None:
                refused.add(key)
            else:
                del self._waiting[waiter]
                granted = True
                waiter.granted(place)
        return granted
