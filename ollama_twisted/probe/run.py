"""
One fenced child at a time: started with a fixed environment, listened to for so
long and so much, then ended with everything it started, and reaped.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ollama_twisted.probe.command import Finished
from ollama_twisted.probe.snapshot import Reason

DEADLINE = 5.0  # then TERM
GRACE = 1.0  # then KILL, to the whole group
LINGER = 0.5  # for a pipe that somebody holds open after the child has gone
LIMIT = 16 * 2**20
WIDE = 2**20
F_SETPIPE_SZ = 1031  # fcntl has its name only from Python 3.10.1 on, and only on Linux
ERR_LIMIT = 64 * 2**10

if sys.platform != "win32":
    import fcntl

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/usr/bin:/bin"
_WINDOWS_NEEDS = ("SystemRoot", "SystemDrive", "PATH", "PATHEXT", "PSModulePath", "TEMP", "TMP")


class CannotStart(Exception):
    """A child could not be started."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Fence(ProcessProtocol):
    """
    A child that cannot do without an end.

    ``gone`` fires when it has been reaped; ``leads_group`` is whether signals may go
    to its process group.  Subclasses hear its output; whoever
    wants it to stop calls `end`, once or more often.
    """

    transport: Any

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.gone: Deferred[None] = Deferred()
        self.leads_group = False
        self._pid: int | None = None
        self._kill: Any = None
        self._linger: Any = None

    def connectionMade(self) -> None:
        self._pid = self.transport.pid

    def end(self, at_once: bool = False) -> None:
        """Ask it to end; a little later, or at once, make it."""
        if self.gone.called or self._kill is not None:
            return
        if not at_once:
            self._signal("TERM")
        self._kill = self.reactor.callLater(0 if at_once else GRACE, self._signal, "KILL")

    def _signal(self, name: str) -> None:
        if self.leads_group and self._pid is not None:
            with suppress(OSError):
                os.killpg(self._pid, getattr(signal, f"SIG{name}"))
                return
        # Not the group: without one of its own (macOS has no setsid) it would be ours.
        with suppress(OSError, ProcessExitedAlready):
            self.transport.signalProcess(name)

    def processExited(self, reason: Failure) -> None:
        self._linger = self.reactor.callLater(LINGER, self._let_go)

    def _let_go(self) -> None:
        """Close the pipes that something the child started still holds."""
        self._linger = None
        if self.leads_group:
            self._signal("KILL")
        self.transport.loseConnection()

    def processEnded(self, reason: Failure) -> None:
        for timer in (self._kill, self._linger):
            if timer is not None and timer.active():
                timer.cancel()
        if not self.gone.called:
            self.gone.callback(None)


class Run(Fence):
    """A child that says something and ends; ``finished`` fires with what came of it."""

    def __init__(self, reactor: Any, limit: int = LIMIT, deadline: float = DEADLINE) -> None:
        super().__init__(reactor)
        self.finished: Deferred[Finished] = Deferred()
        self._limit = limit
        self._deadline = deadline
        self._out: list[bytes] = []
        self._err = b""
        self._size = 0
        self._fault: Reason | None = None
        self._detail = ""
        self._timer: Any = None
        self._began = 0.0

    def connectionMade(self) -> None:
        super().connectionMade()
        self._began = self.reactor.seconds()
        self._timer = self.reactor.callLater(self._deadline, self._too_long)
        self.transport.closeStdin()
        widen(self.transport)

    def outReceived(self, data: bytes) -> None:
        if self._fault is not None:
            return
        self._size += len(data)
        self._out.append(data)
        if self._size > self._limit:
            self._give_up(Reason.OVERFLOW, f"printed more than {self._limit} bytes")
            # It would go on until the signal arrives, and there is no slowing it.
            self.transport.closeStdout()
            self.end(at_once=True)

    def errReceived(self, data: bytes) -> None:
        if len(self._err) < ERR_LIMIT:
            self._err = (self._err + data)[:ERR_LIMIT]
        elif self._fault is None:
            self._give_up(Reason.OVERFLOW, f"complained for more than {ERR_LIMIT} bytes")
            self.transport.closeStderr()
            self.end(at_once=True)

    def _too_long(self) -> None:
        self._give_up(Reason.TIMEOUT, f"did not end within {self._deadline:g} s")
        self.end()
        # What even KILL does not end is waited for by `gone`, and by nobody else.
        self._timer = self.reactor.callLater(2 * GRACE, self._finish, -1)

    def _give_up(self, reason: Reason, detail: str) -> None:
        self._fault = self._fault or reason
        self._detail = self._detail or detail

    def processExited(self, reason: Failure) -> None:
        super().processExited(reason)
        if self._timer.active():
            self._timer.cancel()

    def processEnded(self, reason: Failure) -> None:
        if self._timer.active():
            self._timer.cancel()
        value: Any = reason.value
        if value.exitCode is None and self._fault is None:
            self._give_up(Reason.EXIT, f"was killed by signal {value.signal}")
        # Whoever hears that it finished may want to start the next one at once.
        super().processEnded(reason)
        self._finish(-1 if value.exitCode is None else value.exitCode)

    def _finish(self, exit_code: int) -> None:
        if self.finished.called:
            return
        duration = self.reactor.seconds() - self._began
        out = b"" if self._fault else b"".join(self._out)
        self._out.clear()
        self.finished.callback(
            Finished(out, self._err, exit_code, duration, self._fault, self._detail)
        )


def widen(transport: Any) -> None:
    """
    Read a child's output in large pieces.

    Twisted takes 8 KiB at a time; with a few megabytes at each look that alone
    would cost a fifth of what a look may cost.
    """
    reader = getattr(transport, "pipes", {}).get(1)
    if reader is None:
        return

    def do_read() -> Any:
        try:
            data = os.read(reader.fd, WIDE)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        return reader.dataReceived(data) if data else CONNECTION_DONE

    reader.doRead = do_read
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(reader.fd, F_SETPIPE_SZ, WIDE)


class Runner:
    """Starts children, never two of one name, and can end them all."""

    def __init__(self, reactor: Any, path: str | None = None) -> None:
        self.reactor = reactor
        self._path = path
        self._stopped = False
        self._children: dict[str, Fence] = {}
        self._environment = environment(path)

    def start(self, name: str, argv: Sequence[str], child: Fence, pty: bool = False) -> None:
        """Start a child; raises `CannotStart`."""
        if self._stopped:
            raise CannotStart(Reason.DENIED, "everything is being stopped")
        if name in self._children:
            raise CannotStart(Reason.TIMEOUT, f"the last {name} has not ended yet")
        program = self._find(argv[0])
        command = [program, *argv[1:]]
        setsid = None if pty or sys.platform == "win32" else self._which("setsid")
        if setsid is not None:
            # In a session of its own, so that its whole offspring can be ended.
            command.insert(0, setsid)
        child.leads_group = pty or setsid is not None
        kind = {"usePTY": True} if pty else {}
        self._children[name] = child
        try:
            self.reactor.spawnProcess(child, command[0], command, self._environment, **kind)
        except OSError as error:
            del self._children[name]
            missing = isinstance(error, FileNotFoundError)
            reason = Reason.NOT_FOUND if missing else Reason.DENIED
            # Without a terminal to give it Python says why in words of its own.
            why = error.strerror or str(error)
            raise CannotStart(reason, f"{argv[0]} does not start: {why}") from error
        child.gone.addCallback(lambda _: self._children.pop(name, None))

    def run(self, name: str, argv: Sequence[str]) -> Deferred[Finished]:
        """Run a tool to its end; always succeeds, as failing is an answer too."""
        child = Run(self.reactor)
        try:
            self.start(name, argv, child)
        except CannotStart as error:
            fault = Finished(fault=error.reason, detail=error.detail)
            child.finished.callback(fault)
        return child.finished

    def stop(self) -> Deferred[Any]:
        """End all children and start no more; fires when they are gone."""
        self._stopped = True
        waits = []
        for child in list(self._children.values()):
            waits.append(_after(child.gone))
            child.end()
        return DeferredList(waits)

    def _find(self, program: str) -> str:
        # A missing program is told apart here: where a pty is involved, the
        # child itself would find out, and end as if it had found nothing.
        found = self._which(program)
        if found is None:
            raise CannotStart(Reason.NOT_FOUND, f"{program} is not installed")
        return found

    def _which(self, program: str) -> str | None:
        return shutil.which(program, path=self._environment.get("PATH"))


def environment(path: str | None = None) -> Mapping[str, str]:
    """The same environment whatever ours is, so that every tool speaks English."""
    if sys.platform == "win32":
        return {each: os.environ[each] for each in _WINDOWS_NEEDS if each in os.environ}
    return {"LC_ALL": "C", "LANG": "C", "PATH": path or PATH}


def _after(gone: Deferred[None]) -> Deferred[None]:
    """A Deferred of its own that fires after another."""
    after: Deferred[None] = Deferred()
    gone.addCallback(lambda _: after.callback(None))
    return after
