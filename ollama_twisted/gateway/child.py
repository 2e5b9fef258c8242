"""Another program of ours that runs for as long as the gateway does."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


class _Lines(ProcessProtocol):
    """What the child says goes to our log, under its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.stopping = False

    def outReceived(self, data: bytes) -> None:
        self.errReceived(data)

    def errReceived(self, data: bytes) -> None:
        for line in data.decode("utf-8", "replace").splitlines():
            _log.info("{name}: {line}", name=self._name, line=line)

    def processEnded(self, reason: Failure) -> None:
        if not self.stopping:
            _log.error("{name} ended: {why}", name=self._name, why=reason.getErrorMessage())


class Child(Service):
    """
    A program of ours as a child.

    It ends when its standard input does, so it never outlives us.  If it ends by
    itself that is logged, and we go on without it.
    """

    def __init__(self, name: str, command: Sequence[str], reactor: Any) -> None:
        self._lines = _Lines(name)
        self._command = (sys.executable, "-m", "twisted", "--log-level", "warn", *command)
        self._reactor = reactor
        self._process: Any = None

    def startService(self) -> None:
        super().startService()
        self._process = self._reactor.spawnProcess(
            self._lines,
            sys.executable,
            [*self._command, "--stop-on-stdin-eof"],
            env=os.environ,
        )

    def stopService(self) -> None:
        self._lines.stopping = True
        if self._process is not None:
            with suppress(ProcessExitedAlready):
                self._process.signalProcess("TERM")
        super().stopService()
