"""Coroutines that run by themselves: each wait ends once, and cancelling cleans up."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.task import Signal, Task


class TaskTests(SynchronousTestCase):
    """One task that waits for one thing after another."""

    def setUp(self) -> None:
        self.said: list[Any] = []
        self.failures: list[Failure] = []
        self.stopped: list[str] = []

    def run_(self, *waits: Awaitable[Any]) -> Task:
        """A task that waits for these, and notes what each gives."""

        async def waiting() -> None:
            try:
                for each in waits:
                    try:
                        self.said.append(await each)
                    except ValueError as error:
                        self.said.append(str(error))
            finally:
                self.said.append("end")

        task = Task(waiting(), self.failures.append)
        task.step()
        return task

    def signal(self, name: str = "") -> Signal[Any]:
        return Signal(lambda: self.stopped.append(name))

    def test_waits(self) -> None:
        """It goes on when what it waits for happens, with what that gives."""
        first, second = self.signal(), self.signal()
        task = self.run_(first, second)
        self.assertEqual((self.said, task.ended), ([], False))
        first.fire(1)
        self.assertEqual(self.said, [1])
        second.fire(2)
        self.assertEqual((self.said, task.ended, self.failures), ([1, 2, "end"], True, []))

    def test_fails(self) -> None:
        """What cannot happen any more is raised where it was waited for."""
        first, second = self.signal(), self.signal()
        self.run_(first, second)
        first.fail(ValueError("no"))
        second.fire(2)
        self.assertEqual(self.said, ["no", 2, "end"])

    def test_before(self) -> None:
        """What has happened already is not waited for."""
        first, second = self.signal(), self.signal()
        first.fire(1)
        second.fail(ValueError("no"))
        self.run_(first, second)
        self.assertEqual(self.said, [1, "no", "end"])

    def test_once(self) -> None:
        """What happens again is not heard."""
        signal = self.signal()
        self.run_(signal, self.signal())
        signal.fire(1)
        signal.fire(2)
        signal.fail(ValueError("late"))
        signal.cancel()
        self.assertEqual((self.said, self.stopped), ([1], []))

    def test_deferred(self) -> None:
        """Deferreds can be waited for as well, those that have a result and others."""
        later: Deferred[int] = Deferred()
        worse: Deferred[int] = Deferred()
        self.run_(succeed(1), later, worse, fail(ValueError("at once")), self.signal())
        later.callback(2)
        worse.errback(ValueError("no"))
        self.assertEqual(self.said, [1, 2, "no", "at once"])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cancel_signal(self) -> None:
        """Cancelling stops whoever would have fired the signal, and cleans up."""
        task = self.run_(self.signal("it"))
        task.cancel()
        self.assertEqual((self.stopped, self.said, task.ended), (["it"], ["end"], True))
        self.assertIsInstance(self.failures[0].value, CancelledError)

    def test_cancel_deferred(self) -> None:
        """The same holds for a Deferred."""
        waiting: Deferred[int] = Deferred(lambda _: self.stopped.append("it"))
        self.run_(waiting).cancel()
        self.assertEqual((self.stopped, self.said), (["it"], ["end"]))

    def test_cancel_ended(self) -> None:
        """A task that has ended has nothing to cancel."""
        task = self.run_()
        task.cancel()
        self.assertEqual((self.said, self.failures), (["end"], []))

    def test_cancel_twice(self) -> None:
        """Nor has one that was cancelled."""
        task = self.run_(self.signal("it"), self.signal("other"))
        task.cancel()
        task.cancel()
        self.assertEqual((self.stopped, self.said), (["it"], ["end"]))

    def test_unhandled(self) -> None:
        """What the coroutine does not handle is handed on."""

        async def broken() -> None:
            raise KeyError("oops")

        Task(broken(), self.failures.append).step()
        self.assertIsInstance(self.failures[0].value, KeyError)
