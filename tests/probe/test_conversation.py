"""Tests for the child that is kept running, and asked by a line."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe.conversation import FIRST_DEADLINE, Conversation
from ollama_twisted.probe.run import DEADLINE, LIMIT, Runner
from ollama_twisted.probe.snapshot import Reason
from tests.probe.children import FakeReactor


class ConversationTests(SynchronousTestCase):
    """Lines to and fro."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        folder = self.mktemp()
        os.makedirs(folder)
        self.path = os.path.join(folder, "shell")
        with open(self.path, "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(self.path, 0o755)
        self.talk = Conversation(Runner(self.reactor, folder), "shell", ["shell"])

    def test_lines(self) -> None:
        """
        One child answers time and again, in pieces too; what it says unasked is nobody's answer.
        """
        first = self.talk.ask()
        self.reactor.last.says("[1")
        self.reactor.last.says("]\n")
        self.assertEqual(self.successResultOf(first).out, b"[1]\n")
        self.reactor.last.says("by the way\n")
        second = self.talk.ask()
        self.reactor.last.says("[2]\n")
        self.assertEqual(self.successResultOf(second).out, b"[2]\n")
        self.assertEqual((len(self.reactor.children), self.reactor.last.written), (1, [b"\n"] * 2))

    def test_silent(self) -> None:
        """
        Who does not answer in time is ended, and another one started when it is gone.
        """
        run = self.talk.ask()
        self.reactor.advance(FIRST_DEADLINE)
        self.assertEqual(self.successResultOf(run).fault, Reason.TIMEOUT)
        self.assertEqual(self.reactor.last.signals, ["TERM"])
        self.assertEqual(self.successResultOf(self.talk.ask()).fault, Reason.TIMEOUT)
        self.reactor.last.ends(None, killed=15)
        run = self.talk.ask()
        self.assertEqual(len(self.reactor.children), 2)
        self.reactor.last.says("[]\n")
        self.successResultOf(run)
        run = self.talk.ask()
        self.reactor.advance(DEADLINE)
        self.assertEqual(self.successResultOf(run).fault, Reason.TIMEOUT)

    def test_gone(self) -> None:
        """
        One that ends instead of answering has failed.
        """
        run = self.talk.ask()
        self.reactor.last.ends(1)
        self.assertEqual(self.successResultOf(run).fault, Reason.EXIT)

    def test_endless(self) -> None:
        """
        A line without an end is not waited for.
        """
        run = self.talk.ask()
        for _ in range(LIMIT // 2**20 + 1):
            self.reactor.last.says("x" * 2**20)
        self.assertEqual(self.successResultOf(run).fault, Reason.OVERFLOW)

    def test_missing(self) -> None:
        """
        A program that is not there is an answer as well.
        """
        os.remove(self.path)
        self.assertEqual(self.successResultOf(self.talk.ask()).fault, Reason.NOT_FOUND)
