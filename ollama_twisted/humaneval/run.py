"""A run: every sample asked for once, made a program, run, and written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import CancelledError, Deferred, DeferredList

from ollama_twisted.humaneval import extract
from ollama_twisted.humaneval.generate import Answered, AskFailed, NobodyThere, NoSuchModel
from ollama_twisted.humaneval.journal import Row
from ollama_twisted.humaneval.problems import Problem
from ollama_twisted.humaneval.prompt import Mode, Recipe, request
from ollama_twisted.humaneval.sandbox import Candidate
from ollama_twisted.humaneval.verdict import Verdict


class Job(NamedTuple):
    """One sample that is to be had."""

    model: str
    problem: Problem
    sample: int


class Asks(Protocol):
    """What answers."""

    async def ask(self, path: str, body: dict[str, Any]) -> Answered:
        """The answer; raises `AskFailed`."""


class Judges(Protocol):
    """What runs programs."""

    async def run(self, candidate: Candidate) -> Verdict:
        """Its verdict."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A sample that could not be had."""

    job: Job
    why: str


def jobs(models: Sequence[str], problems: Sequence[Problem], samples: int) -> list[Job]:
    """All samples of a run.  One model after the other, as nodes load few at a time."""
    return [
        Job(model, problem, number)
        for model in models
        for number in range(samples)
        for problem in problems
    ]


def missing(wanted: Sequence[Job], rows: Sequence[Row]) -> list[Job]:
    """Those of which there is no result yet."""
    have = {(row["model"], row["task_id"], row["sample"]) for row in rows}
    return [each for each in wanted if (each.model, each.problem.task_id, each.sample) not in have]


class Run:
    """Works through jobs, so many at a time."""

    def __init__(
        self,
        recipe: Recipe,
        asker: Asks,
        sandbox: Judges,
        write: Callable[[Row], None],
    ) -> None:
        self._recipe = recipe
        self._asker = asker
        self._sandbox = sandbox
        self._write = write
        self._working: list[Deferred[None]] = []
        self._stopped: BaseException | None = None
        self.unanswered: list[Unanswered] = []

    async def do(self, wanted: Sequence[Job], at_a_time: int) -> None:
        """
        Do them all.

        Raises what leaves no hope for the rest (`NobodyThere`, `NoSuchModel`,
        `SandboxBroken`, `CannotWrite`), having ended what was under way.
        """
        left = iter(wanted)
        self._working = [Deferred.fromCoroutine(self._work(left)) for _ in range(at_a_time)]
        for each in self._working:
            each.addErrback(self._stop)
        await DeferredList(self._working)
        if self._stopped is not None:
            raise self._stopped

    def interrupt(self) -> None:
        """End what is under way; `do` raises `CancelledError`."""
        self._stop_for(CancelledError())

    def _stop(self, failure: Any) -> None:
        self._stop_for(failure.value)

    def _stop_for(self, why: BaseException) -> None:
        if self._stopped is None:
            self._stopped = why
            for each in self._working:
                each.cancel()

    async def _work(self, left: Iterator[Job]) -> None:
        for job in left:
            if self._stopped is not None:
                return
            try:
                path, body = request(self._recipe, job.model, job.problem, job.sample)
                answered = await self._asker.ask(path, body)
            except (NobodyThere, NoSuchModel):
                raise
            except AskFailed as failed:
                self.unanswered.append(Unanswered(job, str(failed)))
                continue
            self._write(await self._judge(job, answered))

    async def _judge(self, job: Job, answered: Answered) -> Row:
        answer, problem = answered.answer, job.problem
        continues = self._recipe.mode is Mode.COMPLETION
        program = extract.program(problem.prompt, problem.entry_point, answer.text, continues)
        verdict = await self._sandbox.run(Candidate(program, problem.test, problem.entry_point))
        return {
            "task_id": problem.task_id,
            "model": job.model,
            "sample": job.sample,
            "passed": verdict.passed,
            "reason": verdict.reason.value,
            "detail": verdict.detail,
            "node": answered.node,
            "attempts": answered.attempts,
            "prompt_tokens": answer.prompt_tokens,
            "tokens": answer.tokens,
            "done_reason": answer.done_reason,
            "seconds": round(answered.seconds, 4),
            "first_token_seconds": round(answered.first_token, 4),
            "generate_seconds": answer.generate_seconds,
            "test_seconds": round(verdict.wall, 4),
            "test_cpu_seconds": round(verdict.cpu, 4),
            "test_peak_mb": round(verdict.peak_mb, 1),
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "raw": answer.text,
            "thinking": answer.thinking,
            "program": program,
        }
