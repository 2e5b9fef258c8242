"""Another program of ours that runs for as long as the gateway does."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()

#: How long a child may take to end when it is told to.
GRACE = 5.0

_DATE = re.compile(r"^\d{4}-\d\d-\d\dT\S+ ")
#: Signals by which somebody means that a program should end.
_WISHES = frozenset({"SIGTERM", "SIGINT"})


class _Lines(ProcessProtocol):
    """What the child says goes to our log, under its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.ended: Deferred[tuple[str, bool]] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.errReceived(data)

    def errReceived(self, data: bytes) -> None:
        for line in data.decode("utf-8", "replace").splitlines():
            if text := _DATE.sub("", line):
                _log.info("{name}: {line}", name=self._name, line=text)

    def processEnded(self, reason: Failure) -> None:
        how: Any = reason.value
        if how.signal is None:
            self.ended.callback((f"with exit code {how.exitCode}", False))
        else:
            name = signal.Signals(how.signal).name
            self.ended.callback((f"by {name}", name in _WISHES))


class Child(Service):
    """
    A program of ours as a child.

    It ends when it is told to, or when its standard input does, so it never outlives
    us.  If it ends by itself that is logged, ``lost`` is called with the reason, and
    we go on without it.  It is started when ``ready`` returns.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        reactor: Any,
        lost: Callable[[str], None] = lambda why: None,
        ready: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._name = name
        self._command = ("-m", "twisted", "--log-level", "warn", "--log-format", "text", *command)
        self._reactor = reactor
        self._lost = lost
        self._ready = ready
        self._process: Any = None
        self._late: Any = None
        self._ended: Deferred[None] = Deferred()

    def startService(self) -> None:
        super().startService()
        if self._ready is None:
            self._spawn()
        else:
            Deferred.fromCoroutine(self._ready()).addCallback(lambda _: self._spawn())

    def _spawn(self) -> None:
        if not self.running:
            return
        lines = _Lines(self._name)
        lines.ended.addCallback(self._gone)
        with _terminal_unheard():
            self._process = self._reactor.spawnProcess(
                lines,
                sys.executable,
                [sys.executable, *self._command, "--stop-on-stdin-eof"],
                env=os.environ,
            )

    def stopService(self) -> Deferred[None] | None:
        """Fires when it has ended."""
        super().stopService()
        if self._process is None:
            return None
        self._signal("TERM")
        self._late = self._reactor.callLater(GRACE, self._kill)
        return self._ended

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):
            self._process.signalProcess(name)

    def _kill(self) -> None:
        self._signal("KILL")
        # What it had started itself may still hold its pipes.
        self._process.loseConnection()

    def _gone(self, how: tuple[str, bool]) -> None:
        (why, wished), self._process = how, None
        if self._late is not None and self._late.active():
            self._late.cancel()
        if not self.running:
            _log.info("{name} has ended", name=self._name)
        else:
            log = _log.warn if wished else _log.error
            log("{name} has ended by itself, {why}; we go on without it", name=self._name, why=why)
            self._lost(why)
        self._ended.callback(None)


@contextmanager
def _terminal_unheard() -> Iterator[None]:
    """
    Whoever is started in here does not hear a terminal's Ctrl-C, nor that it hangs up.

    A terminal tells all of its processes at once.  We let answers end first, and our
    children are needed for that.  A signal that comes to us meanwhile waits for the end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
