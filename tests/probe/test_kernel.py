"""Tests for the asking of the kernel: in parts, with a deadline, and what its refusals become."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe import kernel
from ollama_twisted.probe.command import Finished
from ollama_twisted.probe.diag import question
from ollama_twisted.probe.kernel import AT_A_TIME, ATTEMPTS, Kernel
from ollama_twisted.probe.run import DEADLINE, LIMIT
from ollama_twisted.probe.snapshot import Reason
from tests.probe.recorded import whole
from tests.probe.test_diag import DONE, message

QUESTION = question([11434])
INTERRUPTED = struct.pack("=IHHIIi", 20, 3, 0x12, 10, 0, 0)


class FakeSocket:
    """Gives what is in ``answers``, one by one; an error is raised."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answers: list[bytes | OSError] = []
        self.closed = False

    def send(self, data: bytes) -> None:
        self.asked.append(data)

    def recv_into(self, buffer: memoryview) -> int:
        if not self.answers:
            raise BlockingIOError(errno.EAGAIN, "nothing yet")
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        buffer[: len(answer)] = answer
        return len(answer)

    def fileno(self) -> int:
        return -1 if self.closed else 99

    def close(self) -> None:
        self.closed = True


class FakeReactor(Clock):
    """A clock that knows who reads."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


class KernelTests(SynchronousTestCase):
    """One question at a time."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.socket = FakeSocket()
        self.patch(kernel.socket, "socket", lambda *_: self.socket)
        self.kernel = Kernel(self.reactor)

    def ask(self, *answers: bytes | OSError) -> Deferred[Finished]:
        self.socket.answers = list(answers)
        return self.kernel.ask(QUESTION)

    def answer(self, *answers: bytes | OSError) -> Finished:
        """What came of it once everything was read."""
        asked = self.ask(*answers)
        while self.reactor.readers and self.socket.answers:
            self.reactor.readers[0].doRead()
        found: Finished = self.successResultOf(asked)
        self.assertTrue(self.socket.closed)
        self.assertEqual((self.reactor.readers, self.reactor.getDelayedCalls()), ([], []))
        return found

    def test_all(self) -> None:
        """
        However many parts an answer has, it is one.
        """
        found = self.answer(message(), message(), message() + DONE)
        self.assertEqual((found.reading, found.exit_code), (whole(message() * 3 + DONE), 0))
        self.assertEqual(self.socket.asked, [QUESTION.message])

    def test_turns(self) -> None:
        """
        So much is taken at a time, and then others have their turn.
        """
        asked = self.ask(*[message()] * (AT_A_TIME + 2))
        (reader,) = self.reactor.readers
        reader.doRead()
        self.assertEqual(len(self.socket.answers), 2)
        reader.doRead()
        self.assertNoResult(asked)
        self.kernel.stop()
        self.assertEqual(self.successResultOf(asked).fault, Reason.DENIED)

    def test_refused(self) -> None:
        """
        Each way of not answering has its reason.
        """
        denied = struct.pack("=IHHIIi", 36, 2, 0, 10, 0, -errno.EPERM) + bytes(16)
        for answer, reason, word in [
            (denied, Reason.DENIED, os.strerror(errno.EPERM)),
            (OSError(errno.ENOBUFS, ""), Reason.OVERFLOW, os.strerror(errno.ENOBUFS)),
            (OSError(errno.ENOENT, ""), Reason.EXIT, os.strerror(errno.ENOENT)),
        ]:
            self.socket = FakeSocket()
            found = self.answer(answer)
            self.assertEqual((found.fault, found.exit_code, found.reading), (reason, None, None))
            self.assertIn(word, found.detail)

    def test_too_much(self) -> None:
        """
        An answer without end is given up.
        """
        part = message() * 100
        found = self.answer(*[part] * (LIMIT // len(part) + 1))
        self.assertEqual((found.fault, found.reading), (Reason.OVERFLOW, None))
        self.assertIn("more than", found.detail)

    def test_no_socket(self) -> None:
        """
        Where there is no such socket the refusal comes at once.
        """

        def refuse(*_: int) -> None:
            raise OSError(errno.EAFNOSUPPORT, "no")

        self.patch(kernel.socket, "socket", refuse)
        found = self.successResultOf(self.kernel.ask(QUESTION))
        self.assertEqual(found.fault, Reason.DENIED)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_interrupted(self) -> None:
        """
        An answer that is not whole is asked for again, from the beginning, a few times.
        """
        found = self.answer(message(), INTERRUPTED, message(), DONE)
        self.assertEqual((found.reading, found.exit_code), (whole(message() + DONE), 0))
        self.assertEqual(self.socket.asked, [QUESTION.message] * 2)
        self.socket = FakeSocket()
        found = self.answer(*[INTERRUPTED] * ATTEMPTS)
        self.assertEqual(found.fault, Reason.EXIT)

    def test_silence(self) -> None:
        """
        No answer within the deadline is a failure, and the socket is let go.
        """
        asked = self.ask()
        self.reactor.advance(DEADLINE)
        self.assertEqual(self.successResultOf(asked).fault, Reason.TIMEOUT)
        self.assertTrue(self.socket.closed)
        self.assertEqual(self.reactor.readers, [])
