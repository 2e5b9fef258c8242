"""One client request, whole: choose a node, send, perhaps again elsewhere, relay, account."""

from __future__ import annotations

from collections.abc import Coroutine
from math import inf
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from ollama_twisted.gateway.body import Body
from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.failures import (
    AttemptFailed,
    Refused,
    Stale,
    nobody_answered,
    outcome_of,
    told_busy,
)
from ollama_twisted.gateway.patience import Patience, Phase
from ollama_twisted.gateway.reasons import fields_of, note_choice
from ollama_twisted.gateway.relay import AnswerCut, Relay, pass_whole, relay_for
from ollama_twisted.gateway.task import Signal, Task
from ollama_twisted.gateway.turn import Turn, another
from ollama_twisted.gateway.upload import Upload
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.record import Record
from ollama_twisted.wire import problems
from ollama_twisted.wire.ask import NOTHING, streams
from ollama_twisted.wire.head import AnswerHead, RequestHead
from ollama_twisted.wire.routes import ModelIn, Route
from ollama_twisted.wire.stream import Watch

if TYPE_CHECKING:
    from ollama_twisted.gateway.channel import Channel
    from ollama_twisted.gateway.core import Gateway
    from ollama_twisted.gateway.lists import Listed

_log = Logger()

# A member of an enum costs several times as much to look up in its class.
_FIRST_BYTE, _BODY = Phase.FIRST_BYTE, Phase.BODY
_ANSWERED, _NO_MODEL = Outcome.ANSWERED, ModelIn.NONE


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
        "_head",
        "_patience",
        "_relay",
        "_route",
        "_task",
        "_turn",
        "record",
    )

    def __init__(
        self,
        gateway: Gateway,
        channel: Channel,
        head: RequestHead,
        body: Body | Upload,
        route: Route,
    ) -> None:
        self._gateway = gateway
        self._channel = channel
        self._head = head
        self._body = body
        self._route = route
        self._ask = NOTHING
        self._patience = Patience()
        self._connection: NodeConnection | None = None
        self._relay: Relay | None = None
        self._turn: Turn | None = None
        self._task: Task | None = None
        self.record = Record(
            route.operation, head.method, head.path, channel.peer, gateway.seconds(), body.size
        )

    def begin(self) -> None:
        self._task = Task(self._serve(), self._channel.failed)
        self._task.step()

    def client_left(self) -> None:
        """Nobody waits for the answer any more: whatever is under way is given up now."""
        if self._task is not None:
            self._task.cancel()

    def cut(self, why: str) -> None:
        """End an answer before its time, telling the client if there is room for it."""
        if self._relay is not None and self._connection is not None:
            self._connection.break_off(why)

    async def _serve(self) -> None:
        channel, record, finish = self._channel, self.record, self._channel.done
        try:
            await self._answer()
        except CancelledError:
            record.failure = record.failure or "client_left"
            return
        except Refused as refused:
            record.failure, record.detail = refused.failure, str(refused)
            problem = problems.body(self._route.dialect, refused.status, str(refused))
            self._answer_own(refused.status, problem, *refused.fields)
        except AnswerCut as cut:
            record.failure, record.detail = "upstream_cut", str(cut)
            if self._relay is not None and record.streamed:
                message = f"{record.node} could not finish this answer: {cut}"
                self._relay.tell(self._route.dialect, message)
            # Without chunks, an orderly close is how an answer ends whole.
            finish = channel.close if self._head.minor else channel.abort
        except Exception:
            # A fault of ours: the log gets the traceback, the client a plain answer.
            _log.failure("an exchange failed")
            record.failure = "internal_error"
            finish = channel.abort if record.status else channel.close
            if not record.status:
                channel.last()
                self._answer_own(500, problems.body(self._route.dialect, 500, "internal error"))
        finally:
            if self._connection is not None:
                # Nobody reads the rest of this answer.
                self._connection.abort()
            # The task knows us: without this, each exchange is left to the garbage collector.
            self._task = None
            record.received = self._body.size
            record.ended = self._gateway.seconds()
            self._account()
            self._body.close()
        # Last, because the client's next request may begin in here.
        finish()

    def _account(self) -> None:
        self._gateway.account(self.record)

    def _answer(self) -> Coroutine[Any, Any, None]:
        # Not a coroutine itself: each one within another costs at every wait.
        self._read_ask()
        own = self._gateway.own_list(self._head, self._ask)
        want = self._gateway.want_of(self._route, self._ask)
        return self._ask_nodes(want) if own is None else self._list(own, want)

    async def _list(self, own: Coroutine[Any, Any, Listed | None], want: Want) -> None:
        listed = await own
        if listed is None:
            await self._ask_nodes(want)
        else:
            self._answer_own(200, listed.body, *listed.fields)

    def _read_ask(self) -> None:
        route, looks = self._route, self._gateway.pool.looks
        if route.model_in is not _NO_MODEL:
            self._ask = self._body.ask(route, self._head, looks)
            self.record.model = self._ask.model
        self.record.streamed = streams(route, self._ask)

    async def _ask_nodes(self, want: Want) -> None:
        """Ask one node after another, while nothing has reached the client."""
        seconds = self._gateway.seconds
        tried: dict[str, AttemptFailed] = {}
        pool = self._gateway.pool
        lease: Lease | None = pool.lease(want, seconds()) or await self._wait_in_line(want)
        while lease is not None:
            following, name = None, lease.node.name
            with lease:
                try:
                    connection, answer = await self._attempt(lease, want)
                except AttemptFailed as failed:
                    lease.outcome(failed.outcome, seconds())
                    tried[name] = failed
                    if failed.sent and not (failed.repeatable and self._route.repeatable):
                        break
                else:
                    busy = told_busy(answer.status)
                    if busy is not None and self._route.repeatable:
                        tried[name] = busy
                        following = another(self._gateway, want, tried, self.record)
                    if following is None:
                        await self._pass_on(lease, connection, answer)
                        return
                    # Nothing of this answer was read beyond its head.
                    connection.abort()
                    lease.outcome(tried[name].outcome, seconds())
            lease = following or another(self._gateway, want, tried, self.record)
        raise nobody_answered(tried, spent=self.record.not_retried is not None)

    async def _wait_in_line(self, want: Want) -> Lease:
        """A place on a node, once there is one."""
        self._turn = turn = Turn(self._gateway, want)
        self._wait(Phase.PLACE, self._gateway.config.line.wait_timeout)
        try:
            return await turn.taken(self.record)
        finally:
            self._turn = None

    async def _attempt(self, lease: Lease, want: Want) -> tuple[NodeConnection, AnswerHead]:
        """Send the request to one node; a stale connection is replaced silently."""
        self.record.attempts += 1
        note_choice(self._gateway, self.record, want, lease.node, self._head)
        upstream = self._gateway.upstreams[lease.node.name]
        # What must not be repeated never meets a connection that may be stale.
        connection = upstream.idle() if self._route.repeatable else None
        if connection is not None:
            try:
                return connection, await self._send(lease, connection)
            except Stale:
                pass
        self._wait(Phase.CONNECTION, inf)
        connection = await upstream.connect()
        return connection, await self._send(lease, connection)

    def _send(self, lease: Lease, connection: NodeConnection) -> Signal[AnswerHead]:
        gateway, head, body = self._gateway, self._head, self._body
        request = gateway.head_for(lease.node, connection, head, self._channel, body.length)
        self._connection = connection
        self._wait(_FIRST_BYTE, gateway.first_byte_limit(lease.node, self._ask.model))
        return connection.ask(request, body, head.method == b"HEAD")

    async def _pass_on(self, lease: Lease, connection: NodeConnection, answer: AnswerHead) -> None:
        """Pass the answer on.  From here on no other node can take over."""
        gateway, channel, record = self._gateway, self._channel, self.record
        said = fields_of(gateway.label(lease.node), record)
        record.status = answer.status
        outcome, now = outcome_of(answer.status), gateway.seconds()
        if outcome is _ANSWERED:
            lease.answering(now)
            if lease.loads:
                gateway.refresh(lease.node.name)
        watch = Watch(record.streamed) if self._route.generates else None
        whole = connection.take_whole()
        if whole is not None:
            # Nearly every GET: there is nothing to wait for, and nothing that may be cut.
            record.first_at, record.relayed = now, len(whole)
            record.final = pass_whole(self._head, answer, channel, said, watch, whole)
        else:
            self._relay = relay = relay_for(self._head, answer, channel, said, watch, connection)
            self._wait(_BODY, lease.node.config.timeouts.idle)
            try:
                await relay.carry(connection, channel, record)
            except AnswerCut:
                lease.outcome(Outcome.RESET, gateway.seconds())
                raise
            now = gateway.seconds()
        self._connection = None
        lease.outcome(outcome, now)
        if (self._route.manages or lease.loads) and outcome is _ANSWERED:
            gateway.refresh(lease.node.name)

    def _answer_own(self, status: int, body: bytes, *fields: tuple[bytes, bytes]) -> None:
        self.record.status = status
        if not self._head.minor:
            # One who knows no "keep-alive" waits for the connection's end.
            self._channel.last()
        self._channel.answer(status, body, fields, head_only=self._head.method == b"HEAD")

    def _wait(self, phase: Phase, limit: float) -> None:
        self._patience.wait(phase, limit, self._gateway.seconds())

    def sweep(self, now: float) -> None:
        """Told about once a second; ends what has lasted too long."""
        patience, channel, limit = self._patience, self._channel, self._patience.limit
        if self._turn is not None:
            self._turn.sweep(now, patience)
        if self._relay is not None:
            self._gateway.passing(self.record, self._relay.relayed)
            if patience.progressed((self._relay.relayed, channel.paused), now):
                self._gateway.upstreams[self.record.node].answered_at = now
                return
            if channel.paused:
                limit = self._gateway.send_limit
        if not patience.spent(limit, now):
            return
        if patience.phase is Phase.BODY and channel.paused:
            channel.abort()
        elif self._connection is not None:
            self._connection.timed_out(limit)
