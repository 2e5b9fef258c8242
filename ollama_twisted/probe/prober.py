"""Looking at the ports time and again: the first tool that works is kept until it fails."""

from __future__ import annotations

import locale
import os
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ollama_twisted.probe import proc
from ollama_twisted.probe.command import Failure, Finished, Look, Tool, judge, tools
from ollama_twisted.probe.connection import Row, State, count
from ollama_twisted.probe.conversation import Conversation
from ollama_twisted.probe.diag import Question
from ollama_twisted.probe.endings import NAME as EVENTS
from ollama_twisted.probe.endings import Endings
from ollama_twisted.probe.hint import hint
from ollama_twisted.probe.kernel import Kernel
from ollama_twisted.probe.run import Runner
from ollama_twisted.probe.snapshot import Method, ProbeReport, Reason, Snapshot
from ollama_twisted.probe.traffic import Ledger

# A tool that is not the best one is kept, but the better ones get another chance.
TRY_BETTER = 60.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes to assume for each connection where nothing can count them."""

    sent: int
    received: int


class Asked(Protocol):
    """Whoever answers what `Tool.question` asks."""

    def ask(self, question: Question) -> Deferred[Finished]:
        """The whole answer, read; never fails."""

    def stop(self) -> None:
        """Give up what is being asked."""


class Prober:
    """
    Keeps a fresh snapshot of some ports.

    ``start`` begins to look every ``interval`` seconds; ``stop`` ends every child
    and fires when they are gone.  ``probe`` looks once, now; calls during a look
    share its result, so there is never more than one.  It never fails: what went
    wrong stands in the snapshot.  ``path`` is where the tools are looked for,
    instead of the system's usual places; ``kernel`` is asked instead of the one we
    run on.  ``own`` holds the ends, address and port, of connections that we make
    ourselves: they are nobody's clients and left out.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        ports: Sequence[int],
        *,
        interval: float = 2.0,
        estimate: Estimate | None = None,
        platform: str = sys.platform,
        path: str | None = None,
        own: Collection[tuple[str, int]] = (),
        kernel: Asked | None = None,
    ) -> None:
        self.snapshot = Snapshot()
        self._reactor = reactor
        self._ports = tuple(dict.fromkeys(ports))
        self._interval = interval
        self._platform = platform
        self._own = own
        self._runner = Runner(reactor, path)
        self._kernel = kernel if kernel is not None else Kernel(reactor)
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        self._tools = tools(platform, self._ports, root)
        self._talks = {
            tool.name: Conversation(self._runner, tool.name, tool.argv)
            for tool in self._tools
            if tool.talks
        }
        # The console's code page on Windows, where UTF-8 would be wrong.
        self._encoding = locale.getpreferredencoding(False) if platform == "win32" else "utf-8"
        guess = (estimate.sent, estimate.received) if estimate is not None else None
        self._ledger = Ledger(self._ports, guess)
        self._endings: Endings | None = None
        if platform.startswith("linux"):
            self._endings = Endings(self._runner, self._ports, self._ended, self._events_failed)
        self._reports: dict[str, ProbeReport] = {}
        self._kept = 0
        self._try_better_at = 0.0
        self._heard: tuple[bool, int] | None = None
        self._measured = True
        self._looking: list[Deferred[Snapshot]] | None = None
        self._watchers: list[Callable[[Snapshot], None]] = []
        self._loop = LoopingCall(self.probe)
        self._loop.clock = reactor

    def start(self) -> Deferred[Snapshot]:
        """Begin; fires with the first snapshot."""
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> Snapshot:
        if self._endings is not None:
            # First, so that nothing can end unheard after the first dump.
            await self._endings.start()
        first = self.probe()
        self._loop.start(self._interval, now=False)
        return await first

    def stop(self) -> Deferred[None]:
        """End the loop and every child."""
        if self._loop.running:
            self._loop.stop()
        if self._endings is not None:
            self._endings.stop()
        stopped = self._runner.stop()
        self._kernel.stop()
        return stopped.addCallback(lambda _: None)

    def probe(self) -> Deferred[Snapshot]:
        """Look once."""
        mine: Deferred[Snapshot] = Deferred()
        if self._looking is not None:
            self._looking.append(mine)
            return mine
        self._looking = [mine]
        Deferred.fromCoroutine(self._look()).addErrback(self._stumbled).addCallback(self._looked)
        return mine

    def watch(self, changed: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have every new snapshot told; returns what ends that."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def _stumbled(self, reason: Any) -> Snapshot:
        # A mistake of ours must not end the looking for ever, nor leave old values.
        self._log.failure("Looking at the ports failed", reason)
        return self._absent()

    def _looked(self, snapshot: Snapshot) -> None:
        if snapshot.hint != self.snapshot.hint and snapshot.hint:
            self._log.warn("{hint}", hint=snapshot.hint)
        self.snapshot = snapshot
        waiting, self._looking = self._looking or [], None
        for each in waiting:
            each.callback(snapshot)
        for changed in list(self._watchers):
            try:
                changed(snapshot)
            except Exception:
                self._log.failure("A watcher of snapshots failed")

    async def _look(self) -> Snapshot:
        for tool in self._order():
            heard = self._hearing()
            look = await self._ask(tool)
            if isinstance(look, Look):
                self._kept = self._tools.index(tool)
                return self._taken_in(tool, look, heard)
        return self._absent()

    def _order(self) -> list[Tool]:
        """The kept one first, unless the better ones are due again."""
        now = self._reactor.seconds()
        if self._kept and now >= self._try_better_at:
            self._kept = 0
        if not self._kept:
            self._try_better_at = now + TRY_BETTER
        kept = self._tools[self._kept]
        return [kept, *(tool for tool in self._tools if tool is not kept)]

    async def _ask(self, tool: Tool) -> Look | Failure:
        talk = self._talks.get(tool.name)
        if tool.question is not None:
            run = self._kernel.ask(tool.question)
        else:
            run = talk.ask() if talk is not None else self._runner.run(tool.name, tool.argv)
        finished = await run
        look = judge(tool, finished, self._ports, self._encoding)
        self._record(tool.name, finished, look if isinstance(look, Failure) else None)
        return look

    def _hearing(self) -> tuple[bool, int]:
        """Whether endings are heard now, and how often that was interrupted so far."""
        if self._endings is None:
            return False, 0
        return self._endings.listening, self._endings.losses

    def _foreign(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Those at whose other end, and at whose own, somebody else is."""
        own = set(self._own)
        ports = {port for _, port in own}
        return [
            row
            for row in rows
            # Nearly always the ports alone tell that it is none of ours.
            if (row[3] not in ports or row[2:4] not in own)
            and (row[1] not in ports or row[0:2] not in own)
        ]

    def _ended(self, row: Row) -> None:
        if row[2:4] not in self._own:
            self._ledger.ended(row)

    def _taken_in(self, tool: Tool, look: Look, heard: tuple[bool, int]) -> Snapshot:
        rows = self._foreign(look.rows)
        if any(row[4] is State.ESTABLISHED for row in rows):
            self._measured = look.method is not None
        method = look.method if self._measured else None
        if method is None:
            self._ledger.census(rows)
        else:
            listening = heard[0] and heard == self._hearing()
            unbroken = listening and self._heard in {None, heard}
            method = Method.SS_EVENTS if listening else method
            self._ledger.dump(rows, method, unbroken, self._accepted())
            self._heard = heard
            if listening:
                self._record(EVENTS, None, None)
        connections = count(rows, look.ports)
        traffic = {
            port: each for port, each in self._ledger.traffic().items() if port in connections
        }
        advice = hint(
            tool.name, look.sees_others, connections, traffic, self._reports, self._platform
        )
        return Snapshot(
            self._reactor.seconds(),
            time.time(),
            tool.name,
            connections,
            traffic,
            dict(self._reports),
            look.sees_others,
            advice,
        )

    def _accepted(self) -> int | None:
        """How many connections the system has accepted so far, where it tells."""
        if not self._platform.startswith("linux"):
            return None
        try:
            return proc.accepted(Path(proc.NUMBERS).read_text())
        except OSError:
            return None

    def _absent(self) -> Snapshot:
        advice = hint(None, None, {}, {}, self._reports, self._platform)
        return Snapshot(
            self._reactor.seconds(), time.time(), probes=dict(self._reports), hint=advice
        )

    def _events_failed(self, finished: Finished) -> None:
        reason = finished.fault or Reason.EXIT
        self._record(EVENTS, finished, Failure(reason, finished.detail))

    def _record(self, name: str, finished: Finished | None, failure: Failure | None) -> None:
        before = self._reports.get(name)
        failures = dict(before.failures) if before else dict.fromkeys(Reason, 0)
        if failure is not None:
            failures[failure.reason] += 1
        self._reports[name] = ProbeReport(
            name,
            failure is None,
            finished.duration if finished else None,
            finished.exit_code if finished else None,
            time.time() if failure is None else before.last_success if before else None,
            failures,
            failure.detail if failure else "",
        )
