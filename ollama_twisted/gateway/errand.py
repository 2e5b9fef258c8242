"""One node's part in a request that concerns several: it is asked, and what it says is heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ollama_twisted.gateway.body import Body
from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.failures import AttemptFailed, Unreachable
from ollama_twisted.gateway.patience import Patience, Phase
from ollama_twisted.gateway.task import Signal
from ollama_twisted.gateway.upload import Upload
from ollama_twisted.pool.lease import visit
from ollama_twisted.pool.node import Node
from ollama_twisted.wire.head import AnswerHead, RequestHead
from ollama_twisted.wire.results import Result, error_in

if TYPE_CHECKING:
    from ollama_twisted.gateway.channel import Channel
    from ollama_twisted.gateway.core import Gateway

#: Of a node's answer, and of one line of it, more is not read.
LONGEST = 2**20


class Request(NamedTuple):
    """What is sent to each node."""

    head: RequestHead
    body: Body | Upload
    channel: Channel


class BrokenOff(Exception):
    """The node's answer did not come to its end.  ``str()`` says why."""


class Errand:
    """
    A request on one node.

    ``line`` is called with each line of a good answer as it comes.  Afterwards
    ``result`` says what became of it, and ``answer`` and ``said`` what the node answered.
    """

    def __init__(
        self,
        gateway: Gateway,
        node: Node,
        request: Request,
        limit: float,
        line: Callable[[bytes], None] | None = None,
    ) -> None:
        self.node = node
        self.result = Result(node.name, 502, "it was not asked")
        #: Set before it is run: why the node need not be asked.
        self.why_not = ""
        self.answer: AnswerHead | None = None
        self.said = b""
        self._gateway = gateway
        self._request = request
        self._line = line
        self._limit = limit
        self._patience = Patience()
        self._connection: NodeConnection | None = None
        self._heard: Signal[None] = Signal(self._abort)
        self._size = 0
        self._broken = ""
        self._paused = False

    async def run(self) -> None:
        """Ask the node and hear it out; whatever goes wrong is in ``result``."""
        with visit(self.node):
            await self._run()

    async def _run(self) -> None:
        name, now = self.node.name, self._gateway.seconds
        try:
            self._connection = connection = await self._connected()
            request = self._request
            head = self._gateway.head_for(
                self.node, connection, request.head, request.channel, request.body.length
            )
            self._patience.wait(Phase.FIRST_BYTE, self._limit, now())
            head_only = request.head.method == b"HEAD"
            self.answer = answer = await connection.ask(head, request.body, head_only)
            self._patience.wait(Phase.BODY, self._limit, now())
            connection.relay_to(self)
            if self._paused:
                self._keep_pace()
            await self._heard
            self._connection = None
        except AttemptFailed as failed:
            self.result = Result(name, failed.status, str(failed))
        except BrokenOff as broken:
            self.result = Result(name, 502, str(broken))
        else:
            error = "" if answer.status < 400 else error_in(self.said, answer.status)
            self.result = Result(name, answer.status, error)
        finally:
            self._abort()

    async def _connected(self) -> NodeConnection:
        """A connection of its own: a request that changes something never meets a stale one."""
        try:
            if self.why_not:
                raise Unreachable(self.why_not)
            return await self._gateway.upstreams[self.node.name].connect()
        except Unreachable:
            if isinstance(self._request.body, Upload):
                self._request.body.without()
            raise

    # What the node's connection tells.

    def part(self, forward: bytes, payload: bytes) -> None:
        self._size += len(payload)
        self.said += payload
        if self._line is not None and self._good:
            *lines, self.said = self.said.split(b"\n")
            for line in lines:
                self._line(line)
        if len(self.said) > LONGEST:
            self._broken = "its answer is too long"
            self._heard.fail(BrokenOff(self._broken))

    def ended(self) -> None:
        if self._line is not None and self._good and self.said and not self._broken:
            self._line(self.said)
        self._heard.fire(None)

    @property
    def _good(self) -> bool:
        """Is it an answer that was asked for?"""
        return self.answer is not None and self.answer.status < 400

    def broke(self, why: str, at_boundary: bool) -> None:
        self._heard.fail(BrokenOff(why))

    # While it lasts.

    def pause(self, paused: bool) -> None:
        """Nobody reads what comes of it for now, or somebody does again."""
        self._paused = paused
        self._keep_pace()

    def _keep_pace(self) -> None:
        if self._connection is not None and self.answer is not None:
            transport = self._connection.transport
            if self._paused:
                transport.pauseProducing()
            else:
                transport.resumeProducing()

    def sweep(self, now: float) -> None:
        """Told about once a second; a node that is silent for too long is not waited for."""
        if self._connection is None or self._paused:
            return
        body = self._request.body
        if not body.ended and not self._connection.holds_back:
            # Its client sends slowly, or another node takes slowly: not this one's fault.
            self._patience.wait(Phase.FIRST_BYTE, self._limit, now)
            return
        if not self._patience.progressed((self._size, body.size), now) and self._patience.spent(
            self._limit, now
        ):
            self._connection.timed_out(self._limit)

    def _abort(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()


def quick(node: Node) -> float:
    """How long a node may be silent that is asked what it has, while others have told."""
    return node.config.health.timeout
