"""
Processes that were started here, and what /proc says of them.

Figures are of a process and all its children: nginx has a master and a worker.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pinned(command: Sequence[str], core: int) -> list[str]:
    return ["taskset", "-c", str(core), *command]


@contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a session of its own; stop it and its children at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes], patience: float = 3.0) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
        return
    for pid in reversed(family(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found, unseen = [], [pid]
    while unseen:
        each = unseen.pop()
        found.append(each)
        with suppress(OSError):
            for children in Path(f"/proc/{each}/task").glob("*/children"):
                unseen += [int(child) for child in children.read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    ticks = 0
    for each in family(pid):
        with suppress(OSError):
            after_name = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(after_name[11]) + int(after_name[12])
    return ticks / _TICK


def resident_bytes(pid: int) -> int:
    total = 0
    for each in family(pid):
        with suppress(OSError):
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{each}/status").read_text())
            total += int(found[1]) * 1024 if found else 0
    return total


def core_busy_seconds(core: int) -> float:
    """How long a core has worked so far, for anybody; what a hypervisor stole counts."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / _TICK
    raise ValueError(f"there is no core {core}")


class Meter:
    """CPU time of one process between two moments, and what others took of its core meanwhile."""

    def __init__(self, pid: int, core: int) -> None:
        self._pid = pid
        self._core = core
        self._cpu = cpu_seconds(pid)
        self._busy = core_busy_seconds(core)
        self._began = time.monotonic()

    def read(self) -> tuple[float, dict[str, Any]]:
        """
        CPU seconds since the start, and figures for the record.

        ``others`` is the share of the core that was taken by somebody else:
        much of it, and the wall-clock figures are not worth much.
        """
        cpu = cpu_seconds(self._pid) - self._cpu
        busy = core_busy_seconds(self._core) - self._busy
        wall = time.monotonic() - self._began
        return cpu, {
            "cores": round(cpu / wall, 3),
            "others": round(max(busy - cpu, 0.0) / wall, 3),
        }
