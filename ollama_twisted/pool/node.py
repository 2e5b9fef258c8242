"""One node: as configured, and as seen."""

from __future__ import annotations

import sys

from ollama_twisted.config.resolved import NodeConfig
from ollama_twisted.pool.breaker import Breaker, Circuit
from ollama_twisted.pool.health import Health
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.warmth import Holdings
from ollama_twisted.services import offered


class Node:
    """
    What is known of one node.  The pool owns it; others read.

    ``in_flight`` are those who hold a place on it, ``visits`` those who change its models
    and take none.  ``models`` is ``None`` until the node has told which it has.  ``turn`` and
    ``credit`` are where the strategies keep count.  ``share`` is the part of its whole
    share that it is given at present, and ``weight`` that part of its weight.
    """

    __slots__ = (
        "breaker",
        "config",
        "credit",
        "draining",
        "failed_requests",
        "health",
        "holdings",
        "in_flight",
        "last_check",
        "last_check_error",
        "limit",
        "models",
        "name",
        "offers",
        "share",
        "total_requests",
        "turn",
        "version",
        "visits",
        "weight",
    )

    def __init__(self, config: NodeConfig) -> None:
        self.name = config.name
        self.in_flight = 0
        self.visits = 0
        self.total_requests = 0
        self.failed_requests = 0
        self.draining = False
        self.share = 1.0
        self.breaker = Breaker()
        self._forget()
        self._apply(config)

    def configure(self, config: NodeConfig) -> None:
        """
        Take a new configuration.

        What has been seen of the node stays, unless its name now stands for a
        server elsewhere.
        """
        before = self.config
        if (config.addresses, config.kind) != (before.addresses, before.kind):
            self._forget()
        self._apply(config)

    def _forget(self) -> None:
        self.models: NodeModels | None = None
        self.holdings = Holdings()
        self.version: str | None = None
        self.last_check: float | None = None
        self.last_check_error = "not checked yet"
        self.health = Health()
        self.breaker.forget()

    def _apply(self, config: NodeConfig) -> None:
        self.config = config
        self.offers = offered(config.kind, self.version) - config.lacks
        self.limit = config.max_in_flight or sys.maxsize
        self.turn: float = 0
        self.credit = 0.0
        self.give(self.share)
        self.health.rise, self.health.fall = config.health.rise, config.health.fall
        self.health.start_period = config.health.start_period
        self.breaker.failures = config.breaker.failures
        self.breaker.cooldown = config.breaker.cooldown

    def give(self, share: float) -> None:
        """From now on it is given such a part of its whole share."""
        self.share = share
        self.weight = self.config.weight * share

    def checked(self, now: float, ok: bool, error: str, refused: bool, jitter: float) -> bool:
        """
        What a check found.  Does it change whether the node is healthy?

        One whose connection was ``refused`` ejects it, unless it is away already.
        """
        self.last_check, self.last_check_error = now, error
        changed = self.health.passed() if ok else self.health.failed(now)
        self.breaker.checked(ok, self.health.rise)
        if refused and self.health.healthy and self.breaker.circuit is Circuit.CLOSED:
            self.breaker.failed(self.breaker.admitted(now), now, unreachable=True, jitter=jitter)
        return changed

    def is_of(self, version: str) -> bool:
        """It has told its version.  Does that change what it can be asked for?"""
        before = self.offers
        self.version = version
        self.offers = offered(self.config.kind, version) - self.config.lacks
        return self.offers != before

    @property
    def serves(self) -> bool:
        """Is there nothing for which requests would be kept from it, but being full?"""
        closed = self.breaker.circuit is Circuit.CLOSED
        return self.config.enabled and not self.draining and self.health.healthy and closed

    def healthy(self, now: float) -> bool:
        """Do the checks and the breaker agree that it answers?"""
        return self.health.healthy and self.breaker.admits(now)

    @property
    def busy(self) -> int:
        """On how much it works, all told."""
        return self.in_flight + self.visits

    @property
    def drained(self) -> bool:
        """Is it draining, and done?"""
        return self.draining and not self.busy

    @property
    def full(self) -> bool:
        """Is it working on as much as it may?"""
        return self.in_flight >= self.limit

    def available(self, now: float) -> bool:
        """May it be given one more request?"""
        return not self.full and self.healthy(now)
