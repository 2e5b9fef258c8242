"""The process that has started us, as far as we can tell whether it still lives."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.process import ProcessReader

_TIME_FOR_A_SIGNAL = 0.2


class ParentWatch(Service):
    """Stops the reactor when standard input ends, as it does when the parent process dies."""

    def __init__(self, reactor: Any, descriptor: int = 0) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        self._reader: ProcessReader | None = None

    def startService(self) -> None:
        """Begin to watch."""
        super().startService()
        self._reader = ProcessReader(self._reactor, self, "stdin", self._descriptor)

    def childDataReceived(self, name: str, data: bytes) -> None:
        """What is said on standard input does not matter."""

    def childConnectionLost(self, name: str, reason: object) -> None:
        """It has ended.  A parent that ends may also tell us so: leave the signal time to come."""
        self._reactor.callLater(_TIME_FOR_A_SIGNAL, self._stop)

    def _stop(self) -> None:
        if self.running:
            self._reactor.stop()
