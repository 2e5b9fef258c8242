"""
Children that have imported everything when they are born: ``python -m tests.live.nursery``.

Most of what a server of ours does when it starts is to import modules, a second of work each
time.  The nursery has imported them once.  Asked for a child it forks, and the child goes on
as ``python -m twisted`` would, with the command line, folder, environment and descriptors
that it was given.  Only Linux has all that this takes: elsewhere each child imports for itself.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from io import FileIO, TextIOWrapper
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

#: Whatever is a descriptor, or belongs to one process, is made after the fork.
_IMPORTED = (
    "twisted.application.twist._twist",
    "ollama_twisted.exporter.service",
    "ollama_twisted.exporter.tap",
    "ollama_twisted.gateway.service",
    "ollama_twisted.gateway.tap",
    "ollama_twisted.simulator.service",
    "ollama_twisted.simulator.tap",
)
_NEVER_IMPORTED = "twisted.internet.reactor"

_LONGEST = 2**17


class Forked:
    """A child of the nursery, led as one of ``subprocess.Popen`` is."""

    def __init__(
        self, arguments: Sequence[str], cwd: str | Path, env: Mapping[str, str], stdin: int
    ) -> None:
        self.stdin: TextIOWrapper | None = None
        if stdin == subprocess.PIPE:
            given, ours = os.pipe()
            self.stdin = TextIOWrapper(FileIO(ours, "w"))  # type: ignore[arg-type]
        elif stdin == subprocess.DEVNULL:
            given = os.open(os.devnull, os.O_RDONLY)
        else:
            given = os.dup(stdin)
        read, written = os.pipe()
        self._ended, ending = os.pipe()
        self.pid = _nursery().fork(arguments, cwd, env, (given, written, ending))
        for each in (given, written, ending):
            os.close(each)
        self.stdout = TextIOWrapper(FileIO(read, "r"))  # type: ignore[arg-type]
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has one."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"child {self.pid}", timeout or 0)
            (status,) = struct.unpack("i", os.read(self._ended, 4))
            os.close(self._ended)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code, if it has one."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, way: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, way)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Close its standard input, and wait for its end; what it has printed."""
        if self.stdin is not None:
            self.stdin.close()
        said: list[str] = []
        if not self.stdout.closed:
            reading = threading.Thread(target=lambda: said.append(self.stdout.read()), daemon=True)
            reading.start()
            reading.join(timeout)
            if reading.is_alive():
                raise subprocess.TimeoutExpired(f"child {self.pid}", timeout or 0)
            self.stdout.close()
        self.wait(timeout)
        return "".join(said), None


def start(
    arguments: Sequence[str], cwd: str | Path, env: Mapping[str, str], stdin: int
) -> Forked | subprocess.Popen[str]:
    """A child with this command line: forked where that can be, otherwise started."""
    if sys.platform == "linux":
        return Forked(arguments, cwd, env, stdin)
    return subprocess.Popen(
        [sys.executable, "-m", "twisted", *arguments],
        cwd=cwd,
        env=env,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Nursery:
    """The process that forks, and what is said to it."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.live.nursery", str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._asking = threading.Lock()

    def fork(
        self,
        arguments: Sequence[str],
        cwd: str | Path,
        env: Mapping[str, str],
        descriptors: tuple[int, int, int],
    ) -> int:
        """
        Have a child; its process id.

        ``descriptors`` are for its standard input and output, and for what its end is told on.
        """
        asked = json.dumps([list(arguments), os.fspath(cwd), dict(env)]).encode()
        with self._asking:
            socket.send_fds(self._ours, [asked], descriptors)
            return int(self._ours.recv(64))

    def close(self) -> None:
        """It ends when nobody can ask any more."""
        self._ours.close()
        self._process.wait()


@cache
def _nursery() -> Nursery:
    started = Nursery()
    atexit.register(started.close)
    return started


def _serve(asking: socket.socket) -> list[str] | None:
    """Fork for whoever asks; in a child, its command line, and for ourselves nothing at the end."""
    ends: dict[int, int] = {}
    woken, waking = socket.socketpair()
    for each in (woken, waking):
        each.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(waking.fileno())
    while True:
        ready, _, _ = select.select([asking, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _bury(ends)
        if asking in ready:
            asked, descriptors, _, _ = socket.recv_fds(asking, _LONGEST, 3)
            if not asked:
                return None
            pid = os.fork()
            if not pid:
                return _become(*json.loads(asked), descriptors)
            for each in descriptors[:2]:
                os.close(each)
            ends[pid] = descriptors[2]
            asking.send(str(pid).encode())


def _bury(ends: dict[int, int]) -> None:
    """Tell of each child that has ended how it did."""
    while ends:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        told = ends.pop(pid)
        os.write(told, struct.pack("i", status))
        os.close(told)


def _become(
    arguments: list[str], cwd: str, env: dict[str, str], descriptors: list[int]
) -> list[str]:
    """Be like a process that was just started with these."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    read, written, _ = descriptors
    for each, number in ((read, 0), (written, 1), (written, 2)):
        os.dup2(each, number)
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0] = cwd
    return ["twisted", *arguments]


def main(descriptor: int) -> None:
    """Serve; whoever comes back from that with a command line is a child."""
    for each in _IMPORTED:
        import_module(each)
    if _NEVER_IMPORTED in sys.modules:
        raise AssertionError(f"{_NEVER_IMPORTED} would be shared by all children")
    asking = socket.socket(fileno=descriptor)
    arguments = _serve(asking)
    asking.detach()
    if arguments is not None:
        from twisted.application.twist._twist import Twist

        sys.argv = arguments
        Twist.main(arguments)


if __name__ == "__main__":
    main(int(sys.argv[1]))
