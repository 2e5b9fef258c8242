"""A place on a node for one exchange: when its turn in the line comes, or after one has failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from ollama_twisted.gateway.failures import AttemptFailed, Refused
from ollama_twisted.gateway.patience import Patience
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease
from ollama_twisted.pool.line import Blocked, LineFull
from ollama_twisted.pool.retries import RetriesSpent
from ollama_twisted.record import Record

if TYPE_CHECKING:
    from ollama_twisted.gateway.core import Gateway


class Turn:
    """
    The wait of one exchange for its first place.

    Cancelling ``taken`` leaves the line.
    """

    __slots__ = ("_gateway", "_granted", "_want")

    def __init__(self, gateway: Gateway, want: Want) -> None:
        self._gateway = gateway
        self._want = want
        self._granted: Deferred[Lease] = Deferred()

    async def taken(self, record: Record) -> Lease:
        """
        The place, once there is one; how long that took is recorded.

        @raise Refused: no node may serve the request, or the line is full, or the
            wait took too long.
        """
        began = self._gateway.seconds()
        try:
            return await self._place(began)
        finally:
            record.waited = self._gateway.seconds() - began

    async def _place(self, now: float) -> Lease:
        pool = self._gateway.pool
        blocked = pool.blocked(self._want, now)
        if blocked is Blocked.NO_NODE:
            raise self._gateway.nobody(self._want)
        try:
            waiter = pool.wait(self._want, now, self._granted.callback)
        except LineFull:
            if blocked is Blocked.STARTING:
                raise self._gateway.nobody(self._want) from None
            message = "every node is busy, and the line of those who wait is full"
            raise Refused(503, message, "line_full") from None
        try:
            return await self._granted
        except BaseException:
            pool.leave(waiter)
            raise

    def sweep(self, now: float, patience: Patience) -> None:
        """Told about once a second; ends a wait that is too long, or in vain."""
        blocked = self._gateway.pool.blocked(self._want, now)
        spent = patience.spent(patience.limit, now)
        if blocked is Blocked.NO_NODE or (spent and blocked is Blocked.STARTING):
            self._granted.errback(self._gateway.nobody(self._want))
        elif spent:
            message = f"no node was free within {patience.limit:.0f} s"
            self._granted.errback(Refused(503, message, "line_timeout"))


def another(
    gateway: Gateway, want: Want, tried: Mapping[str, AttemptFailed], record: Record
) -> Lease | None:
    """
    A place on a node that was not asked yet, if there is one at once and it may be asked.

    The last one that was tried is then recorded as given up.
    """
    if len(tried) >= gateway.limits.attempts:
        return None
    name, failed = list(tried.items())[-1]
    dropped_by = name if failed.sent else ""
    try:
        lease = gateway.pool.lease(want, gateway.seconds(), frozenset(tried), dropped_by)
    except RetriesSpent:
        record.not_retried = (name, failed.reason)
        return None
    if lease is not None:
        record.retries = (*record.retries, (name, failed.reason))
    return lease
