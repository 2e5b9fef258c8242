"""
How many requests may be asked again at a time, all of them together.

What one node drops is moved to the others, however much it is: that is what they are
there for, and nothing more is asked of them than before.  When several fail, each
request that is asked again is work done twice, by nodes that can do less than ever.
So those are counted, and never more than a part of all requests in flight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.pool.node import Node


class RetriesSpent(Exception):
    """As many requests are being asked again as may."""


@dataclass(slots=True)
class RetryBudget:
    """
    The requests that are being asked again: from the choice of another node until it
    begins to answer, or is given up.
    """

    percent: float = 20.0
    least: int = 3
    under_way: int = 0

    def configure(self, limits: GatewayLimits) -> None:
        """From now on these are the limits; what is under way goes on."""
        self.percent, self.least = limits.retry_percent, limits.min_retries

    def most(self, in_flight: int) -> int:
        """How many may be under way at a time, of so many requests in flight."""
        return max(self.least, int(in_flight * self.percent / 100))

    def begin(self, in_flight: int) -> None:
        """
        Ask one again; whoever does owes an ``ended``.

        @raise RetriesSpent: as many are under way as may.
        """
        if self.under_way >= self.most(in_flight):
            raise RetriesSpent(f"{self.under_way} requests are being asked again")
        self.under_way += 1

    def ended(self) -> None:
        """One is no longer under way."""
        self.under_way -= 1


def counts(dropped_by: str, nodes: Iterable[Node], now: float) -> bool:
    """Does a request count that this node dropped: does another of its nodes fail as well?"""
    return any(node.breaker.fails(now) for node in nodes if node.name != dropped_by)
