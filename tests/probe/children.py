"""Children that never run: a reactor that starts them, and what the test makes them say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from ollama_twisted.probe.command import Finished
from ollama_twisted.probe.diag import Question
from ollama_twisted.probe.snapshot import Reason


@dataclass
class FakeChild:
    """One child, as the reactor sees it."""

    protocol: Any
    argv: Sequence[str]
    environment: Mapping[str, str]
    pty: bool
    pid: int | None = None  # so that no signal ever reaches a process of this machine
    signals: list[str] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    written: list[bytes] = field(default_factory=list)

    @property
    def tool(self) -> str:
        """The program's name, without what puts it into a session of its own."""
        names = [each.rpartition("/")[2] for each in self.argv[:2]]
        return names[1] if names[0] == "setsid" else names[0]

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def signalProcess(self, name: str) -> None:
        self.signals.append(name)

    def closeStdin(self) -> None:
        self.closed.add("stdin")

    def closeStdout(self) -> None:
        self.closed.add("stdout")

    def closeStderr(self) -> None:
        self.closed.add("stderr")

    def loseConnection(self) -> None:
        self.closed.add("all")

    def says(self, out: str = "", err: str = "") -> None:
        """Print something."""
        if out:
            self.protocol.outReceived(out.encode())
        if err:
            self.protocol.errReceived(err.encode())

    def exits(self, code: int | None = 0, killed: int | None = None) -> None:
        """Be gone, though something still holds its pipes."""
        reason = ProcessDone(0) if code == 0 else ProcessTerminated(code, killed)
        self.protocol.processExited(Failure(reason))

    def ends(self, code: int | None = 0, killed: int | None = None) -> None:
        """Be gone altogether."""
        self.exits(code, killed)
        reason = ProcessDone(0) if code == 0 else ProcessTerminated(code, killed)
        self.protocol.processEnded(Failure(reason))


class FakeReactor(Clock):
    """A clock that starts children; ``script`` is told of each, ``fault`` is raised instead."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[FakeChild] = []
        self.fault: OSError | None = None
        self.script: Callable[[FakeChild], None] = lambda child: None

    def spawnProcess(
        self,
        protocol: Any,
        executable: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        usePTY: bool = False,
    ) -> None:
        if self.fault is not None:
            raise self.fault
        child = FakeChild(protocol, argv, environment, usePTY)
        self.children.append(child)
        protocol.makeConnection(child)
        self.callLater(0, self.script, child)

    @property
    def last(self) -> FakeChild:
        """The child that was started last."""
        return self.children[-1]


class Refusing:
    """A kernel that answers nobody, as in a sandbox; or what ``answer`` says."""

    def __init__(self) -> None:
        self.answer = Finished(fault=Reason.DENIED, detail="netlink: Operation not permitted")

    def ask(self, question: Question) -> Deferred[Finished]:
        return succeed(self.answer)

    def stop(self) -> None:
        """There is nothing to give up."""
