"""One connection to a node: one request at a time, its answer's head and framed body."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import FileSender
from twisted.python.failure import Failure

from ollama_twisted.gateway.body import Body
from ollama_twisted.gateway.failures import (
    AttemptFailed,
    BadAnswerHead,
    FirstByteTimeout,
    Reset,
    Stale,
    Unreachable,
)
from ollama_twisted.gateway.sink import Sink
from ollama_twisted.gateway.task import Signal
from ollama_twisted.gateway.upload import Taker, Upload
from ollama_twisted.wire.framing import ChunkedBody, CloseBody, FramingError, LengthBody
from ollama_twisted.wire.head import MAX_HEAD, AnswerHead, BadAnswer, read_answer

if TYPE_CHECKING:
    from ollama_twisted.gateway.upstream import Upstream

#: RFC 9110 15.2 lets a server send any number; no honest one sends more.
MAX_INTERIM = 10
#: The body of an answer that came whole, in one read with its head.
_WHOLE = LengthBody(0)


class _State(Enum):
    IDLE = "idle"
    ASKED = "asked"
    ANSWERING = "answering"
    GONE = "gone"


# By names of their own: a member looked up in its class costs several times as much.
_IDLE, _ASKED, _ANSWERING, _GONE = _State


class NodeConnection(TwistedProtocol):
    """
    A connection to one node.

    ``ask`` sends a request and gives the head of its answer; ``take_whole`` that gives
    something, ``relay_to`` or ``abort`` must follow at once, in the same turn.
    """

    transport: Any
    #: The node's own name for itself, for the Host field, and what its paths begin with.
    host = b""
    prefix = b""
    idle_since = 0.0
    #: It has carried an answer before, so the node may have closed it meanwhile.
    reused = False
    #: The head that was written last of a request without a body, behind all that went into it.
    asked: tuple[tuple[object, ...], bytes] = (), b""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._state = _IDLE
        self._answered: Signal[AnswerHead] | None = None
        self._buffer = b""
        self._interim = 0
        self._head_only = False
        self._keep_alive = False
        self._body: ChunkedBody | LengthBody | CloseBody | None = None
        self._sink: Sink | None = None
        self._upload: FileSender | Taker | None = None

    def connectionMade(self) -> None:
        # Through TLS the option belongs to the transport below, which a
        # wrapped one reaches by itself.
        transport = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            # What wraps us has done its work: an endpoint's, for as long as it connects.
            self.transport.protocol = self

    def ask(self, head: bytes, body: Body | Upload, head_only: bool) -> Signal[AnswerHead]:
        """
        Send one request.  Fires with the head of the final answer.

        @raise AttemptFailed: through the signal: nothing usable came back.
            Cancelling it aborts the connection.
        """
        self._state = _ASKED
        self._head_only = head_only
        self._interim = 0
        answered: Signal[AnswerHead] = Signal(self.abort)
        self._answered = answered
        if isinstance(body, Upload):
            self.transport.write(head)
            self._upload = taker = Taker(body, self.transport, self._uploaded)
            taker.start()
            return answered
        spooled = body.spooled
        if spooled is None:
            # One segment where it fits: two writes meet Nagle's algorithm and
            # delayed acknowledgements, and wait 40 ms.
            self.transport.write(head + body.whole() if body.size else head)
        else:
            self.transport.write(head)
            self._upload = FileSender()
            self._upload.CHUNK_SIZE = 2**16
            sending = self._upload.beginFileTransfer(spooled, self.transport)
            sending.addBoth(self._uploaded)
        return answered

    @property
    def holds_back(self) -> bool:
        """Does the node not take for now what comes of an upload?"""
        return isinstance(self._upload, Taker) and self._upload.paused

    def take_whole(self) -> bytes | None:
        """All of the answer's body, if it came with the head; the answer has then ended."""
        if self._body is not _WHOLE:
            return None
        body, self._buffer = self._buffer, b""
        self._free(b"")
        return body

    def relay_to(self, sink: Sink) -> None:
        """Give the answer's body to ``sink``, beginning with what has come already."""
        self._sink = sink
        rest, self._buffer = self._buffer, b""
        if self._body is None:
            self._end(rest)
        elif self._body is _WHOLE:
            sink.part(rest, rest)
            self._end(b"")
        elif rest:
            self._feed(rest)
        else:
            sink.part(b"", b"")

    def dataReceived(self, data: bytes) -> None:
        if self._state is _ANSWERING:
            self._feed(data)
        elif self._state is _ASKED:
            self._read_head(data)
        else:
            # Nothing was asked: whatever this is, it is not an answer.
            self.abort()

    def _read_head(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data if self._buffer else data
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0 or end > MAX_HEAD:
                self._buffer = data
                if data[:7] != b"HTTP/1."[: len(data)]:
                    self._fail(BadAnswerHead("its answer is not HTTP/1"))
                elif len(data) > MAX_HEAD:
                    self._fail(BadAnswerHead("the head of its answer is too long"))
                return
            try:
                head = read_answer(data[:end])
            except BadAnswer as error:
                self._fail(BadAnswerHead(f"its answer is malformed ({error})"))
                return
            data = data[end + 4 :]
            if head.status >= 200:
                break
            self._interim += 1
            if head.status == 101 or self._interim > MAX_INTERIM:
                self._fail(BadAnswerHead("its answer is malformed (unexpected interim answers)"))
                return
        self._begin(head, data)

    def _begin(self, head: AnswerHead, rest: bytes) -> None:
        self._state = _ANSWERING
        self._keep_alive = head.keep_alive
        if self._head_only or head.status in (204, 304):
            self._body = None
        elif head.chunked:
            self._body = ChunkedBody()
        elif head.length is not None and head.length == len(rest):
            # Nothing is left to be told from what follows.
            self._body = _WHOLE if rest else None
        elif head.length is not None:
            self._body = LengthBody(head.length) if head.length else None
        else:
            self._body = CloseBody()
            self._keep_alive = False
        self._buffer = rest
        answered, self._answered = self._answered, None
        assert answered is not None
        answered.fire(head)

    def _feed(self, data: bytes) -> None:
        body, sink = self._body, self._sink
        assert body is not None and sink is not None
        try:
            forward, payload, ended, rest = body.feed(data)
        except FramingError as error:
            self.break_off(f"malformed framing: {error}")
            return
        if forward or payload:
            sink.part(forward, payload)
        # The client may have left while it was written to.
        if ended and self._state is _ANSWERING:
            self._end(rest)

    def _end(self, rest: bytes) -> None:
        sink, self._sink = self._sink, None
        self._free(rest)
        assert sink is not None
        sink.ended()

    def _free(self, rest: bytes) -> None:
        """This answer is over: the next request may come, if there may be one."""
        self._body = None
        if self._keep_alive and not rest and self._upload is None:
            self._state = _IDLE
            self.reused = True
            self._upstream.release(self)
        elif self._upload is not None:
            # An early answer: the rest of the body interests nobody.
            self.abort()
        else:
            self.close()

    def break_off(self, why: str) -> None:
        """End an answer that has begun; its sink is told why."""
        sink, self._sink, body = self._sink, None, self._body
        self.abort()
        if sink is not None:
            sink.broke(why, body is None or body.at_boundary)

    def _fail(self, error: AttemptFailed) -> None:
        answered, self._answered = self._answered, None
        self.abort()
        if answered is not None:
            answered.fail(error)

    def timed_out(self, seconds: float) -> None:
        """The node was silent for too long, before its answer or within it."""
        if self._state is _ASKED:
            self._fail(FirstByteTimeout(f"silent for {seconds:.0f} s"))
        elif self._state is _ANSWERING:
            self.break_off(f"silent for {seconds:.0f} s")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        state, self._state = self._state, _GONE
        if isinstance(self._upload, Taker):
            self._upload.stopProducing()
        if state is _IDLE:
            self._upstream.forget(self)
        elif state is _ASKED:
            answered, self._answered = self._answered, None
            if answered is not None:
                answered.fail(self._lost_before_answer(reason))
        elif state is _ANSWERING:
            sink, self._sink = self._sink, None
            if sink is None:
                return
            if isinstance(self._body, CloseBody) and reason.check(ConnectionDone):
                sink.ended()
            else:
                at_boundary = self._body is None or self._body.at_boundary
                sink.broke("it closed the connection", at_boundary)

    def _lost_before_answer(self, reason: Failure) -> AttemptFailed:
        if self.reused and not self._buffer and not self._interim:
            return Stale("it had closed the connection")
        if reason.check(ConnectionDone):
            return Reset("it closed the connection without an answer")
        if reason.check(ConnectionLost):
            return Reset("it reset the connection before its answer")
        # TLS is agreed on after the connection is made, and fails here.
        return Unreachable(f"{self.host.decode()}: TLS failed")

    def _uploaded(self, _result: object = None) -> None:
        self._upload = None

    def close(self) -> None:
        """End the connection once what was written has left."""
        self._state = _GONE
        self.transport.loseConnection()

    def abort(self) -> None:
        """End the connection now; the node sees that its work is not wanted any more."""
        if self._state is not _GONE:
            if self._state is _IDLE:
                self._upstream.forget(self)
            self._state = _GONE
            self._sink = None
            self.transport.abortConnection()
