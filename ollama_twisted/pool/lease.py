"""One place on one node, taken once and given back once."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from types import TracebackType

from ollama_twisted.pool.node import Node


class Outcome(Enum):
    """What a request says of the node that served it."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    GATEWAY_ERROR = "gateway error"
    BUSY = "busy"
    ABANDONED = "abandoned"


class Lease:
    """
    A place on ``node``, held while the ``with`` block runs.

    A block that ends without naming an outcome has abandoned its request, which is
    never the node's fault.
    """

    __slots__ = ("_ended", "_held", "_now", "_outcome", "node")

    def __init__(self, node: Node, ended: Callable[[Node, Outcome, float], None]) -> None:
        self.node = node
        self._ended = ended
        self._now = 0.0
        self._outcome = Outcome.ABANDONED
        self._held = True

    def outcome(self, outcome: Outcome, now: float) -> None:
        """What became of the request, as was seen at ``now``."""
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
        self.give_back()

    def give_back(self) -> None:
        """End the lease; again does nothing."""
        if self._held:
            self._held = False
            self._ended(self.node, self._outcome, self._now)
