"""SIGHUP: the configuration is read again; unless it was the terminal that hung up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning


class HangUp(Service):
    """Calls ``reload`` for each SIGHUP, where there is such a signal."""

    def __init__(self, reload: Callable[[], None], reactor: Any) -> None:
        self._reload = reload
        self._reactor = reactor
        self._had_terminal = os.isatty(0)
        self._before: Any = None

    def startService(self) -> None:
        super().startService()
        if hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._told)

    def stopService(self) -> None:
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._before)
        super().stopService()

    def _told(self, *_: object) -> None:
        # Between two lines of anything: only the reactor's thread may act.
        self._reactor.callFromThread(self._act)

    def _act(self) -> None:
        if self._had_terminal and not os.isatty(0):
            # Whoever closes the window that it runs in does not mean to leave it running.
            with suppress(ReactorNotRunning):
                self._reactor.stop()
        else:
            self._reload()
