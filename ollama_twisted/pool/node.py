"""One node: as configured, and as seen."""

from __future__ import annotations

import sys

from ollama_twisted.config.resolved import NodeConfig
from ollama_twisted.pool.breaker import Breaker
from ollama_twisted.pool.health import Health
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.warmth import Holdings
from ollama_twisted.services import offered


class Node:
    """
    What is known of one node.  The pool owns it; others read.

    ``in_flight`` are those who hold a place on it, ``visits`` those who change its models
    and take none.  ``models`` is ``None`` until the node has told which it has.  ``turn`` and
    ``credit`` are where the strategies keep count.
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
        "total_requests",
        "turn",
        "version",
        "visits",
    )

    def __init__(self, config: NodeConfig) -> None:
        self.name = config.name
        self.in_flight = 0
        self.visits = 0
        self.total_requests = 0
        self.failed_requests = 0
        self.draining = False
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
        self.turn = 0
        self.credit = 0.0
        self.health.rise, self.health.fall = config.health.rise, config.health.fall
        self.health.start_period = config.health.start_period
        self.breaker.failures = config.breaker.failures
        self.breaker.cooldown = config.breaker.cooldown

    def checked(self, now: float, ok: bool, error: str) -> bool:
        """What a check found.  Does it change whether the node is healthy?"""
        self.last_check, self.last_check_error = now, error
        self.breaker.checked(ok, self.health.rise)
        return self.health.passed() if ok else self.health.failed(now)

    def is_of(self, version: str) -> bool:
        """It has told its version.  Does that change what it can be asked for?"""
        before = self.offers
        self.version = version
        self.offers = offered(self.config.kind, version) - self.config.lacks
        return self.offers != before

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
