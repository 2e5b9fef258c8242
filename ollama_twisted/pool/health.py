"""
What active checks say of a node.

One good or bad check is an accident; ``rise`` good ones in a row turn a node
healthy, ``fall`` bad ones turn it unhealthy.  Before the first check a node counts
as healthy, and that check decides at once: nobody should wait for a round of
checks to use a node that has just been configured.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Health:
    """The state of one node's checks."""

    rise: int = 2
    fall: int = 3
    checked: bool = False
    healthy: bool = True
    streak: int = 0

    def passed(self) -> bool:
        """A check was good.  Does that change whether the node is healthy?"""
        return self._count(good=True, needed=self.rise)

    def failed(self) -> bool:
        """A check was bad.  Does that change whether the node is healthy?"""
        return self._count(good=False, needed=self.fall)

    def _count(self, good: bool, needed: int) -> bool:
        first, self.checked = not self.checked, True
        if good == self.healthy:
            self.streak = 0
            return False
        self.streak += 1
        if not first and self.streak < needed:
            return False
        self.healthy, self.streak = good, 0
        return True
