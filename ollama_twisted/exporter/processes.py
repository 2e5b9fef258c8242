"""Ollama's processes on this machine, and what they use of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any, TypeVar

import psutil

from ollama_twisted.exporter.view import ProcessFacts

SERVER, RUNNER = "server", "runner"

_T = TypeVar("_T")


def kind_of(name: str, command: list[str] | None) -> str | None:
    """
    What a process is to Ollama; ``None`` if it is not Ollama's, or a client of its.

    The command is ``None`` where it may not be seen (other users' on macOS).
    """
    program = PurePath(name.lower().replace("\\", "/")).name.removesuffix(".exe")
    if program == "ollama_llama_server":
        return RUNNER
    if program != "ollama":
        return None
    if command is None:
        return SERVER
    return {"serve": SERVER, "start": SERVER, "runner": RUNNER}.get(
        command[1] if len(command) > 1 else ""
    )


class ProcessWatch:
    """
    What Ollama's processes were last seen to use.

    ``look`` reads ``/proc`` or its like, so it is called in a thread; it may be called
    by one thread at a time.
    """

    def __init__(self, processes: Callable[[], Iterable[Any]] = psutil.process_iter) -> None:
        self._processes = processes
        # A process is known by its number and its start: numbers are used again.
        self._cpu: dict[tuple[int, float], float] = {}
        self._used: dict[str, float] = {}
        self.facts: dict[str, ProcessFacts] = {}

    def look(self) -> None:
        """Look at all processes now."""
        found: dict[str, list[Any]] = {SERVER: []}
        for process in self._processes():
            name = _asked(process.name)
            kind = None if name is None else kind_of(name, self._command(process, name))
            if kind is not None:
                found.setdefault(kind, []).append(process)
        for kind in self.facts:
            found.setdefault(kind, [])
        cpu, self._cpu = self._cpu, {}
        self.facts = {kind: self._sum(kind, each, cpu) for kind, each in found.items()}

    def _command(self, process: Any, name: str) -> list[str] | None:
        # Asking costs a system call each: only of those that are called so.
        return _asked(process.cmdline) if "ollama" in name.lower() else None

    def _sum(
        self, kind: str, processes: list[Any], before: dict[tuple[int, float], float]
    ) -> ProcessFacts:
        memory = [_asked(each.memory_info) for each in processes]
        files = [_asked(each.num_fds) if hasattr(each, "num_fds") else None for each in processes]
        for process in processes:
            times, started = _asked(process.cpu_times), _asked(process.create_time)
            if times is None or started is None:
                continue
            key, total = (process.pid, started), times.user + times.system
            self._used[kind] = self._used.get(kind, 0.0) + max(0.0, total - before.get(key, 0.0))
            self._cpu[key] = total
        return ProcessFacts(
            count=len(processes),
            resident=_total([None if each is None else each.rss for each in memory]),
            cpu=self._used.get(kind),
            open_files=_total(files),
        )


def _asked(question: Callable[[], _T]) -> _T | None:
    try:
        return question()
    except (psutil.Error, OSError):
        return None


def _total(numbers: list[int | None]) -> int | None:
    """Their sum; ``None`` if any is not known, since a part would pass for the whole."""
    known = [each for each in numbers if each is not None]
    return sum(known) if known and len(known) == len(numbers) else None
