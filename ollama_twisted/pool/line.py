"""Who waits for a place, and in which order they get one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum

from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease

#: Takes a place for whoever wants it, if there is one now.
TakePlace = Callable[[Want, frozenset[str]], Lease | None]
#: Is called with the place of one who has waited.
Granted = Callable[[Lease], None]


class Blocked(Enum):
    """Why there is no place now."""

    NO_NODE = "no node may serve this"
    STARTING = "a node that may serve this is starting"
    FULL = "every node that may is full"


class LineFull(Exception):
    """As many wait as may."""


class Waiter:
    """Somebody in the line, who is told once when there is a place."""

    __slots__ = ("arrival", "granted", "key", "want", "without")

    def __init__(self, arrival: int, want: Want, granted: Granted, without: frozenset[str]) -> None:
        self.arrival = arrival
        self.want = want
        self.granted = granted
        self.without = without
        self.key: Hashable = None


class Line:
    """
    First come, first served; but nobody waits behind one who wants other nodes.

    Those who want the same nodes stand in one queue, so that to serve a line of a
    thousand takes a look at a few.  ``nodes_for`` tells which nodes a request may
    have; when its answers change, ``regroup`` must be called.
    """

    def __init__(self, max_waiting: int, nodes_for: Callable[[Want], Hashable]) -> None:
        self.max_waiting = max_waiting
        self._nodes_for = nodes_for
        self._queues: dict[Hashable, OrderedDict[Waiter, None]] = {}
        self._arrivals = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def has_room(self) -> bool:
        """May one more wait?"""
        return self._length < self.max_waiting

    def join(self, want: Want, granted: Granted, without: frozenset[str]) -> Waiter:
        """
        Wait at the end.

        @raise LineFull: as many wait as may.
        """
        if not self.has_room:
            raise LineFull(f"{self._length} wait already")
        self._arrivals += 1
        waiter = Waiter(self._arrivals, want, granted, without)
        self._length += 1
        self._stand(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Wait no more.  One who has a place already has left."""
        queue = self._queues.get(waiter.key)
        if queue is None or waiter not in queue:
            return
        del queue[waiter]
        self._length -= 1
        if not queue:
            del self._queues[waiter.key]

    def regroup(self) -> None:
        """Stand anew, in the order of arrival, with those who want the same nodes now."""
        waiting = [waiter for queue in self._queues.values() for waiter in queue]
        self._queues = {}
        for waiter in sorted(waiting, key=_arrival):
            self._stand(waiter)

    def grant(self, take_place: TakePlace) -> None:
        """
        Give places to those who wait, as far as there are any.

        Whoever is granted may join, leave, end at once or change the nodes in here,
        and may free a place for one who was refused before: all are looked at again.
        """
        while self._grant_first(take_place):
            pass

    def _grant_first(self, take_place: TakePlace) -> bool:
        first = [next(iter(queue)) for queue in self._queues.values()]
        for waiter in sorted(first, key=_arrival):
            place = take_place(waiter.want, waiter.without)
            if place is not None:
                self.leave(waiter)
                try:
                    waiter.granted(place)
                except BaseException:
                    place.give_back()
                    raise
                return True
        return False

    def _stand(self, waiter: Waiter) -> None:
        waiter.key = (self._nodes_for(waiter.want), waiter.without)
        # An ordered dict: leaving must not cost a walk, nor finding the first.
        self._queues.setdefault(waiter.key, OrderedDict())[waiter] = None


def _arrival(waiter: Waiter) -> int:
    return waiter.arrival
