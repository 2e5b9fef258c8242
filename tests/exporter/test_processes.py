"""Ollama's processes, and what they use."""

from __future__ import annotations

from typing import Any, NamedTuple

import psutil
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.exporter.processes import ProcessWatch, kind_of
from ollama_twisted.exporter.view import ProcessFacts


class Memory(NamedTuple):
    """As psutil tells it."""

    rss: int


class Times(NamedTuple):
    """As psutil tells it."""

    user: float
    system: float


class FakeProcess:
    """A process; what may not be seen of it raises."""

    def __init__(self, pid: int, *command: str, cpu: float = 1.0, files: int | None = 5) -> None:
        self.pid = pid
        self.command = list(command)
        self.cpu = cpu
        self.files = files

    def name(self) -> str:
        return self.command[0]

    def cmdline(self) -> list[str]:
        return self.command

    def memory_info(self) -> Memory:
        return Memory(100)

    def cpu_times(self) -> Times:
        return Times(self.cpu, 0.5)

    def create_time(self) -> float:
        return 7.0

    def num_fds(self) -> int:
        if self.files is None:
            raise psutil.AccessDenied(self.pid)
        return self.files


class KindTests(SynchronousTestCase):
    """Which processes are Ollama's."""

    def test_kinds(self) -> None:
        """
        Servers and runners are; who merely talks to one, or has a similar name, is not.
        """
        kinds = {
            ("ollama", "serve"): "server",
            ("ollama", "runner"): "runner",
            ("ollama.exe", "serve"): "server",
            ("ollama_llama_server", "--model"): "runner",
            ("ollama", "run"): None,
            ("ollama",): None,
            ("ollama-exporter", "serve"): None,
            ("python", "ollama"): None,
        }
        for command, kind in kinds.items():
            self.assertEqual(kind_of(command[0], list(command)), kind, command)

    def test_unseen(self) -> None:
        """
        Of another user's process on macOS there is only the name.
        """
        self.assertEqual(kind_of("ollama", None), "server")


class WatchTests(SynchronousTestCase):
    """Sums by kind."""

    def look(self, watch: ProcessWatch, *processes: Any) -> dict[str, ProcessFacts]:
        self.processes = processes
        watch.look()
        return watch.facts

    def watch(self) -> ProcessWatch:
        return ProcessWatch(lambda: self.processes)

    def test_summed(self) -> None:
        """
        Memory, CPU and files of all processes of one kind are summed.
        """
        facts = self.look(
            self.watch(),
            FakeProcess(1, "ollama", "serve"),
            FakeProcess(2, "ollama", "runner", cpu=3),
            FakeProcess(3, "ollama", "runner", cpu=4),
            FakeProcess(4, "bash"),
        )
        self.assertEqual(facts["server"], ProcessFacts(1, 100, 1.5, 5))
        self.assertEqual(facts["runner"], ProcessFacts(2, 200, 8.0, 10))

    def test_cpu_only_grows(self) -> None:
        """
        What a process has used stays counted when it ends, as of a counter.
        """
        watch = self.watch()
        self.look(watch, FakeProcess(2, "ollama", "runner", cpu=3))
        self.look(watch, FakeProcess(2, "ollama", "runner", cpu=5))
        facts = self.look(watch)
        self.assertEqual(facts["runner"], ProcessFacts(0, None, 5.5, None))

    def test_denied(self) -> None:
        """
        Where one process may not be seen there is no sum that would pass for the whole.
        """
        processes = [FakeProcess(1, "ollama", "runner"), FakeProcess(2, "ollama", "runner")]
        processes[1].files = None
        self.assertEqual(self.look(self.watch(), *processes)["runner"].open_files, None)

    def test_nothing_runs(self) -> None:
        """
        No server is none: that can be seen.
        """
        self.assertEqual(self.look(self.watch())["server"].count, 0)
