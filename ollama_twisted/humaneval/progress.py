"""How far a run is, for whoever watches it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from twisted.internet.task import LoopingCall

from ollama_twisted.humaneval.journal import Row
from ollama_twisted.humaneval.tally import Tally

_EVERY = 0.5
_EVERY_LINE = 15.0


class Watched:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self, reactor: Any, console: Console, tally: Tally, total: int) -> None:
        self._reactor = reactor
        self._console = console
        self._tally = tally
        self._total = total
        self._began = reactor.seconds()
        self._tokens = 0
        self._had = tally.samples
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("asking", total=total, completed=self._had, note="")
        self._loop = LoopingCall(self._show)
        self._loop.clock = reactor

    def start(self) -> None:
        """Begin to show."""
        if self._console.is_terminal:
            self._bar.start()
        self._loop.start(_EVERY if self._console.is_terminal else _EVERY_LINE, now=False)

    def saw(self, row: Row) -> None:
        """One more result."""
        self._tokens += row["tokens"] or 0

    def stop(self) -> None:
        """Show the last state, and no more."""
        if self._loop.running:
            self._loop.stop()
            self._show()
        if self._console.is_terminal:
            self._bar.stop()

    def note(self) -> str:
        """The numbers beside the bar."""
        tally = self._tally
        if not tally.samples:
            return ""
        spent = max(self._reactor.seconds() - self._began, 1e-9)
        shares = sorted(tally.node_shares().items())
        nodes = "  ".join(f"{name} {count / tally.samples:.0%}" for name, count in shares)
        right = f"{tally.passed / tally.samples:.1%} right"
        return f"{right}  {self._tokens / spent:.0f} tokens/s  {nodes}"

    def _show(self) -> None:
        done = self._tally.samples
        self._bar.update(self._task, completed=done, note=self.note())
        if self._console.is_terminal:
            self._bar.refresh()
            return
        spent, new = self._reactor.seconds() - self._began, done - self._had
        left = f", {spent / new * (self._total - done):.0f} s left" if new else ""
        self._console.print(f"{done}/{self._total}{left}  {self.note()}", highlight=False)
