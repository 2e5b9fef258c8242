"""Tests for working through the samples, with nodes and sandboxes that are not there."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval.answer import Answer
from ollama_twisted.humaneval.generate import Answered, AskFailed, NobodyThere
from ollama_twisted.humaneval.journal import CannotWrite
from ollama_twisted.humaneval.problems import Problem
from ollama_twisted.humaneval.prompt import Mode, Recipe, request
from ollama_twisted.humaneval.run import Run, jobs, missing
from ollama_twisted.humaneval.sandbox import Candidate
from ollama_twisted.humaneval.verdict import Reason, Verdict, read

PROBLEMS = [Problem(f"t/{n}", f"def f{n}():\n", f"f{n}", "def check(f): pass") for n in range(6)]


class Model:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], Deferred[Answered]]] = []
        self.cancelled = 0

    async def ask(self, path: str, body: dict[str, Any]) -> Answered:
        waiting: Deferred[Answered] = Deferred(self._cancel)
        self.asked.append((body, waiting))
        return await waiting

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    def answer(self, number: int) -> None:
        answer = Answer("    return 1\n", "", 5, 3, 0.1, "stop")
        self.asked[number][1].callback(Answered(answer, "one", 1, 0.5, 0.1))


class Judge:
    """Finds everything right."""

    async def run(self, candidate: Candidate) -> Verdict:
        return Verdict(Reason.PASSED, wall=0.1)


class RunTests(SynchronousTestCase):
    """One run."""

    def setUp(self) -> None:
        self.model, self.rows = Model(), list[Any]()
        self.run_ = Run(Recipe(), self.model, Judge(), self.rows.append)

    def do(self, at_a_time: int = 2) -> Deferred[None]:
        return Deferred.fromCoroutine(self.run_.do(jobs(["m"], PROBLEMS, 1), at_a_time))

    def test_all(self) -> None:
        """Never more than so many are asked for at a time, and in the end each has been."""
        done = self.do()
        for number in range(6):
            self.assertEqual(len(self.model.asked), min(number + 2, 6))
            self.model.answer(number)
        self.successResultOf(done)
        self.assertEqual([each["task_id"] for each in self.rows], [f"t/{n}" for n in range(6)])
        self.assertEqual(self.rows[0]["raw"], "    return 1\n")
        self.assertTrue(self.rows[0]["program"].startswith("def f0"))

    def test_unanswered(self) -> None:
        """A sample that cannot be had is noted, and the others go on."""
        done = self.do()
        self.model.asked[0][1].errback(AskFailed("400 too long"))
        for number in range(1, 6):
            self.model.answer(number)
        self.successResultOf(done)
        self.assertEqual([each.why for each in self.run_.unanswered], ["400 too long"])
        self.assertEqual(len(self.rows), 5)

    def test_hopeless(self) -> None:
        """What leaves no hope for the others ends the run, and what was under way."""
        done = self.do(3)
        self.model.answer(0)
        self.model.asked[1][1].errback(NobodyThere("gone"))
        self.failureResultOf(done, NobodyThere)
        self.assertEqual((len(self.rows), self.model.cancelled), (1, 2))

    def test_cannot_write(self) -> None:
        """So does a result that cannot be written."""

        def full(_: Any) -> None:
            raise CannotWrite("no room")

        self.run_ = Run(Recipe(), self.model, Judge(), full)
        done = self.do()
        self.model.answer(0)
        self.failureResultOf(done, CannotWrite)

    def test_interrupted(self) -> None:
        """So does an interruption."""
        done = self.do()
        self.run_.interrupt()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.model.cancelled, 2)


class JobTests(SynchronousTestCase):
    """What is to be asked."""

    def test_missing(self) -> None:
        """What has a result is not asked again."""
        wanted = jobs(["a", "b"], PROBLEMS, 2)
        self.assertEqual(len(set(wanted)), 24)
        have = [{"model": "a", "task_id": "t/1", "sample": 1}]
        left = missing(wanted, have)
        self.assertEqual(
            set(wanted) - set(left),
            {
                each
                for each in wanted
                if (each.model, each.problem, each.sample) == ("a", PROBLEMS[1], 1)
            },
        )

    def test_request(self) -> None:
        """The prompt is asked as it stands; each sample of a problem has a seed of its own."""
        path, body = request(Recipe(seed=5), "m", PROBLEMS[0], 2)
        self.assertEqual((path, body["options"]["seed"]), ("/api/chat", 7))
        self.assertIn(PROBLEMS[0].prompt, body["messages"][0]["content"])
        path, body = request(Recipe(mode=Mode.COMPLETION), "m", PROBLEMS[0], 0)
        self.assertEqual(
            (path, body["prompt"], body["raw"]), ("/api/generate", PROBLEMS[0].prompt, True)
        )

    def test_verdicts(self) -> None:
        """The jail's words are read as what they mean."""
        for said, reason in (
            ("passed", Reason.PASSED),
            ("failed AssertionError:", Reason.FAILED),
            ("failed MemoryError:", Reason.MEMORY),
            ("timeout", Reason.TIMEOUT),
            ("killed by signal 11", Reason.ENDED),
            ("passed too", Reason.ENDED),
        ):
            self.assertIs(read(said)[0], reason)
