"""
What active checks say of a node.

One good or bad check is an accident; ``rise`` good ones in a row turn a node
healthy, ``fall`` bad ones turn it unhealthy.  Before the first check a node is
starting: it is neither healthy nor down, and whoever wants it waits.  The first check
decides at once; but for ``start_period`` seconds from then on a bad one decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Health:
    """The state of one node's checks."""

    rise: int = 2
    fall: int = 3
    start_period: float = 0.0
    starting: bool = True
    healthy: bool = False
    streak: int = 0
    began: float | None = None

    @property
    def unchecked(self) -> bool:
        """Has no check told anything yet?"""
        return self.starting and self.began is None

    @property
    def down(self) -> bool:
        """Is it known not to answer?"""
        return not self.healthy and not self.starting

    def passed(self) -> bool:
        """A check was good.  Does that change what is known of the node?"""
        return self._count(good=True, needed=self.rise)

    def failed(self, now: float) -> bool:
        """A check was bad.  Does that change what is known of the node?"""
        self.began = now if self.began is None else self.began
        if self.starting and now - self.began < self.start_period:
            return False
        return self._count(good=False, needed=self.fall)

    def give_up(self) -> bool:
        """It will not start any more: the next bad check decides.  Was it starting?"""
        self.start_period = 0.0
        return self.starting

    def _count(self, good: bool, needed: int) -> bool:
        first, self.starting = self.starting, False
        if good == self.healthy and not first:
            self.streak = 0
            return False
        self.streak += 1
        if not first and self.streak < needed:
            return False
        self.healthy, self.streak = good, 0
        return True
