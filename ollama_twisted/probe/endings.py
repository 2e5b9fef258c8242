"""
The last words of sockets, heard from an ``ss -E`` that is kept running.

It runs under a pty, as it would otherwise hold its lines back.  When it falls
behind, the kernel drops what it did not take and it ends; it is then started
again, a little later each time it fails soon.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from ollama_twisted.probe import ss
from ollama_twisted.probe.command import Finished
from ollama_twisted.probe.connection import Row
from ollama_twisted.probe.run import CannotStart, Fence, Runner
from ollama_twisted.probe.snapshot import Reason

NAME = "ss_events"

FIRST_WAIT = 1.0
LONGEST_WAIT = 300.0
STEADY = 30.0  # having run so long, it starts again at once

LONGEST_LINE = 64 * 2**10

_NETLINK = Path("/proc/self/net/netlink")
_SOCK_DIAG = "4"
_PATIENCE = 1.0


class Endings:
    """
    Tells ``ended`` of each socket that was destroyed.

    ``losses`` grows whenever endings may have been missed; while ``listening``
    is true none are.  ``failed`` is told why the child ended.
    """

    def __init__(
        self,
        runner: Runner,
        ports: Sequence[int],
        ended: Callable[[Row], None],
        failed: Callable[[Finished], None],
    ) -> None:
        self.listening = False
        self.losses = 0
        self._runner = runner
        self._reactor = runner.reactor
        self._command = ss.events_command(ports)
        self._ended = ended
        self._failed = failed
        self._wait = FIRST_WAIT
        self._again: Any = None
        self._child: _Events | None = None
        self._stopped = False

    async def start(self) -> None:
        """Begin; returns when it listens, or when it is clear that it will not soon."""
        self._again = None
        if self._stopped:
            return
        child = _Events(self._reactor, self._ended, self._over)
        try:
            self._runner.start(NAME, self._command, child, pty=True)
        except CannotStart as error:
            self._over(Finished(fault=error.reason, detail=error.detail))
            return
        self._child = child
        began = self._reactor.seconds()
        while not child.gone.called and self._reactor.seconds() < began + _PATIENCE:
            if _subscribed(child.pid):
                break
            await deferLater(self._reactor, 0.01)
        if not child.gone.called:
            self.listening = True

    def stop(self) -> None:
        """Do not start again; the runner ends the child."""
        self._stopped = True
        self.listening = False
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _over(self, finished: Finished) -> None:
        self.listening = False
        self.losses += 1
        self._child = None
        if self._stopped:
            return
        self._failed(finished)
        if finished.duration >= STEADY:
            self._wait = FIRST_WAIT
        self._again = self._reactor.callLater(self._wait, self._start_again)
        self._wait = min(LONGEST_WAIT, 2 * self._wait)

    def _start_again(self) -> None:
        Deferred.fromCoroutine(self.start())


class _Events(Fence):
    """The child: its lines are endings, and whatever else they say is its last complaint."""

    def __init__(
        self, reactor: Any, ended: Callable[[Row], None], over: Callable[[Finished], None]
    ) -> None:
        super().__init__(reactor)
        self._told = ended
        self._over = over
        self._rest = b""
        self._complaint = ""
        self._began = 0.0

    @property
    def pid(self) -> int | None:
        """The child's number, which is also its name among the kernel's listeners."""
        return self._pid

    def connectionMade(self) -> None:
        super().connectionMade()
        self._began = self.reactor.seconds()

    def outReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode("ascii", "replace").rstrip("\r")
            row = ss.read_line(text)
            if row is not None:
                self._told(row)
            elif text.strip():
                self._complaint = text.strip()[:200]
        if len(self._rest) > LONGEST_LINE:
            self._rest = b""
            self._complaint = "a line without an end"
            self.end(at_once=True)

    def processEnded(self, reason: Failure) -> None:
        value: Any = reason.value
        code = -1 if value.exitCode is None else value.exitCode
        overflow = "buffer space" in self._complaint or "without an end" in self._complaint
        super().processEnded(reason)
        self._over(
            Finished(
                exit_code=code,
                duration=self.reactor.seconds() - self._began,
                fault=Reason.OVERFLOW if overflow else Reason.EXIT,
                detail=f"ss -E ended with {code}: {self._complaint or 'no word'}",
            )
        )


def _subscribed(pid: int | None) -> bool:
    """Whether a process listens to the kernel's socket news already."""
    with suppress(OSError):
        for line in _NETLINK.read_text().splitlines():
            fields = line.split()
            if len(fields) > 3 and fields[1:3] == [_SOCK_DIAG, str(pid)]:
                return int(fields[3], 16) != 0
    return False
