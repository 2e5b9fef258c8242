"""Lanes as processes: what they add up to, and how they end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from unittest import SkipTest

import psutil
from twisted.trial.unittest import SynchronousTestCase

from tests import lanes, parts
from tests.jobs import Job
from tests.live.child import PATIENCE
from tests.summary import Summary

#: Names a folder in which the samples below leave something.
PLACE = "OLLAMA_TWISTED_LANES"

IN_LANES = "from tests import jobs, lanes; from tests.live.test_lanes import job; "


def job(name: str, **more: bool) -> Job:
    """One of the samples as a job."""
    return Job((f"tests.live.test_lanes.Sample.{name}",), **more)


def until_there(path: Path) -> str:
    """What a file says, once it is there."""
    until = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > until:
            raise AssertionError(f"there is no {path}")
        time.sleep(0.01)
    return path.read_text()


class Sample(SynchronousTestCase):
    """Tests that lanes are given below, and nobody else."""

    def passes(self) -> None:
        print("so it goes", end="")

    def fails(self) -> None:
        self.fail("as it should")

    def is_skipped(self) -> None:
        raise SkipTest("not now")

    def misses(self) -> None:
        parts.missing.add("no-such-program")

    def dies(self) -> None:
        os._exit(3)

    def signs(self) -> None:
        with (Path(os.environ[PLACE]) / "signed").open("a") as file:
            file.write(f"{os.getpid()} ")

    def reads(self) -> None:
        self.assertEqual(sys.stdin.read(), "")

    def _meet(self, ours: str, theirs: str) -> None:
        place = Path(os.environ[PLACE])
        (place / ours).touch()
        until_there(place / theirs)

    def meets_one(self) -> None:
        self._meet("two", "one")

    def meets_two(self) -> None:
        self._meet("one", "two")

    def hangs(self) -> None:
        child = subprocess.Popen(["sleep", "1000"])
        place = Path(os.environ[PLACE])
        (place / "new").write_text(f"{os.getpid()} {child.pid}")
        (place / "new").rename(place / "hanging")
        child.wait()


class LaneTests(SynchronousTestCase):
    """Some jobs, in one or two lanes."""

    def setUp(self) -> None:
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir()
        os.environ[PLACE] = str(self.place)
        self.addCleanup(os.environ.pop, PLACE)
        self.patch(parts, "missing", set())
        self.shown = StringIO()

    def run_jobs(self, *jobs: Job, count: int = 1) -> Summary:
        self.patch(sys, "stdout", self.shown)
        try:
            return lanes.run(jobs, count)
        finally:
            sys.stdout = sys.__stdout__

    def test_total(self) -> None:
        """
        Counts of all lanes are added up, whatever was printed; the failed are named at the end.
        """
        names = ("passes", "fails", "is_skipped", "misses", "passes", "reads")
        summary = self.run_jobs(*map(job, names), count=2)
        self.assertEqual(str(summary), "4 passed, 1 failed, 1 skipped")
        self.assertEqual(parts.missing, {"no-such-program"})
        shown = self.shown.getvalue()
        self.assertIn("FailTest: as it should", shown)
        self.assertEqual(shown.splitlines()[-1], f"Failed, see above: {job('fails')}")

    def test_at_the_same_time(self) -> None:
        """
        Two lanes work at the same time.
        """
        summary = self.run_jobs(job("meets_one"), job("meets_two"), count=2)
        self.assertEqual(summary, Summary(passed=2))

    def test_alone(self) -> None:
        """
        A job that wants to be alone waits until the others are done.
        """
        names = ("meets_one", "meets_two", "passes")
        self.run_jobs(job("is_skipped", alone=True), *map(job, names), count=2)
        ran = re.findall(r"^    (\w+) \.\.\.", self.shown.getvalue(), re.MULTILINE)
        self.assertEqual((sorted(ran[:3]), ran[3:]), (sorted(names), ["is_skipped"]))

    def test_heavy(self) -> None:
        """
        One process does job after job; one that did a heavy job does no other.
        """
        self.run_jobs(*[job("signs")] * 2, job("signs", heavy=True), job("signs"))
        one, two, three, four = (self.place / "signed").read_text().split()
        self.assertEqual((one, two), (two, three))
        self.assertNotEqual(three, four)
        self.assertFalse(psutil.pid_exists(int(three)))

    def test_dies(self) -> None:
        """
        A process that ends over a test has failed, and what waits is done by another.
        """
        summary = self.run_jobs(job("dies"), job("passes"))
        self.assertEqual(summary, Summary(passed=1, failed=1))
        self.assertIn(f"{job('dies')}: the process that ran it ended with 3", self.shown.getvalue())

    def test_ended(self) -> None:
        """
        Whoever ends the runner, by Ctrl-C or otherwise, ends the lanes and what they started.
        """
        for way in (signal.SIGINT, signal.SIGTERM):
            runner = subprocess.Popen(
                [sys.executable, "-c", f"{IN_LANES}lanes.run([job('hangs')], 2)"],
                cwd=parts.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            hanging = self.place / "hanging"
            processes = [psutil.Process(int(each)) for each in until_there(hanging).split()]
            hanging.unlink()
            runner.send_signal(way)
            _, said = runner.communicate(timeout=2 * PATIENCE)
            self.assertIn(b"KeyboardInterrupt", said)
            _, alive = psutil.wait_procs(processes, PATIENCE)
            self.assertEqual(alive, [])
