"""SIGHUP, as far as it can be had without a process of its own."""

from __future__ import annotations

import os
import pty
import signal
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.hangup import HangUp


class Reactor:
    """A reactor that does at once what it is called for, and stops once."""

    def __init__(self) -> None:
        self.stopped = False

    def callFromThread(self, call: Callable[[], Any]) -> None:
        call()

    def stop(self) -> None:
        if self.stopped:
            raise ReactorNotRunning()
        self.stopped = True


class HangUpTests(SynchronousTestCase):
    """One gateway's handler of the signal."""

    def setUp(self) -> None:
        self.reactor, self.reloads = Reactor(), 0

    def started(self) -> HangUp:
        def reload() -> None:
            self.reloads += 1

        service = HangUp(reload, self.reactor)
        service.startService()
        self.addCleanup(lambda: service.running and service.stopService())
        return service

    def test_reload(self) -> None:
        """Each signal is a reload, until the end; then it is what it was."""
        before = signal.getsignal(signal.SIGHUP)
        service = self.started()
        for _ in range(2):
            signal.raise_signal(signal.SIGHUP)
        self.assertEqual((self.reloads, self.reactor.stopped), (2, False))
        service.stopService()
        self.assertEqual(signal.getsignal(signal.SIGHUP), before)

    def test_terminal_closed(self) -> None:
        """When the terminal hangs up, that is the end; it may be said twice."""
        master, slave = pty.openpty()
        kept = os.dup(0)
        os.dup2(slave, 0)
        self.addCleanup(os.close, slave)
        self.addCleanup(os.close, kept)
        self.addCleanup(os.dup2, kept, 0)
        self.started()
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual((self.reloads, self.reactor.stopped), (1, False))
        os.close(master)
        for _ in range(2):
            signal.raise_signal(signal.SIGHUP)
        self.assertEqual((self.reloads, self.reactor.stopped), (1, True))
