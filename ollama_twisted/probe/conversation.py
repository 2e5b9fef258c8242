"""A child that is kept running because starting it is dear: asked by a line, it answers a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ollama_twisted.probe.command import Finished
from ollama_twisted.probe.run import DEADLINE, LIMIT, CannotStart, Fence, Runner
from ollama_twisted.probe.snapshot import Reason

# PowerShell itself takes seconds before it reads its first line.
FIRST_DEADLINE = 20.0


class Conversation:
    """One such child; started when first asked, and again after it has ended."""

    def __init__(self, runner: Runner, name: str, argv: Sequence[str]) -> None:
        self._runner = runner
        self._name = name
        self._argv = argv
        self._child: _Speaker | None = None

    def ask(self) -> Deferred[Finished]:
        """The next answer; always succeeds, as failing is an answer too."""
        child = self._child
        if child is not None and not child.over:
            return child.ask(DEADLINE)
        self._child = child = _Speaker(self._runner.reactor)
        try:
            self._runner.start(self._name, self._argv, child)
        except CannotStart as error:
            self._child = None
            answer: Deferred[Finished] = Deferred()
            answer.callback(Finished(fault=error.reason, detail=error.detail))
            return answer
        return child.ask(FIRST_DEADLINE)


class _Speaker(Fence):
    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.over = False
        self._heard = bytearray()
        self._answer: Deferred[Finished] | None = None
        self._timer: Any = None
        self._asked = 0.0

    def ask(self, deadline: float) -> Deferred[Finished]:
        """Send the line; whatever was said unasked is forgotten."""
        self._heard.clear()
        answer: Deferred[Finished] = Deferred()
        self._answer = answer
        self._asked = self.reactor.seconds()
        self._timer = self.reactor.callLater(
            deadline, self._fail, Reason.TIMEOUT, f"did not answer within {deadline:g} s"
        )
        self.transport.write(b"\n")
        return answer

    def outReceived(self, data: bytes) -> None:
        if self._answer is None:
            return
        self._heard += data
        if b"\n" in data:
            line = bytes(self._heard[: self._heard.index(b"\n") + 1])
            self._finish(Finished(line, b"", 0, self._took()))
        elif len(self._heard) > LIMIT:
            self._fail(Reason.OVERFLOW, f"printed more than {LIMIT} bytes")

    def processEnded(self, reason: Failure) -> None:
        value: Any = reason.value
        super().processEnded(reason)
        self._fail(Reason.EXIT, f"ended with {value.exitCode}")

    def _fail(self, reason: Reason, detail: str) -> None:
        self.over = True
        self._finish(Finished(b"", b"", -1, self._took(), reason, detail))
        self.end()

    def _finish(self, finished: Finished) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.callback(finished)

    def _took(self) -> float:
        return float(self.reactor.seconds() - self._asked)
