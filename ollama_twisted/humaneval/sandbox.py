"""
Candidates, each in a process of its own that can do no harm, and ended with all it has started.

How much the system grants is found out once, by trying: `Level` says what is active.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ollama_twisted.humaneval.verdict import Reason, Verdict, read

_PACKAGES = str(Path(__file__).resolve().parent.parent.parent)
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from ollama_twisted.humaneval.jail import main; "
    "sys.path.remove(sys.argv[1]); main()"
)
_SAYS = 3
_SETTING_UP = 20.0  # seconds beyond the candidate's own, on a machine that is busy
_LINGER = 0.5  # seconds for a pipe that somebody holds open when the child has gone
_MB = 2**20


class SandboxBroken(Exception):
    """Not even a harmless program can be run."""


class Level(Enum):
    """How far a candidate is fenced in; in all of them with limits and a clean environment."""

    FULL = "full"
    UNSHARED = "unshared"
    BARE = "bare"

    @property
    def description(self) -> str:
        """What that means, for people."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    Level.FULL: "no network, processes of its own, no files but the interpreter's",
    Level.UNSHARED: "no network, processes of its own; files readable as by any program",
    Level.BARE: "limits only: the system grants no namespaces, so network and files are open",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one candidate may use; sizes are in MB."""

    timeout: float = 8.0
    memory: int = 1024
    file_size: int = 16
    processes: int = 8
    open_files: int = 64
    output: int = 1

    def rlimits(self) -> dict[str, int]:
        """As the system is told."""
        return {
            "CPU": int(self.timeout) + 1,
            "AS": self.memory * _MB,
            "FSIZE": self.file_size * _MB,
            "NPROC": self.processes,
            "NOFILE": self.open_files,
            "CORE": 0,
        }


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program, its test, and the name of what the test is given."""

    program: str
    test: str
    entry_point: str


class Sandbox:
    """Runs candidates, so many at a time."""

    def __init__(self, reactor: Any, limits: Limits, at_a_time: int, level: Level) -> None:
        self._reactor = reactor
        self._limits = limits
        self._places = DeferredSemaphore(at_a_time)
        self._number = 0
        self.level = level

    @classmethod
    async def best(cls, reactor: Any, limits: Limits, at_a_time: int) -> Sandbox:
        """The strongest that the system grants; raises `SandboxBroken`."""
        # One that reads what no interpreter has read by then: files may be out of its reach.
        trial = Candidate("import random", "def check(f):\n    assert f(0) == 0", "int")
        refusals = []
        for level in Level if sys.platform == "linux" else [Level.BARE]:
            sandbox = cls(reactor, limits, at_a_time, level)
            try:
                verdict = await sandbox.run(trial)
            except SandboxBroken as refused:
                refusals.append(f"{level.value}: {refused}")
            else:
                if verdict.passed:
                    return sandbox
                refusals.append(f"{level.value}: {verdict.reason.value} {verdict.detail}")
        raise SandboxBroken("; ".join(refusals))

    async def run(self, candidate: Candidate) -> Verdict:
        """
        Its verdict; raises `SandboxBroken` if it could not be run at all.

        Cancelling it ends the candidate.
        """
        await self._places.acquire()
        scratch = tempfile.mkdtemp(prefix="ollama-humaneval-")
        try:
            return await self._run(candidate, scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            self._places.release()

    async def _run(self, candidate: Candidate, scratch: str) -> Verdict:
        self._number += 1
        spec = {
            **asdict(candidate),
            "level": self.level.value,
            "scratch": scratch,
            "timeout": self._limits.timeout,
            "limits": self._limits.rlimits(),
            # Two that run at a time, be it for two runners, are no two of one user.
            "number": os.getpid() * 64 + self._number % 64,
        }
        child = _Child(self._reactor, json.dumps(spec).encode(), self._limits)
        self._reactor.spawnProcess(
            child,
            sys.executable,
            [sys.executable, "-I", "-B", "-X", "utf8", "-c", _START, _PACKAGES],
            environment(scratch),
            childFDs={0: "w", 1: "r", 2: "r", _SAYS: "r"},
        )
        return await child.verdict


def environment(home: str) -> dict[str, str]:
    """All that a candidate is told of ours: nothing."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {"PATH": "/usr/bin:/bin", "HOME": home, "LANG": "C.UTF-8"} | dict.fromkeys(threads, "1")


class _Child(ProcessProtocol):
    """One jail; ``verdict`` fires when it is gone, and cancelling that ends it."""

    transport: Any

    def __init__(self, reactor: Any, spec: bytes, limits: Limits) -> None:
        self._reactor = reactor
        self._spec = spec
        self._limits = limits
        self._said = b""
        self._printed = 0
        self._tail = b""
        self._fault: Reason | None = None
        self._timer: Any = None
        self.verdict: Deferred[Verdict] = Deferred(lambda _: self._end())

    def connectionMade(self) -> None:
        self._timer = self._reactor.callLater(self._limits.timeout + _SETTING_UP, self._too_long)
        self.transport.write(self._spec)
        self.transport.closeStdin()

    def childDataReceived(self, name: int, data: bytes) -> None:
        if name == _SAYS:
            self._said += data
            return
        self._printed += len(data)
        self._tail = (self._tail + data)[-2000:]
        if self._printed > self._limits.output * _MB and self._fault is None:
            self._fault = Reason.OUTPUT
            self._end()

    def _too_long(self) -> None:
        self._fault = self._fault or Reason.TIMEOUT
        self._end()

    def _end(self) -> None:
        """End it and all that it has started."""
        pid = self.transport and self.transport.pid
        if not pid:
            return
        with suppress(OSError):
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
        with suppress(OSError, ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def processExited(self, reason: Failure) -> None:
        if self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(_LINGER, self.transport.loseConnection)

    def processEnded(self, reason: Failure) -> None:
        if self._timer.active():
            self._timer.cancel()
        if self.verdict.called:
            return
        if self._fault is not None:
            self.verdict.callback(Verdict(self._fault))
            return
        try:
            answer = json.loads(self._said)
        except ValueError:
            if getattr(reason.value, "signal", None) is not None:
                self.verdict.callback(Verdict(Reason.ENDED, "its supervisor was killed"))
                return
            tail = self._tail.decode("utf-8", "replace").strip().rpartition("\n")[2]
            self.verdict.errback(SandboxBroken(tail or str(reason.value)))
            return
        why, detail = read(answer["verdict"])
        self.verdict.callback(
            Verdict(why, detail, answer["wall"], answer["cpu"], answer["peak_kb"] / 1024)
        )
