"""Tests for the fence around a child."""

from __future__ import annotations

import errno
import os

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe.command import Finished
from ollama_twisted.probe.run import DEADLINE, ERR_LIMIT, GRACE, LIMIT, LINGER, Runner
from ollama_twisted.probe.snapshot import Reason
from tests.probe.children import FakeReactor

NOTHING: Finished | None = None


class RunTests(SynchronousTestCase):
    """A child that says something and ends."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.folder = self.mktemp()
        os.makedirs(self.folder)
        self.have("tool")
        self.runner = Runner(self.reactor, self.folder)

    def have(self, name: str) -> None:
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(path, 0o755)

    def run_(self, name: str = "tool") -> Deferred[Finished]:
        return self.runner.run(name, [name, "-x"])

    def test_output(self) -> None:
        """
        What it said, how it ended and how long it took.
        """
        run = self.run_()
        self.reactor.last.says("one\n", "two\n")
        self.reactor.advance(0.25)
        self.reactor.last.says("three\n")
        self.reactor.last.ends(3)
        self.assertEqual(self.successResultOf(run), Finished(b"one\nthree\n", b"two\n", 3, 0.25))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_environment(self) -> None:
        """
        It is called by its full path, speaks English and is told nothing of our environment.
        """
        self.run_()
        child = self.reactor.last
        self.assertEqual(list(child.argv), [os.path.join(self.folder, "tool"), "-x"])
        self.assertEqual(child.environment, {"LC_ALL": "C", "LANG": "C", "PATH": self.folder})
        self.assertIn("stdin", child.closed)

    def test_session(self) -> None:
        """
        Where there is setsid it leads a session, so that its offspring can be ended with it.
        """
        self.have("setsid")
        self.run_()
        self.assertEqual(self.reactor.last.tool, "tool")
        self.assertTrue(self.reactor.last.argv[0].endswith("/setsid"))

    def test_deadline(self) -> None:
        """
        Whoever takes too long is asked to end, then made to.
        """
        run = self.run_()
        self.reactor.last.says("half a li")
        self.reactor.advance(DEADLINE)
        self.assertEqual(self.reactor.last.signals, ["TERM"])
        self.reactor.advance(GRACE)
        self.assertEqual(self.reactor.last.signals, ["TERM", "KILL"])
        self.reactor.last.ends(None, killed=9)
        finished = self.successResultOf(run)
        self.assertEqual(
            (finished.fault, finished.exit_code, finished.out), (Reason.TIMEOUT, -1, b"")
        )

    def test_immortal(self) -> None:
        """
        Whoever survives even that is no longer waited for, and not started a second time.
        """
        run = self.run_()
        self.reactor.pump([DEADLINE, GRACE, GRACE])
        self.assertEqual(self.successResultOf(run).fault, Reason.TIMEOUT)
        again = self.successResultOf(self.run_())
        self.assertEqual((again.fault, len(self.reactor.children)), (Reason.TIMEOUT, 1))
        self.reactor.last.ends(None, killed=9)
        self.run_()
        self.assertEqual(len(self.reactor.children), 2)

    def test_flood(self) -> None:
        """
        Whoever prints too much is killed at once, and nothing of it is kept.
        """
        run = self.run_()
        for _ in range(LIMIT // 2**20 + 1):
            self.reactor.last.says("y\n" * 2**19)
        self.reactor.advance(0)
        self.assertEqual(self.reactor.last.signals, ["KILL"])
        self.assertIn("stdout", self.reactor.last.closed)
        self.reactor.last.ends(None, killed=9)
        finished = self.successResultOf(run)
        self.assertEqual((finished.fault, finished.out), (Reason.OVERFLOW, b""))

    def test_complaints(self) -> None:
        """
        The same holds for what it complains.
        """
        run = self.run_()
        for _ in range(3):
            self.reactor.last.says(err="n" * ERR_LIMIT)
        self.reactor.advance(0)
        self.reactor.last.ends(None, killed=9)
        self.assertEqual(self.successResultOf(run).fault, Reason.OVERFLOW)

    def test_grandchild(self) -> None:
        """
        A pipe that somebody holds open after the child has gone is closed after a moment.
        """
        run = self.run_()
        self.reactor.last.says("all\n")
        self.reactor.last.exits()
        self.reactor.advance(LINGER)
        self.assertIn("all", self.reactor.last.closed)
        self.reactor.last.ends()
        self.assertEqual(self.successResultOf(run).out, b"all\n")

    def test_killed_by_another(self) -> None:
        """
        Whoever is killed by somebody else has failed, whatever it had said.
        """
        run = self.run_()
        self.reactor.last.says("something\n")
        self.reactor.last.ends(None, killed=9)
        self.assertEqual(self.successResultOf(run).fault, Reason.EXIT)

    def test_missing(self) -> None:
        """
        A missing tool is an answer, and nothing is started.
        """
        finished = self.successResultOf(self.run_("no-such-tool"))
        self.assertEqual((finished.fault, self.reactor.children), (Reason.NOT_FOUND, []))

    def test_no_descriptors(self) -> None:
        """
        Nor is it more than an answer when the system has nothing left to start it with.
        """
        for number, reason in [
            (errno.EMFILE, Reason.DENIED),
            (errno.EACCES, Reason.DENIED),
            (errno.ENOENT, Reason.NOT_FOUND),
            (errno.ENOMEM, Reason.DENIED),
        ]:
            self.reactor.fault = OSError(number, os.strerror(number))
            finished = self.successResultOf(self.run_())
            self.assertEqual(finished.fault, reason)
            self.assertIn(os.strerror(number), finished.detail)
        self.reactor.fault = OSError("out of pty devices")
        self.assertIn("out of pty devices", self.successResultOf(self.run_()).detail)
        self.reactor.fault = None
        self.run_()
        self.assertEqual(len(self.reactor.children), 1)

    def test_one_of_a_kind(self) -> None:
        """
        While one runs, there is no second of its name.
        """
        first = self.run_()
        self.assertEqual(self.successResultOf(self.run_()).fault, Reason.TIMEOUT)
        self.reactor.last.ends()
        self.successResultOf(first)
        self.run_()
        self.assertEqual(len(self.reactor.children), 2)

    def test_stop(self) -> None:
        """
        Stopping ends every child, waits for each and starts no more.
        """
        self.have("other")
        self.run_()
        self.run_("other")
        self.reactor.advance(0)
        stopped = self.runner.stop()
        self.assertEqual([each.signals for each in self.reactor.children], [["TERM"], ["TERM"]])
        self.reactor.children[0].ends(None, killed=15)
        self.assertNoResult(stopped)
        self.reactor.children[1].ends(None, killed=15)
        self.successResultOf(stopped)
        self.assertEqual(self.successResultOf(self.run_()).fault, Reason.DENIED)
        self.assertEqual((len(self.reactor.children), self.reactor.getDelayedCalls()), (2, []))
