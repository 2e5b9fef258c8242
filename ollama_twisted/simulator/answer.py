"""
One answer on its way to the client, with the fault that strikes it.

What a handler sends passes through here and nothing else does, so this is the
one place where an answer can be delayed, cut or spoilt.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.task import deferLater
from twisted.web.server import Request
from zope.interface import implementer

from ollama_twisted.simulator.engine import EngineError
from ollama_twisted.simulator.faults import Fault, Kind

_AT_TOKEN = {
    Kind.RESET_AT_TOKEN,
    Kind.CUT_AT_TOKEN,
    Kind.STALL_AT_TOKEN,
    Kind.ERROR_AT_TOKEN,
    Kind.MALFORMED_AT_TOKEN,
}
_TIME_TO_LEAVE = 0.02
_STEPS_A_SECOND = 10
_JUNK_HEAD = b"\x00\x17 this was never HTTP\r\n\r\n"
_MALFORMED = b"xyz\r\nno chunk has such a size\r\n"
_SIMULATED_ERROR = "an error was encountered while running the model: simulated"


class Broken(Exception):
    """The fault has ended the answer; there is nothing left to send."""


@implementer(IPushProducer)
class Answer:
    """
    The answer to one request.

    Either `whole`, or `begin` followed by any number of `token` and by `end`.
    All of them wait while the client does not read.
    """

    def __init__(self, request: Request, clock: IReactorTime, fault: Fault | None) -> None:
        self._request = request
        self._clock = clock
        self._fault = fault
        self._tokens = 0
        self._sent = 0
        self._produces = False
        self._taken: Deferred[None] | None = None
        self._channel: Any = request.channel

    @property
    def begun(self) -> bool:
        """Has any of it left, so that its status can no longer change?"""
        return bool(self._request.startedWriting)

    async def precede(self) -> None:
        """Let the faults strike that come before any answer."""
        if self._fault is None:
            return
        kind, value = self._fault.kind, self._fault.value
        if kind in (Kind.RESET_BEFORE_HEAD, Kind.REFUSE):
            self._reset()
        elif kind is Kind.EOF_BEFORE_HEAD:
            self._close()
        elif kind is Kind.JUNK_HEAD:
            self._channel.transport.write(_JUNK_HEAD)
            self._close()
        elif kind is Kind.STALL_BEFORE_HEAD:
            await self._stall(value)

    async def whole(self, status: int, content_type: str, body: bytes) -> None:
        """Send an answer in one piece."""
        at_token = self._fault is not None and self._fault.kind in _AT_TOKEN
        if at_token and status < 400:
            await self._half(status, content_type, body)
        self._request.setHeader(b"content-length", b"%d" % len(body))
        await self.begin(status, content_type)
        await self._put(body)
        self.end()

    async def begin(self, status: int, content_type: str) -> None:
        """Say what the answer will be.  The head leaves with the first part of the body."""
        self._request.setResponseCode(status)
        if content_type:
            self._request.setHeader(b"content-type", content_type.encode())
        else:
            self._request.defaultContentType = None
            self._request.responseHeaders.removeHeader(b"content-type")
        if self._fault is not None and self._fault.kind is Kind.STALL_AFTER_HEAD:
            self._request.write(b"")
            await self._stall(self._fault.value)

    async def token(self, data: bytes) -> None:
        """Send one part of a streamed answer."""
        if self._fault is not None and self._fault.kind in _AT_TOKEN:
            if self._tokens == self._fault.count:
                await self._strike(self._fault)
            self._tokens += 1
        if not self._produces:
            self._produces = True
            self._request.registerProducer(self, True)
        await self._put(data)
        if self._taken is not None:
            await self._taken

    def end(self) -> None:
        """There is no more."""
        if self._produces:
            self._request.unregisterProducer()
        if not self.begun:
            self._request.write(b"")
        self._request.finish()

    def pauseProducing(self) -> None:
        """The client does not read: let whoever sends wait."""
        if self._taken is None:
            self._taken = Deferred()

    def resumeProducing(self) -> None:
        """The client has read what there was."""
        taken, self._taken = self._taken, None
        if taken is not None and not taken.called:
            taken.callback(None)

    def stopProducing(self) -> None:
        """The client has left: whoever serves it is cancelled by `notifyFinish`."""

    async def _put(self, data: bytes) -> None:
        fault = self._fault
        if fault is None:
            self._request.write(data)
        elif fault.kind is Kind.RESET_AT_BYTE and self._sent + len(data) > fault.count:
            self._request.write(data[: fault.count - self._sent])
            await self._reset_after()
        elif fault.kind is Kind.SLOW and fault.value:
            step = max(1, int(fault.value / _STEPS_A_SECOND))
            for at in range(0, len(data), step):
                part = data[at : at + step]
                self._request.write(part)
                await deferLater(self._clock, len(part) / fault.value)
        else:
            self._request.write(data)
        self._sent += len(data)

    async def _half(self, status: int, content_type: str, body: bytes) -> None:
        """Send half of an answer in one piece, and let the fault strike there."""
        assert self._fault is not None
        if self._fault.kind is not Kind.ERROR_AT_TOKEN:
            if self._fault.kind is not Kind.MALFORMED_AT_TOKEN:
                self._request.setHeader(b"content-length", b"%d" % len(body))
            await self.begin(status, content_type)
            self._request.write(body[: len(body) // 2])
        await self._strike(self._fault)

    async def _strike(self, fault: Fault) -> None:
        if fault.kind is Kind.ERROR_AT_TOKEN:
            self._fault = None
            raise EngineError(_SIMULATED_ERROR)
        self._request.write(b"")
        if fault.kind is Kind.RESET_AT_TOKEN:
            await self._reset_after()
        elif fault.kind is Kind.STALL_AT_TOKEN:
            await self._stall(None)
        elif fault.kind is Kind.MALFORMED_AT_TOKEN:
            self._channel.transport.write(_MALFORMED)
        self._close()

    async def _stall(self, seconds: float | None) -> None:
        if seconds is None:
            await Deferred()  # until the client leaves
        else:
            await deferLater(self._clock, seconds)

    async def _reset_after(self) -> None:
        # What was written must be on its way before the reset overtakes it.
        await deferLater(self._clock, _TIME_TO_LEAVE)
        self._reset()

    def _reset(self) -> None:
        self._channel.transport.abortConnection()
        raise Broken()

    def _close(self) -> None:
        if self._produces:
            self._request.unregisterProducer()
        self._channel.loseConnection()
        raise Broken()
