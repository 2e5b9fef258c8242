"""One client request, whole: choose a node, send, perhaps again elsewhere, relay, account."""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ollama_twisted.gateway.body import Body
from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.failures import AttemptFailed, Busy, GatewayErrorAnswer, Reset
from ollama_twisted.gateway.relay import AnswerCut, Relay
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.line import LineFull
from ollama_twisted.pool.pool import Blocked
from ollama_twisted.record import Record
from ollama_twisted.wire import problems
from ollama_twisted.wire.answers import own_answer
from ollama_twisted.wire.ask import Ask, read_ask, streams
from ollama_twisted.wire.head import AnswerHead, RequestHead
from ollama_twisted.wire.headers import answer_to_client
from ollama_twisted.wire.routes import ModelIn, find
from ollama_twisted.wire.stream import Watch

if TYPE_CHECKING:
    from ollama_twisted.gateway.channel import Channel
    from ollama_twisted.gateway.core import Gateway

_log = Logger()

#: What a client is told to wait before it comes again, in seconds.
RETRY_AFTER = (b"Retry-After", b"1")


class Refused(Exception):
    """The gateway itself answers, with ``status`` and a message."""

    def __init__(self, status: int, message: str, failure: str) -> None:
        super().__init__(message)
        self.status = status
        self.failure = failure


class Phase(Enum):
    """What an exchange waits for at present; each has a time limit of its own."""

    PLACE = "place"
    CONNECTION = "connection"
    FIRST_BYTE = "first byte"
    BODY = "body"


class Exchange:
    """
    One request of one client.

    ``begin`` starts it; it ends by itself, by ``client_left``, or by a time
    limit that ``sweep`` finds passed.  However it ends, its place on a node is
    given back, and it is accounted for, once.
    """

    __slots__ = (
        "_ask",
        "_body",
        "_channel",
        "_connection",
        "_gateway",
        "_granted",
        "_head",
        "_limit",
        "_phase",
        "_progress",
        "_relay",
        "_route",
        "_running",
        "_since",
        "record",
    )

    def __init__(self, gateway: Gateway, channel: Channel, head: RequestHead, body: Body) -> None:
        self._gateway = gateway
        self._channel = channel
        self._head = head
        self._body = body
        self._route = find(head.method, head.path)
        self._ask = Ask()
        self._phase = Phase.PLACE
        self._connection: NodeConnection | None = None
        self._relay: Relay | None = None
        self._progress = -1
        self._since = inf
        self._limit = inf
        self._granted: Deferred[Lease] | None = None
        self._running: Deferred[None] | None = None
        self.record = Record(
            operation=self._route.operation,
            method=head.method,
            path=head.path,
            client=channel.peer,
            started=gateway.seconds(),
            received=body.size,
        )

    def begin(self) -> None:
        self._running = Deferred.fromCoroutine(self._serve())
        self._running.addErrback(self._unforeseen)

    def client_left(self) -> None:
        """Nobody waits for the answer any more: whatever is under way is given up now."""
        if self._running is not None and not self._running.called:
            self._running.cancel()

    async def _serve(self) -> None:
        channel, record = self._channel, self.record
        finish = channel.done
        try:
            await self._answer()
        except CancelledError:
            record.failure = "client_left"
            return
        except Refused as refused:
            record.failure = refused.failure
            record.detail = str(refused)
            self._refuse(refused)
        except AnswerCut as cut:
            record.failure = "upstream_cut"
            record.detail = str(cut)
            self._tell(cut)
            # Without chunks, an orderly close is how an answer ends whole.
            finish = channel.close if self._head.minor else channel.abort
        finally:
            if self._connection is not None:
                # Nobody reads the rest of this answer.
                self._connection.abort()
            self._body.close()
            record.ended = self._gateway.seconds()
            self._gateway.account(record)
        # Last, because the client's next request may begin in here.
        finish()

    async def _answer(self) -> None:
        route = self._route
        if route.manages and not self._gateway.may_manage(self._channel.peer):
            raise Refused(
                403,
                "changing models is not allowed from here: see gateway.manage_models",
                "not_allowed",
            )
        if route.model_in is not ModelIn.NONE:
            content_type = self._head.lower.get(b"content-type", b"")
            self._ask = read_ask(route, self._head.path, content_type, self._body.whole())
            self.record.model = self._ask.model
        self.record.streamed = streams(route, self._ask)
        own = self._gateway.own_list(route, self._head.method)
        if own is not None:
            self._answer_own(200, await own)
            return
        await self._ask_nodes(Want(model=self._ask.model))

    async def _ask_nodes(self, want: Want) -> None:
        """Ask one node after another, while nothing has reached the client."""
        tried: dict[str, AttemptFailed] = {}
        lease: Lease | None = await self._place(want)
        while lease is not None:
            following: Lease | None = None
            with lease:
                name = lease.node.name
                try:
                    connection, answer = await self._attempt(lease)
                except AttemptFailed as failed:
                    lease.outcome(failed.outcome, self._gateway.seconds())
                    tried[name] = failed
                    if failed.sent and not (failed.repeatable and self._route.repeatable):
                        break
                else:
                    busy = self._told_busy(answer)
                    if busy is not None:
                        tried[name] = busy
                        following = self._another(want, tried)
                    if following is None:
                        await self._relay_answer(lease, connection, answer)
                        return
                    # Nothing of this answer was read beyond its head.
                    connection.abort()
                    lease.outcome(tried[name].outcome, self._gateway.seconds())
            lease = following or self._another(want, tried)
            if lease is not None:
                self.record.retries.append((name, tried[name].reason))
        raise self._nobody_answered(tried)

    async def _place(self, want: Want) -> Lease:
        """A place on a node, now or after waiting in line for it."""
        pool, now = self._gateway.pool, self._gateway.seconds()
        lease = pool.lease(want, now)
        if lease is not None:
            return lease
        if pool.blocked(want, now) is Blocked.NO_NODE:
            raise Refused(503, self._gateway.why_nobody(want), "no_node")
        self._granted = granted = Deferred()
        try:
            waiter = pool.wait(want, now, granted.callback)
        except LineFull:
            raise Refused(
                503, "every node is busy, and the line of those who wait is full", "line_full"
            ) from None
        self._wait(Phase.PLACE, self._gateway.config.line.wait_timeout)
        try:
            return await granted
        except BaseException:
            pool.leave(waiter)
            raise
        finally:
            self._granted = None
            self.record.waited = self._gateway.seconds() - now

    def _another(self, want: Want, tried: dict[str, AttemptFailed]) -> Lease | None:
        """A place on a node that was not asked yet, if there is one at once."""
        if len(tried) >= self._gateway.limits.attempts or not self._route.repeatable:
            return None
        return self._gateway.pool.lease(want, self._gateway.seconds(), frozenset(tried))

    def _told_busy(self, answer: AnswerHead) -> AttemptFailed | None:
        """A 502 or 503 speaks of the node, not of the request: another one may do better."""
        if answer.status == 503:
            return Busy("busy (503)")
        if answer.status == 502:
            return GatewayErrorAnswer("answered 502")
        return None

    async def _attempt(self, lease: Lease) -> tuple[NodeConnection, AnswerHead]:
        """Send the request to one node; a stale connection is replaced silently."""
        self.record.attempts += 1
        self.record.node = lease.node.name
        upstream = self._gateway.upstreams[lease.node.name]
        # What must not be repeated never meets a connection that may be stale.
        connection = upstream.idle() if self._route.repeatable else None
        if connection is not None:
            try:
                return connection, await self._send(lease, connection)
            except Reset:
                pass
        self._wait(Phase.CONNECTION, inf)
        connection = await upstream.connect()
        return connection, await self._send(lease, connection)

    async def _send(self, lease: Lease, connection: NodeConnection) -> AnswerHead:
        head = self._gateway.head_for(
            lease.node, connection, self._head, self._channel, self._body.size
        )
        self._connection = connection
        self._wait(Phase.FIRST_BYTE, self._gateway.first_byte_limit(lease.node, self._ask.model))
        if not self.record.sent_at:
            self.record.sent_at = self._since
        try:
            return await connection.ask(head, self._body, self._head.method == b"HEAD")
        except AttemptFailed:
            self._connection = None
            raise

    async def _relay_answer(
        self, lease: Lease, connection: NodeConnection, answer: AnswerHead
    ) -> None:
        """Pass the answer on.  From here on no other node can take over."""
        head, channel = self._head, self._channel
        minor = head.minor
        endless = answer.length is None and not answer.chunked
        bodiless = head.method == b"HEAD" or answer.status in (204, 304)
        if minor == 0 and (answer.chunked or endless):
            channel.last()
        if answer.length is not None:
            framing = b"Content-Length: %d\r\n" % answer.length
        elif minor and (answer.chunked or (endless and not bodiless)):
            framing = b"Transfer-Encoding: chunked\r\n"
        else:
            framing = b""
        watch = Watch(self.record.streamed) if self._route.generates else None
        relay = Relay(
            channel.transport.write,
            answer_to_client(
                answer,
                framing=framing,
                node=self._gateway.label(lease.node),
                keep_alive=channel.keeps_alive,
                minor=minor,
            ),
            self._gateway.seconds,
            watch,
            connection.abort,
        )
        if minor == 0 and answer.chunked:
            relay.unchunk()
        elif minor and endless and not bodiless:
            relay.rechunk()
        self.record.status = answer.status
        self._relay = relay
        self._wait(Phase.BODY, lease.node.config.timeouts.idle)
        channel.produce(connection.transport)
        connection.relay_to(relay)
        try:
            if not relay.finished:
                await relay.done
            self._connection = None
            speaks_against = answer.status in (500, 502, 504)
            outcome = Outcome.GATEWAY_ERROR if speaks_against else Outcome.ANSWERED
            lease.outcome(outcome, self._gateway.seconds())
        except AnswerCut:
            lease.outcome(Outcome.RESET, self._gateway.seconds())
            raise
        finally:
            channel.produce(None)
            self.record.first_at = relay.first_at
            self.record.relayed = relay.relayed
            if watch is not None:
                self.record.final = watch.final()

    # How it ends badly.

    def _nobody_answered(self, tried: dict[str, AttemptFailed]) -> Refused:
        failures = tried.values()
        status = 502
        if any(failed.status == 504 for failed in failures):
            status = 504
        elif all(failed.status == 503 for failed in failures):
            status = 503
        reasons = "; ".join(f"{name}: {failed}" for name, failed in tried.items())
        last = next(reversed(failures)).reason
        return Refused(status, f"no node could answer ({reasons})", last)

    def _refuse(self, refused: Refused) -> None:
        self.record.status = refused.status
        self._answer_own(
            refused.status,
            problems.body(self._route.dialect, refused.status, str(refused)),
            *((RETRY_AFTER,) if refused.status >= 500 else ()),
        )

    def _answer_own(self, status: int, body: bytes, *fields: tuple[bytes, bytes]) -> None:
        self.record.status = status
        self._channel.transport.write(
            own_answer(
                status,
                body,
                fields=fields,
                keep_alive=self._channel.keeps_alive,
                head_only=self._head.method == b"HEAD",
            )
        )

    def _tell(self, cut: AnswerCut) -> None:
        """Say that the answer is cut, if its framing leaves room for it."""
        relay = self._relay
        if relay is not None and relay.tellable and self.record.streamed:
            message = f"{self.record.node} could not finish this answer: {cut}"
            relay.tell(problems.in_stream(self._route.dialect, message))

    def _unforeseen(self, failure: Failure) -> None:
        """A fault of ours: the log gets the traceback, the client a plain answer."""
        _log.failure("an exchange failed", failure)
        if self._relay is None:
            self._answer_own(500, problems.body(self._route.dialect, 500, "internal error"))
            self._channel.close()
        else:
            self._channel.abort()

    # Time.

    def _wait(self, phase: Phase, limit: float) -> None:
        self._phase = phase
        self._limit = limit
        self._since = self._gateway.seconds()

    def sweep(self, now: float) -> None:
        """
        Told about once a second; ends what has lasted too long.

        Progress is read off a count, so that a chunk costs no look at the clock.
        """
        limit = self._limit
        if self._phase is Phase.BODY and self._relay is not None:
            if self._relay.relayed != self._progress:
                self._progress = self._relay.relayed
                self._since = now
                return
            if self._channel.paused:
                limit = self._gateway.limits.send_timeout
        if now - self._since <= limit:
            return
        self._since = inf
        if self._granted is not None:
            self._granted.errback(
                Refused(503, f"no node was free within {limit:.0f} s", "line_timeout")
            )
        elif self._phase is Phase.BODY and self._channel.paused:
            self._channel.abort()
        elif self._connection is not None:
            self._connection.timed_out(limit)
