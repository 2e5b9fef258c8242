"""
One client's connection: whole requests in, one at a time, through the strict gate.

It stands where ``twisted.web`` has ``HTTPChannel``, and offers pages the same
interface; but it reads a head as one block, refuses what is ambiguous, bounds
everything, and never stops listening for the client's departure.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import TYPE_CHECKING

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.server import Request

from ollama_twisted.gateway.body import SLOWEST, Body
from ollama_twisted.gateway.exchange import Exchange
from ollama_twisted.gateway.managing import Managing
from ollama_twisted.gateway.pagechannel import PageChannel
from ollama_twisted.gateway.serving import body_for, exchange_for
from ollama_twisted.gateway.upload import CONTINUE, Upload
from ollama_twisted.wire.framing import FramingError
from ollama_twisted.wire.head import HANDSHAKE, MAX_HEAD, BadRequest, RequestHead, read_request
from ollama_twisted.wire.routes import Route, find

if TYPE_CHECKING:
    from ollama_twisted.gateway.site import GatewaySite

#: What a client may send ahead of its answer before we hang up.  Reading never
#: pauses, because a paused connection cannot tell us that its client has left.
MAX_PIPELINED = 64 * 1024
#: How long an answer that ends a connection may take to arrive (RFC 9112 9.6).
LINGER, LONGEST_LINGER = 5.0, 30.0


class _State(Enum):
    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    BUSY = "busy"
    ENDING = "ending"


# By names of their own: a member looked up in its class costs several times as much.
_IDLE, _HEAD, _BODY, _BUSY, _ENDING = _State


class Channel(PageChannel):
    """A client's connection.  ``due`` is when its present wait has lasted too long."""

    def __init__(self, site: GatewaySite) -> None:
        super().__init__()
        self.site = site
        self.factory = site
        self.due = inf
        self._state = _IDLE
        self._buffer = b""
        self._head: RequestHead | None = None
        self._route: Route | None = None
        self._body: Body | Upload | None = None
        #: When the body must be here, if nothing of it has come.
        self._in_pace = inf
        self._lingers_until = 0.0
        self.served: Exchange | Request | None = None
        self._keep_alive = True
        self._advancing = False

    # What Twisted's transport tells us.

    def connectionMade(self) -> None:
        super().connectionMade()
        self._wait(self.site.limits.keep_alive)
        if not self.site.joined(self):
            self._refuse(BadRequest(503, "too many connections"))

    def dataReceived(self, data: bytes) -> None:
        if self._state is _ENDING:
            # Whoever still sends has not read its answer; for a while that is waited for.
            self.due = max(self.due, min(self.site.seconds() + LINGER, self._lingers_until))
            return
        if self._buffer:
            data = self._buffer + data
        if self._state is _BUSY or (self.paused and self._state is not _BODY):
            self._buffer = data
            if len(data) > MAX_PIPELINED:
                self.abort()
            return
        self._buffer = b""
        self._advance(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.due = inf
        self.site.left(self)
        self._producer = None
        served, self.served = self.served, None
        if isinstance(served, Exchange):
            served.client_left()
        elif served is not None:
            served.connectionLost(reason)
        if self._body is not None and served is None:
            self._body.close()

    def resumeProducing(self) -> None:
        super().resumeProducing()
        if self._state is _IDLE or self._state is _HEAD:
            self._next()

    # Reading requests.

    def _advance(self, data: bytes) -> None:
        """Read as far as the data go, or to the end of the request that must be answered first."""
        # A loop, not a recursion: many pipelined requests may be answered at once.
        self._advancing = True
        try:
            while data:
                if self._state is _BODY:
                    data = self._read_body(data)
                elif self._state in (_BUSY, _ENDING) or self.paused:
                    break
                else:
                    data = self._read_head(data)
        except BadRequest as error:
            self._refuse(error)
            return
        except FramingError as error:
            self._refuse(BadRequest(400, f"malformed body: {error}"))
            return
        except OSError:
            self._refuse(BadRequest(507, "there is no room to keep the body"))
            return
        finally:
            self._advancing = False
        if data and self._state is not _ENDING:
            self._buffer = data

    def _read_head(self, data: bytes) -> bytes:
        # RFC 9112 2.2: an empty line before a request is skipped.
        start = 2 if data.startswith(b"\r\n") else 0
        end = data.find(b"\r\n\r\n", start)
        limits = self.site.limits
        if end < 0 or end > start + MAX_HEAD:
            if len(data) > start + MAX_HEAD or data.startswith(HANDSHAKE):
                read_request(data[start:])  # which says what is wrong with it
            self._buffer = data
            if self._state is _IDLE:
                # From now on the head has its time in all, however slowly it trickles in.
                self._state = _HEAD
                self._wait(limits.head_timeout)
            return b""
        self._head = head = read_request(data[start:end])
        data = data[end + 4 :]
        self._route = route = find(head.method, head.path)
        self._body = body_for(route, head, self)
        self.site.admit(head, self)
        if head.chunked or head.length:
            self._state = _BODY
            if route.passes:
                self._begin()
                return data
            self._wait(limits.body_timeout)
            self._in_pace = self.due
            if head.expect_continue and not data:
                self.transport.write(CONTINUE)
            # An empty chunked body may be here whole.
            return self._read_body(data) if data else b""
        self._state = _BUSY
        self._begin()
        return data

    def _read_body(self, data: bytes) -> bytes:
        body = self._body
        assert body is not None
        rest = body.feed(data)
        if self._state is not _BODY:
            return rest  # what came was answered already, or its client cut off
        if body.ended:
            self._state = _BUSY
            self.due = inf
            if self.served is None:
                self._begin()
        elif self.served is None:
            self._wait(self.site.limits.body_timeout)
            self.due = min(self.due, self._in_pace + body.size / SLOWEST)
        return rest

    def _begin(self) -> None:
        """A request is here, with as much of its body as must be."""
        head, body, route = self._head, self._body, self._route
        assert head is not None and body is not None and route is not None
        self.due = inf
        self._keep_alive = head.keep_alive and not self.site.draining
        if isinstance(body, Body) and self.site.owns(head):
            self.served = page = self.begin_page(head, body)
            page.requestReceived(head.method, head.target, b"HTTP/1.%d" % head.minor)
        else:
            serve = exchange_for(route, body)
            self.served = exchange = serve(self.site.gateway, self, head, body, route)
            exchange.begin()

    # Answering.

    @property
    def keeps_alive(self) -> bool:
        return self._keep_alive

    def last(self) -> None:
        self._keep_alive = False

    def done(self) -> None:
        """The answer has been written, whole; the next request may be read."""
        unread = self._state is _BODY
        self.served = None
        self._head = self._body = None
        if unread or not self._keep_alive:
            self._end(lingering=unread)
            return
        self._state = _IDLE
        self._next()

    def _next(self) -> None:
        limits = self.site.limits
        if self._state is _IDLE:
            self._wait(limits.send_timeout if self.paused else limits.keep_alive)
        if self._buffer and not self.paused and not self._advancing:
            data, self._buffer = self._buffer, b""
            self._advance(data)

    def close(self) -> None:
        """Hang up once what was written has left."""
        self.served = None
        self._end()

    def _refuse(self, error: BadRequest) -> None:
        """Say what is wrong, and hang up: what follows on this connection cannot be trusted."""
        served, self.served = self.served, None
        if isinstance(served, Managing):
            answered = served.record.status
            served.refuse(error.status, error.message)
            if answered:
                self.abort()
                return
        if self._body is not None:
            self._body.close()
            self._body = None
        self._keep_alive = False
        head_only = self._head is not None and self._head.method == b"HEAD"
        problem = self.site.refused(self, self._head, error, accounted=served is not None)
        self.answer(error.status, problem, head_only=head_only)
        self._end(lingering=True)

    def _end(self, lingering: bool = False) -> None:
        self._state = _ENDING
        self._buffer = b""
        self.transport.unregisterProducer()
        # Closing while the client still sends would reset the connection, and
        # with it the answer: stop writing first, then, and read on for a while.
        if lingering and hasattr(self.transport, "loseWriteConnection"):
            self._wait(LINGER)
            self._lingers_until = self.due - LINGER + LONGEST_LINGER
            self.transport.loseWriteConnection()
        else:
            self._wait(self.site.limits.send_timeout)
            self.transport.loseConnection()

    @property
    def busy(self) -> bool:
        """Is a request under way?"""
        return self._state is not _IDLE and self._state is not _ENDING

    def drain(self) -> None:
        """Make the answer that is being given, or none, the last one."""
        self._keep_alive = False
        if self._state is _IDLE:
            self._end()

    def cut(self, why: str) -> None:
        """End the answer that is being given before its time."""
        if isinstance(self.served, Exchange):
            self.served.cut(why)

    # Time.

    def _wait(self, seconds: float) -> None:
        self.due = self.site.seconds() + seconds

    def sweep(self, now: float) -> None:
        """Told about once a second."""
        if isinstance(self.served, Exchange):
            self.served.sweep(now)
        if now >= self.due:
            self.due = inf
            if self._state is _ENDING or self.paused:
                self.abort()
            elif self._state is _IDLE:
                self._end()
            else:
                self._refuse(BadRequest(408, "the request took too long to arrive"))
