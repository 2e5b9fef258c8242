"""One place on one node, taken once and given back once."""

from __future__ import annotations

from enum import Enum
from types import TracebackType
from typing import Protocol

from ollama_twisted.pool.models import ModelName
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.retries import RetryBudget


class Outcome(Enum):
    """What a request says of the node that served it."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    GATEWAY_ERROR = "gateway error"
    BUSY = "busy"
    ABANDONED = "abandoned"


_ABANDONED = Outcome.ABANDONED


class Lessor(Protocol):
    """Whoever gave the lease, and takes it back."""

    def answering(self, lease: Lease, now: float) -> None:
        """The node has begun a good answer."""

    def ended(self, lease: Lease, outcome: Outcome, now: float) -> None:
        """The place is free again."""


class _Visits:
    """The lessor of those who take no place."""

    def answering(self, lease: Lease, now: float) -> None:
        pass

    def ended(self, lease: Lease, outcome: Outcome, now: float) -> None:
        lease.node.visits -= 1


_VISITS = _Visits()


class Lease:
    """
    A place on ``node``, held while the ``with`` block runs.

    A block that ends without naming an outcome has abandoned its request, which is
    never the node's fault.  ``request`` is the number the node's breaker gave it.
    ``model`` is what the node is watched for meanwhile, and ``loads`` whether it has
    to load it first, as far as anybody knows.  ``budget`` is what a request is asked
    again at the expense of, until an answer begins.
    """

    __slots__ = (
        "_held",
        "_lessor",
        "_now",
        "_outcome",
        "budget",
        "loads",
        "model",
        "node",
        "request",
    )

    def __init__(self, node: Node, request: int, lessor: Lessor) -> None:
        self.node = node
        self.request = request
        self.model: ModelName | None = None
        self.loads = False
        self.budget: RetryBudget | None = None
        self._lessor = lessor
        self._now = 0.0
        self._outcome = _ABANDONED
        self._held = True

    def answering(self, now: float) -> None:
        """
        The node has begun a good answer.

        A node on trial is trusted again from here on: the rest of an answer may take
        minutes, and others need not wait for it.
        """
        if self.budget is not None:
            self.budget.ended()
            self.budget = None
        self._lessor.answering(self, now)

    def outcome(self, outcome: Outcome, now: float) -> None:
        """What became of the request, as was seen at ``now``; the last word counts."""
        self._outcome = outcome
        self._now = now

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # As below: one call less for every request.
        if self._held:
            self._held = False
            if self.budget is not None:
                self.budget.ended()
            self._lessor.ended(self, self._outcome, self._now)

    def give_back(self) -> None:
        """End the lease; again does nothing."""
        if self._held:
            self._held = False
            if self.budget is not None:
                self.budget.ended()
            self._lessor.ended(self, self._outcome, self._now)


def visit(node: Node) -> Lease:
    """
    A lease that takes no place: for whoever changes what is on the node.

    A pull of hours would keep those out who ask the models, and what becomes of it
    says little of how well the node serves them.  But the node works on it, so it
    is counted by itself.
    """
    node.visits += 1
    return Lease(node, 0, _VISITS)
