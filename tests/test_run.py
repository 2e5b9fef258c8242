"""Tests for the runner's own accounts: a wrong sum would hide every other failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from unittest import SkipTest, TestSuite

from twisted.trial.reporter import TreeReporter
from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.summary import Summary


class Sample(SynchronousTestCase):
    """Tests that end in each possible way; run by the tests below only."""

    def passes(self) -> None:
        pass

    def fails(self) -> None:
        self.fail("as it should")

    def breaks(self) -> None:
        self.addCleanup(self.fail, "once more, after the error")
        raise ZeroDivisionError

    def is_skipped(self) -> None:
        raise SkipTest("not now")

    def is_known(self) -> None:
        self.fail("nobody expected otherwise")

    is_known.todo = "later"  # type: ignore[attr-defined]

    def is_better_than_known(self) -> None:
        pass

    is_better_than_known.todo = "done by now"  # type: ignore[attr-defined]


class SummaryTests(SynchronousTestCase):
    """The last line, and the exit code."""

    def of(self, *names: str) -> Summary:
        reporter = TreeReporter(StringIO())
        TestSuite(Sample(each) for each in names).run(reporter)
        self.flushLoggedErrors()
        return Summary.of(reporter)

    def test_counts(self) -> None:
        """
        Every test is counted once, whatever it left behind.
        """
        summary = self.of("passes", "passes", "fails", "breaks", "is_skipped")
        self.assertEqual(str(summary), "2 passed, 2 failed, 1 skipped")

    def test_expected(self) -> None:
        """
        An expected failure counts as skipped; one that passes after all must be looked at.
        """
        summary = self.of("is_known", "is_better_than_known")
        self.assertEqual(str(summary), "0 passed, 1 failed, 1 skipped")

    def test_exit_code(self) -> None:
        """
        Success means that something passed and nothing failed.
        """
        outcomes = [
            self.of("passes", "is_skipped").exit_code,
            self.of("passes", "fails").exit_code,
            self.of("is_skipped").exit_code,
            self.of().exit_code,
        ]
        self.assertEqual(outcomes, [0, 1, 1, 1])

    def test_total(self) -> None:
        """
        Summaries of parts make one of the whole; of nothing it is empty.
        """
        one, two = Summary(1, 2, 3), Summary(10, 20, 30)
        self.assertEqual(Summary.total([one, two]), Summary(11, 22, 33))
        self.assertEqual(Summary.total([]), Summary(0, 0, 0))

    def test_unimportable(self) -> None:
        """
        A module that cannot be imported fails the run, and the counts are the last line.
        """
        done = subprocess.run(
            [sys.executable, "-m", "tests.run", "tests.no_such_module"],
            env={**os.environ, "PYTHONPATH": str(parts.ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        )
        self.assertEqual(
            (done.returncode, done.stdout.splitlines()[-1]), (1, "0 passed, 1 failed, 0 skipped")
        )


class PartTests(SynchronousTestCase):
    """Real parts that are not there."""

    def setUp(self) -> None:
        self.patch(parts, "missing", set())
        self.patch(os, "environ", {**os.environ})

    def test_at_home(self) -> None:
        """
        Outside CI the test is skipped, and the part remembered for the line at the end.
        """
        os.environ["CI"] = ""
        self.assertRaises(SkipTest, parts.executable, "no-such-program")
        self.assertEqual(parts.missing, {"no-such-program"})

    def test_in_ci(self) -> None:
        """
        In CI a missing part is a failure.
        """
        os.environ["CI"] = "true"
        self.assertRaises(parts.PartMissing, parts.executable, "no-such-program")
        self.assertRaises(parts.PartMissing, parts.module, "no_such_module")

    def test_installed_in_ci(self) -> None:
        """
        Every program that some test asks for is installed by CI, so that a new machine has it too.
        """
        script = (parts.ROOT / ".ci" / "run").read_text(encoding="utf-8")
        installed = set(re.findall(r"^  ([\w.-]+):[\w.-]+$", script, re.MULTILINE))
        made = {name for name, how in parts.PACKAGES.items() if how.startswith("make ")}
        asked = {
            name
            for path in (parts.ROOT / "tests").rglob("test_*.py")
            for name in re.findall(r'executable\("([a-z][\w.-]*)"\)', path.read_text("utf-8"))
        }
        self.assertEqual(asked - installed - made, set())

    def test_there(self) -> None:
        """
        A program is found; what asked for it may go on.
        """
        self.assertTrue(os.access(parts.executable("make"), os.X_OK))
        parts.module("json")
        self.assertEqual(parts.missing, set())
