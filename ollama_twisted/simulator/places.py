"""
How many requests a model works on at a time, and who waits.

Ollama has a number of places for each loaded model and one queue for the node.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredSemaphore


class QueueFull(Exception):
    """There is no place, nor room to wait for one."""


class Places:
    """The places of one node.  No limit at all if a model has none."""

    def __init__(self, each: int, queue: int) -> None:
        self._each = each
        self._queue = queue
        self._models: dict[str, DeferredSemaphore] = {}

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return sum(len(each.waiting) for each in self._models.values())

    @asynccontextmanager
    async def one(self, model: str) -> AsyncIterator[None]:
        """Hold a place, first come first served.  Cancelling gives up the wait."""
        if not self._each:
            yield
            return
        places = self._models.setdefault(model, DeferredSemaphore(self._each))
        if not places.tokens and self.waiting >= self._queue:
            raise QueueFull()
        await places.acquire()
        try:
            yield
        finally:
            places.release()
