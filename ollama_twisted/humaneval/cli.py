"""The command line of ``ollama-humaneval``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from enum import IntEnum
from typing import Any

from rich.console import Console
from twisted.internet.defer import CancelledError, Deferred

from ollama_twisted import __version__
from ollama_twisted.humaneval import problems as problem_files
from ollama_twisted.humaneval import report
from ollama_twisted.humaneval.generate import Asker, NobodyThere, NoSuchModel
from ollama_twisted.humaneval.journal import CannotWrite, Journal, JournalError, Row
from ollama_twisted.humaneval.page import page
from ollama_twisted.humaneval.problems import ProblemsError
from ollama_twisted.humaneval.progress import Watched
from ollama_twisted.humaneval.prompt import Recipe
from ollama_twisted.humaneval.run import Job, Run, jobs, missing
from ollama_twisted.humaneval.sandbox import Level, Limits, Sandbox, SandboxBroken
from ollama_twisted.humaneval.settings import Settings, read
from ollama_twisted.humaneval.tally import Tally


class Exit(IntEnum):
    """What the shell is told."""

    SCORED = 0
    USAGE = 2
    NOBODY = 3
    NO_MODEL = 4
    CANNOT_WRITE = 5
    UNANSWERED = 6
    NO_SANDBOX = 7
    INTERRUPTED = 130


_EXITS: dict[type[BaseException], Exit] = {
    ProblemsError: Exit.USAGE,
    JournalError: Exit.USAGE,
    NobodyThere: Exit.NOBODY,
    NoSuchModel: Exit.NO_MODEL,
    CannotWrite: Exit.CANNOT_WRITE,
    SandboxBroken: Exit.NO_SANDBOX,
    CancelledError: Exit.INTERRUPTED,
}


def main() -> None:
    """Run, and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str], reactor: Any = None) -> int:
    """Run with these arguments; the exit code."""
    settings = read(arguments, os.environ)
    if os.name != "posix":
        print("ollama-humaneval runs on Linux and macOS; on Windows use WSL", file=sys.stderr)
        return Exit.NO_SANDBOX
    if reactor is None:
        from twisted.internet import reactor
    program = Program(reactor, settings, Console(stderr=True), Console())
    codes: list[int] = []

    def started() -> None:
        done = Deferred.fromCoroutine(program.go())
        # Only now: the reactor has put its own handlers in place.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda *_: reactor.callFromThread(program.interrupt, done))
        done.addCallbacks(codes.append, program.crashed)
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(started)
    reactor.run()
    return codes[0] if codes else 1


class Program:
    """One invocation."""

    def __init__(self, reactor: Any, settings: Settings, talk: Console, out: Console) -> None:
        self._reactor = reactor
        self._settings = settings
        self._talk = talk
        self._out = out
        self._run: Run | None = None

    async def go(self) -> int:
        """All of it; the exit code."""
        try:
            return await self._go()
        except tuple(_EXITS) as error:
            self._say(str(error) or "interrupted")
            if self._run is not None:
                self._say(f"all results so far are in {self._settings.out}; say it again to go on")
            return next(code for kind, code in _EXITS.items() if isinstance(error, kind))

    def interrupt(self, done: Deferred[int]) -> None:
        """End, keeping what there is."""
        if self._run is not None:
            self._run.interrupt()
        else:
            done.cancel()

    def crashed(self, failure: Any) -> None:
        """Show a fault of ours."""
        failure.printTraceback(file=sys.stderr)

    async def _go(self) -> int:
        settings = self._settings
        for each in settings.warnings:
            self._say(each)
        found = problem_files.load(settings.problems)
        recipe = settings.with_problems(problem_files.digest(found))
        found = found[: settings.limit]
        journal = Journal(settings.out, recipe, settings.resume)
        try:
            wanted = jobs(settings.models, found, settings.num_samples)
            known = {(each.model, each.problem.task_id, each.sample) for each in wanted}
            rows = [
                each
                for each in journal.rows
                if (each["model"], each["task_id"], each["sample"]) in known
            ]
            tally = Tally(rows)
            left = missing(wanted, rows)
            if rows and left:
                self._say(f"going on: {len(rows)} of {len(wanted)} samples are there")
            levels = {str(each.get("sandbox", "")) for each in rows}
            seconds, unanswered = 0.0, []
            if left:
                limits = Limits(timeout=recipe.timeout, memory=settings.memory)
                sandbox = await Sandbox.best(self._reactor, limits, settings.sandboxes)
                level = sandbox.level.value
                levels.add(level)
                urgent = "" if sandbox.level is Level.FULL else "WARNING: "
                self._say(f"{urgent}sandbox: {level} ({sandbox.level.description})")
                began = self._reactor.seconds()
                run = await self._ask(recipe, sandbox, journal, tally, left, len(wanted))
                seconds = self._reactor.seconds() - began
                unanswered = [
                    f"{each.job.model} {each.job.problem.task_id}: {each.why}"
                    for each in run.unanswered
                ]
        finally:
            journal.close()
        under = report.Conditions(
            version=__version__,
            base_url=settings.base_url,
            recipe=recipe.as_row(),
            problems=recipe.problems,
            problem_count=len(found),
            samples=settings.num_samples,
            ks=settings.ks,
            concurrency=settings.concurrency,
            sandbox=", ".join(sorted(levels)),
            wanted=len(wanted),
            seconds=seconds,
            asked=tally.samples - len(rows),
        )
        self._tell(report.summary(tally, under, unanswered))
        return Exit.UNANSWERED if unanswered else Exit.SCORED

    async def _ask(
        self,
        recipe: Recipe,
        sandbox: Sandbox,
        journal: Journal,
        tally: Tally,
        left: Sequence[Job],
        total: int,
    ) -> Run:
        settings = self._settings
        asker = Asker(self._reactor, settings.base_url, settings.concurrency, settings.silence)
        await self._look_for_models(asker)
        watched = Watched(self._reactor, self._talk, tally, total)

        def write(row: Row) -> None:
            journal.append({**row, "sandbox": sandbox.level.value})
            tally.add(row)
            watched.saw(row)

        self._run = Run(recipe, asker, sandbox, write)
        watched.start()
        try:
            await self._run.do(left, settings.concurrency)
        finally:
            watched.stop()
            await asker.close()
        return self._run

    async def _look_for_models(self, asker: Asker) -> None:
        there = await asker.models()
        if not there:
            url = self._settings.base_url
            raise NobodyThere(f"{url} has no models: no node answers it, or none has any")
        for name in self._settings.models:
            full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
            if full.lower() in {each.lower() for each in there}:
                continue
            near = ", ".join(get_close_matches(name, there, 1, 0.5) or sorted(there)[:5])
            raise NoSuchModel(f"{self._settings.base_url} has no model {name}; there is {near}")

    def _tell(self, told: dict[str, Any]) -> None:
        settings = self._settings
        self._out.print(report.table(told))
        for each in told["unanswered"][:10]:
            self._say(f"not answered: {each}")
        for model in told["models"]:
            if model["cut_by_num_predict"]:
                self._say(
                    f"{model['model']}: {model['cut_by_num_predict']} answers were cut by "
                    f"--num-predict {told['recipe']['num_predict']}"
                )
        try:
            report.write(settings.summary, json.dumps(told, indent=2) + "\n")
            report.write(settings.csv, report.as_csv(told))
            report.write(settings.html, page(told))
        except OSError as error:
            raise CannotWrite(f"{error.filename}: {error.strerror}") from error
        self._say(f"{settings.out}, {settings.summary}, {settings.csv}, {settings.html}")

    def _say(self, text: str) -> None:
        self._talk.print(f"ollama-humaneval: {text}", highlight=False, markup=False, soft_wrap=True)
