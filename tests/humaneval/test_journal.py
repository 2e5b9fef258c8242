"""Tests for the file of results."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval.journal import CannotWrite, Journal, JournalError
from ollama_twisted.humaneval.prompt import Recipe

ROW = {"model": "m", "task_id": "t", "sample": 0, "passed": True, "raw": "é\ud800\n\u2028"}


class JournalTests(SynchronousTestCase):
    """Writing, and going on."""

    def setUp(self) -> None:
        self.path = Path(tempfile.mkdtemp()) / "results.jsonl"

    def open(self, recipe: Recipe | None = None, resume: bool = True) -> Journal:
        journal = Journal(self.path, recipe or Recipe(), resume)
        self.addCleanup(journal.close)
        return journal

    def test_again(self) -> None:
        """What was written is read again, whatever is in it."""
        journal = self.open()
        journal.append(ROW)
        journal.append({**ROW, "sample": 1})
        journal.close()
        rows = self.open().rows
        self.assertEqual([each["sample"] for each in rows], [0, 1])
        self.assertEqual(rows[0]["raw"], ROW["raw"])

    @given(st.integers(0, 10_000))
    def test_cut(self, at: int) -> None:
        """Of a file that was cut anywhere the whole lines count, and it can be gone on with."""
        self.setUp()
        journal = Journal(self.path, Recipe())
        for number in range(3):
            journal.append({**ROW, "sample": number})
        journal.close()
        data = self.path.read_bytes()
        at = min(at, len(data))
        self.path.write_bytes(data[:at])
        journal = Journal(self.path, Recipe())
        whole = data[:at].count(b"\n")
        self.assertEqual(len(journal.rows), whole)
        journal.append({**ROW, "sample": 9})
        journal.close()
        journal = Journal(self.path, Recipe())
        self.assertEqual(len(journal.rows), whole + 1)
        journal.close()

    def test_two_runs(self) -> None:
        """Two runs do not write to one file."""
        self.open()
        self.assertRaises(JournalError, Journal, self.path, Recipe())

    def test_other_recipe(self) -> None:
        """Results of another recipe are not gone on with, and the difference is named."""
        journal = self.open()
        journal.append(ROW)
        journal.close()
        error = self.assertRaises(JournalError, Journal, self.path, Recipe(temperature=0.5))
        self.assertIn("temperature 0.0, not 0.5", str(error))

    def test_anew(self) -> None:
        """Beginning anew keeps what there was under another name."""
        journal = self.open()
        journal.append(ROW)
        journal.close()
        self.assertEqual(self.open(Recipe(seed=1), resume=False).rows, [])
        self.assertTrue(self.path.with_name("results.jsonl.old").exists())

    def test_foreign(self) -> None:
        """A file of something else is left alone, as is what is no file."""
        self.path.write_text("hello\n")
        self.assertRaises(JournalError, Journal, self.path, Recipe())
        self.assertEqual(self.path.read_text(), "hello\n")
        self.assertRaises(JournalError, Journal, Path(os.devnull), Recipe())
        self.assertRaises(CannotWrite, Journal, Path("/no/such/folder/x"), Recipe())

    def test_full(self) -> None:
        """Without room the file stays whole, and the result that had none is put elsewhere."""
        journal = self.open()
        journal.append(ROW)
        whole = self.path.read_bytes()
        real = journal._file

        class Full:
            closed = False
            fileno, truncate, close = real.fileno, real.truncate, real.close

            def write(self, data: bytes) -> int:
                if len(data) > 20:
                    return real.write(data[:20])
                raise OSError(errno.ENOSPC, "No space left on device")

        journal._file = Full()  # type: ignore[assignment]
        error = self.assertRaises(CannotWrite, journal.append, {**ROW, "raw": "x" * 0})
        self.assertEqual(self.path.read_bytes(), whole)
        self.assertIn("No space left", str(error))
        spared = Path(str(error).rpartition(" is in ")[2])
        self.assertEqual(json.loads(spared.read_text())["task_id"], "t")
        spared.unlink()

    def test_nothing(self) -> None:
        """A run that had no result leaves no file."""
        self.open().close()
        self.assertFalse(self.path.exists())
