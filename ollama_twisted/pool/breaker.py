"""
When to stop trusting a node, and when to try it again.

A breaker is *closed* while the node answers, *open* while we leave it alone, and
*half open* while one trial request decides between the two.  It keeps no clock:
callers pass ``now`` in seconds, so a test can live through an hour in one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

#: However often a node fails, it is tried again after this many seconds.
LONGEST = 300.0


class Circuit(Enum):
    """The three states."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


@dataclass(slots=True)
class Breaker:
    """The trust placed in one node."""

    failures: int = 5
    cooldown: float = 5.0
    circuit: Circuit = Circuit.CLOSED
    in_a_row: int = 0
    ejections: int = 0
    retry_at: float = 0.0
    unreachable: bool = False

    def admits(self, now: float) -> bool:
        """Would a request be let through?"""
        if self.circuit is Circuit.OPEN:
            return now >= self.retry_at
        return self.circuit is Circuit.CLOSED

    def ejected(self, now: float) -> bool:
        """Is the node left alone at this moment?"""
        return self.circuit is Circuit.OPEN and now < self.retry_at

    def admitted(self, now: float) -> None:
        """
        A request is let through.

        Whoever lets it through owes an outcome: succeeded, failed or abandoned.
        A trial that never reported would shut the node for good.
        """
        if self.circuit is Circuit.OPEN and now >= self.retry_at:
            self.circuit = Circuit.HALF_OPEN

    def succeeded(self) -> None:
        """The node gave an answer."""
        self.close()

    def failed(self, now: float, unreachable: bool = False, jitter: float = 1.0) -> None:
        """
        The node gave none, or one that speaks against it.

        One that is ``unreachable`` is ejected at once: the next request would be
        lost time.  Each ejection in a row lasts longer; ``jitter`` keeps several
        gateways from coming back together.
        """
        self.in_a_row += 1
        trial = self.circuit is Circuit.HALF_OPEN
        if not (trial or unreachable or self.in_a_row >= self.failures):
            return
        if self.circuit is not Circuit.OPEN:
            self.ejections += 1
        self.circuit = Circuit.OPEN
        self.unreachable = unreachable
        self.retry_at = now + min(self.cooldown * self.ejections * jitter, LONGEST)

    def abandoned(self) -> None:
        """The request ended without saying anything of the node: a trial may be had again."""
        if self.circuit is Circuit.HALF_OPEN:
            self.circuit = Circuit.OPEN

    def checked_well(self) -> None:
        """
        Checks have found the node well since it was ejected.

        That ends an ejection for not being reachable, which checks can judge; one
        for bad answers runs its time, because checks never saw those.
        """
        if self.circuit is Circuit.OPEN and self.unreachable:
            self.close()

    def close(self) -> None:
        """Trust the node again."""
        self.circuit = Circuit.CLOSED
        self.in_a_row = 0
        self.ejections = 0
        self.unreachable = False
