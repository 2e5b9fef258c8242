"""The simulated node as a resource: each request is a coroutine, ended when its client leaves."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import IO, Any
from urllib.parse import unquote

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from ollama_twisted.simulator import routes
from ollama_twisted.simulator.answer import Answer, Broken
from ollama_twisted.simulator.ask import BadAsk
from ollama_twisted.simulator.call import Call
from ollama_twisted.simulator.engine import EngineError
from ollama_twisted.simulator.faults import BadFault, Fault, Kind
from ollama_twisted.simulator.node import Node
from ollama_twisted.simulator.places import QueueFull
from ollama_twisted.wire.zstd import CannotOpen, opened

FAULT_HEADER = b"x-simulator-fault"
_PLAIN = "text/plain; charset=utf-8"
_BUSY = "server busy, please try again.  maximum pending requests exceeded"
_STATUS_MESSAGES = {
    429: "too many requests",
    500: "an error was encountered while running the model: simulated",
    502: "bad gateway",
    503: _BUSY,
}


class NodeResource(Resource):
    """
    Everything below ``/`` but what the simulator's own pages take.

    ``refuse`` is called with a number of seconds when a fault says that the
    node shall be gone for as long.
    """

    isLeaf = True
    _log = Logger()

    def __init__(self, node: Node, refuse: Callable[[float], None]) -> None:
        super().__init__()
        self._node = node
        self._refuse = refuse

    def render(self, request: Request) -> int:
        """Start the coroutine that answers."""
        counts, path = self._node.counts, unquote(request.path.decode("latin-1"))
        counts.requests += 1
        counts.active += 1
        known = routes.find(path)
        counts.paths[path if known else "other"] = (
            counts.paths.get(path if known else "other", 0) + 1
        )
        gone = request.notifyFinish()
        work = Deferred.fromCoroutine(self._serve(request, path))
        gone.addErrback(lambda _: work.cancel())
        work.addCallbacks(self._finished, self._not_finished)
        work.addErrback(self._failed, request)
        return NOT_DONE_YET

    async def _serve(self, request: Request, path: str) -> None:
        request.responseHeaders.removeHeader(b"server")  # as Ollama, which does not say
        problem = routes.problem_of(path)
        asked = request.getHeader(FAULT_HEADER)
        try:
            fault = self._node.faults.decide(path, asked.decode() if asked else None)
        except BadFault as bad:
            await Answer(request, self._node.clock, None).whole(400, *problem(400, str(bad)))
            return
        answer = Answer(request, self._node.clock, fault)
        ears = self._node.ears
        deaf = fault is not None and fault.kind is Kind.DEAF
        if deaf or ears.locked:
            await ears.acquire()
            if not deaf:
                ears.release()
        try:
            if fault is not None:
                await self._precede(fault, answer)
            await self._route(request, path, answer)
        except BadAsk as bad:
            await answer.whole(bad.status, *problem(bad.status, bad.message))
        except QueueFull:
            await answer.whole(503, *problem(503, _BUSY))
        except EngineError as error:
            await answer.whole(500, *problem(500, str(error)))
        finally:
            if deaf:
                ears.release()

    async def _precede(self, fault: Fault, answer: Answer) -> None:
        if fault.kind is Kind.REFUSE:
            self._refuse(fault.value or 0.0)
        if fault.kind is Kind.STATUS:
            status = fault.count
            raise BadAsk(status, _STATUS_MESSAGES.get(status, "simulated"))
        await answer.precede()

    async def _route(self, request: Request, path: str, answer: Answer) -> None:
        found = routes.find(path)
        if found is None:
            await answer.whole(404, _PLAIN, b"404 page not found")
            return
        handler = found.methods.get(request.method.decode("latin-1"))
        if handler is None:
            request.setHeader(b"allow", ", ".join(found.methods).encode())
            await answer.whole(405, _PLAIN, b"405 method not allowed")
            return
        content, kind = _content(request, path), request.getHeader("content-type") or ""
        await handler(Call(self._node, answer, content, found.argument, kind))

    def _finished(self, _: None) -> None:
        self._node.counts.active -= 1
        self._node.counts.finished += 1

    def _not_finished(self, failure: Failure) -> None:
        self._node.counts.active -= 1
        if failure.check(Broken):
            self._node.counts.broken += 1
        elif failure.check(CancelledError):
            self._node.counts.cancelled += 1
        else:
            self._node.counts.broken += 1
            failure.raiseException()

    def _failed(self, failure: Failure, request: Request) -> None:
        """Something nobody thought of: say so, and let nobody wait for the rest."""
        self._log.failure("answering {path}", failure, path=request.path)
        channel: Any = request.channel
        if channel is not None:
            channel.transport.abortConnection()


def _content(request: Request, path: str) -> IO[bytes]:
    """The body that was sent; as in Ollama, it may come compressed on routes of other protocols."""
    content: IO[bytes] = request.content  # type: ignore[assignment]
    if request.getHeader(b"content-encoding") != b"zstd" or not path.startswith("/v1/"):
        return content
    try:
        return BytesIO(opened(content.read()))
    except CannotOpen as bad:
        raise BadAsk(400, str(bad)) from bad
