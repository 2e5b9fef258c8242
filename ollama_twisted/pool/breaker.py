"""
When to stop trusting a node, and when to try it again.

A breaker is *closed* while the node answers, *open* while we leave it alone, and
*half open* while one trial request decides between the two.  It keeps no clock:
callers pass ``now`` in seconds, so a test can live through an hour in one line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import inf

#: However often a node fails, it is tried again after this many seconds.
LONGEST = 300.0
#: A node that has not failed for so long since an ejection has lived it down.
LIVED_DOWN = 60.0
#: For so long a failure says that the node fails, unless it answers meanwhile.
RECENT = 10.0


class Circuit(Enum):
    """The three states."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


# By names of their own: a member looked up in its class costs several times as much.
_CLOSED, _OPEN, _HALF_OPEN = Circuit


@dataclass(slots=True)
class Breaker:
    """
    The trust placed in one node.

    Requests are numbered as they are admitted, and report under their number: what
    was sent before an ejection and ends after it says nothing of the node as it is
    now, and only the trial itself can give the trial back.
    """

    failures: int = 5
    cooldown: float = 5.0
    circuit: Circuit = _CLOSED
    in_a_row: int = 0
    ejections: int = 0
    retry_at: float = 0.0
    unreachable: bool = False
    good_checks: int = 0
    failed_at: float = -inf
    _admitted: int = field(default=0, init=False, repr=False)
    _outdated: int = field(default=0, init=False, repr=False)
    _trial: int = field(default=0, init=False, repr=False)

    def admits(self, now: float) -> bool:
        """Would a request be let through?"""
        if self.circuit is _OPEN:
            return now >= self.retry_at
        return self.circuit is _CLOSED

    def ejected(self, now: float) -> bool:
        """Is the node left alone at this moment?"""
        return self.circuit is _OPEN and now < self.retry_at

    def fails(self, now: float) -> bool:
        """Has it failed lately, and not answered since?"""
        return self.in_a_row > 0 and now - self.failed_at < RECENT

    def admitted(self, now: float) -> int:
        """
        A request is let through; its number.

        Whoever lets it through owes an outcome: succeeded, failed or abandoned.
        A trial that never reported would shut the node for good.
        """
        self._admitted += 1
        if self.circuit is _OPEN and now >= self.retry_at:
            self.circuit = _HALF_OPEN
            self._trial = self._admitted
        return self._admitted

    def answering(self, request: int) -> bool:
        """
        The node has begun a good answer, which may last; does that end its trial?

        The outcome is still owed.
        """
        if self.circuit is _HALF_OPEN and request == self._trial:
            self.close()
            return True
        return False

    def succeeded(self, request: int) -> None:
        """The node gave an answer."""
        if request > self._outdated:
            self.close()

    def failed(
        self, request: int, now: float, unreachable: bool = False, jitter: float = 1.0
    ) -> None:
        """
        The node gave none, or one that speaks against it.

        One that is ``unreachable`` is ejected at once: the next request would be
        lost time.  Each ejection lasts longer than the one before, until the node
        has lived them down; ``jitter`` keeps several gateways from coming back
        together.
        """
        if request <= self._outdated:
            return
        self.in_a_row += 1
        self.failed_at = now
        if self.circuit is _CLOSED:
            if not unreachable and self.in_a_row < self.failures:
                return
            if now - self.retry_at > LIVED_DOWN:
                self.ejections = 0
        if self.circuit is _OPEN:
            # It was asked for want of a better one, and that is no new ejection.
            self.unreachable = self.unreachable and unreachable
        else:
            self.ejections += 1
            self.unreachable = unreachable
        self.circuit = _OPEN
        self.good_checks = 0
        self.retry_at = now + min(self.cooldown * self.ejections * jitter, LONGEST)
        self._outdated = self._admitted

    def abandoned(self, request: int) -> None:
        """The request ended without saying anything of the node: a trial may be had again."""
        if self.circuit is _HALF_OPEN and request == self._trial:
            self.circuit = _OPEN

    def checked(self, good: bool, needed: int) -> None:
        """
        A check was good or bad; ``needed`` good ones in a row are believed.

        They end an ejection for not being reachable, which checks can judge; one
        for bad answers runs its time, because checks never saw those.
        """
        self.good_checks = self.good_checks + 1 if good else 0
        if self.unreachable and self.good_checks >= needed:
            self.close()

    def close(self) -> None:
        """Trust the node again."""
        self.circuit = _CLOSED
        self.in_a_row = 0
        self.unreachable = False

    def forget(self) -> None:
        """The node is another one now: nothing that was sent before counts."""
        self.close()
        self.ejections = 0
        self._outdated = self._admitted
