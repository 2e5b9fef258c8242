"""Several coroutines at once, awaited as one."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from ollama_twisted.gateway.task import Signal, Task


class Together:
    """
    Runs coroutines side by side.

    ``ended`` fires when the last of them has ended.  Cancelling it cancels them all;
    so does one that fails in a way that nobody foresaw, and then it fails as well.
    """

    def __init__(self, works: Iterable[Coroutine[Any, Any, None]]) -> None:
        self.ended: Signal[None] = Signal(self._stop)
        self._stopped = False
        works = list(works)
        self._left = len(works)
        self._tasks = [Task(self._one(work), self._failed) for work in works]
        for task in self._tasks:
            task.step()
        if not works:
            self.ended.fire(None)

    async def _one(self, work: Coroutine[Any, Any, None]) -> None:
        await work
        self._left -= 1
        if not self._left and not self._stopped:
            self.ended.fire(None)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) and self._stopped:
            return
        self._stop()
        assert failure.value is not None
        self.ended.fail(failure.value)

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            for task in self._tasks:
                task.cancel()
