"""Tests for what is told of a run."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from rich.console import Console
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval import report
from ollama_twisted.humaneval.page import page
from ollama_twisted.humaneval.prompt import Recipe
from ollama_twisted.humaneval.tally import Tally


def row(task: int, passed: bool, model: str = "m", node: str = "one", **more: Any) -> Any:
    """One result."""
    return {
        "model": model,
        "task_id": f"t/{task}",
        "sample": 0,
        "passed": passed,
        "reason": "passed" if passed else "failed",
        "node": node,
        "tokens": 10,
        "generate_seconds": 0.5,
        "seconds": 1.0,
        **more,
    }


ROWS = [
    row(0, True),
    row(0, False, node="two"),
    row(1, False, node="two", tokens=None, generate_seconds=None, done_reason="length"),
    row(1, False),
    row(0, True, model="<best>"),
]


def told() -> dict[str, Any]:
    """The summary of a few results."""
    under = report.Conditions(
        version="1",
        base_url="http://x",
        recipe=Recipe().as_row(),
        problems="d",
        problem_count=2,
        samples=2,
        ks=(1, 2, 10),
        concurrency=1,
        sandbox="full",
        wanted=8,
        seconds=1.0,
        asked=5,
    )
    return report.summary(Tally(ROWS), under, [])


class ReportTests(SynchronousTestCase):
    """The numbers, and the forms they are given in."""

    def test_numbers(self) -> None:
        """pass@k is the mean over problems, paces are of what was timed, the best comes first."""
        summary = json.loads(json.dumps(told()))
        best, other = summary["models"]
        self.assertEqual((best["model"], best["pass_at"]), ("<best>", {"1": 1.0}))
        self.assertEqual(other["pass_at"], {"1": 0.25, "2": 0.5})
        self.assertEqual((other["samples"], other["passed"], other["tokens"]), (4, 1, 30))
        self.assertEqual(other["tokens_per_second"], 20.0)
        self.assertEqual((other["cut_by_num_predict"], other["unsolved"]), (1, ["t/1"]))
        self.assertEqual({n: s["samples"] for n, s in other["nodes"].items()}, {"one": 2, "two": 2})
        self.assertFalse(summary["complete"])

    def test_table(self) -> None:
        """The table names the models, and says that it is not all."""
        console = Console(file=io.StringIO(), width=160)
        console.print(report.table(told()))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        for each in ("not complete", "pass@2", "0.2500", "one 50%  two 50%"):
            self.assertIn(each, text)

    def test_csv(self) -> None:
        """A line for each model and each of its nodes, all of one width."""
        lines = list(csv.reader(io.StringIO(report.as_csv(told()))))
        self.assertEqual({len(each) for each in lines}, {len(lines[0])})
        self.assertEqual(
            [each[:4] for each in lines[1:]],
            [
                ["1", "<best>", "", "1.0000"],
                ["1", "<best>", "one", ""],
                ["2", "m", "", "0.2500"],
                ["2", "m", "one", ""],
                ["2", "m", "two", ""],
            ],
        )

    def test_page(self) -> None:
        """The page is one file with a plot of each kind, in which names are only names."""
        made = page(told())
        seen: list[str] = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, _: seen.append(tag)  # type: ignore[method-assign]
        parser.feed(made)
        self.assertEqual((seen.count("svg"), seen.count("best")), (2, 0))
        self.assertNotIn("http://www", made)
        self.assertIn("&lt;best&gt;", made)

    def test_write(self) -> None:
        """A file takes its place whole; without room for it the old one stays."""
        path = Path(tempfile.mkdtemp()) / "a"
        report.write(path, "one")
        self.assertEqual([each.name for each in path.parent.iterdir()], ["a"])
        self.assertRaises(OSError, report.write, Path("/no/such/a"), "one")
