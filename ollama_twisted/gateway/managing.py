"""A request about what the nodes have: who may make it, and how one node or many are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from twisted.internet.defer import CancelledError

from ollama_twisted.gateway import permit
from ollama_twisted.gateway.body import Body
from ollama_twisted.gateway.choice import Choice
from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.departure import has_left
from ollama_twisted.gateway.errand import Errand, Request, quick
from ollama_twisted.gateway.exchange import Exchange
from ollama_twisted.gateway.failures import AttemptFailed, Refused, nobody_answered
from ollama_twisted.gateway.fanout import Fanout, Lines, Told, nodes_field
from ollama_twisted.gateway.naming import targets_of, without_targets
from ollama_twisted.gateway.operations import OPERATIONS, anywhere
from ollama_twisted.gateway.patience import Phase
from ollama_twisted.gateway.relay import AnswerCut
from ollama_twisted.gateway.upload import Upload
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease, visit
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.targets import down
from ollama_twisted.web.pages import as_json
from ollama_twisted.wire import making
from ollama_twisted.wire.head import AnswerHead, RequestHead
from ollama_twisted.wire.progress import Progress
from ollama_twisted.wire.results import Result, verdict
from ollama_twisted.wire.routes import Route

if TYPE_CHECKING:
    from ollama_twisted.gateway.channel import Channel
    from ollama_twisted.gateway.core import Gateway

#: How long a node may be silent while it moves a model, in seconds: it may be
#: taking the digest of all of it, or was asked to tell nothing before the end.
SILENT, SILENT_TO_THE_END = 3600.0, 86400.0

_TRANSFERS = frozenset({"pull", "push", "create"})


class Managing(Exchange):
    """
    One request of one client that fetches, makes, shows or removes what is on nodes.

    It takes no place on a node from those who ask the models.  Its body may be an
    ``Upload``, which is still coming when the exchange begins.  Which nodes it is for
    is decided in ``operations``, by what is asked.
    """

    __slots__ = ("_fanout", "_lines", "_stopped", "choice", "gateway")

    choice: Choice

    def __init__(
        self,
        gateway: Gateway,
        channel: Channel,
        head: RequestHead,
        body: Body | Upload,
        route: Route,
    ) -> None:
        super().__init__(gateway, channel, head, body, route)
        self.gateway = gateway
        self._fanout: Fanout | None = None
        self._lines: Lines | None = None
        self._stopped = ""

    @property
    def want(self) -> Want:
        return self.gateway.want_of(self._route, self._ask)

    @property
    def body(self) -> Body | Upload:
        return self._body

    async def _answer(self) -> None:
        gateway, head = self.gateway, self._head
        shown = head.lower.get(b"authorization", b"")
        if self._route.manages and not gateway.may_manage(self._channel.peer, shown):
            raise Refused(403, permit.why_not(gateway.limits), "not_allowed")
        targets = targets_of(head)
        self._head = without_targets(head)
        self._read_ask()
        self.choice = Choice(gateway, targets, self._ask.model)
        if (awaited := self.choice.awaited()) is not None:
            (await self._wait_in_line(awaited)).give_back()
        await OPERATIONS.get(self._route.operation, anywhere)(self)

    # How nodes are asked.

    async def one(self, nodes: Sequence[Node]) -> None:
        """Ask the first of these nodes; the next one only if that was not sent the request."""
        tried: dict[str, AttemptFailed] = {}
        for node in nodes[: self.gateway.limits.attempts]:
            if tried:
                name, failed = next(reversed(tried.items()))
                self.record.retries = (*self.record.retries, (name, failed.reason))
            with visit(node) as lease:
                try:
                    connection, answer = await self._attempt(lease, self.want)
                    if self.record.explained:
                        # No strategy has chosen it.
                        self.record.explained = f"{node.name}: by what the request is about"
                except AttemptFailed as error:
                    tried[node.name] = error
                    if error.sent and not (error.repeatable and self._route.repeatable):
                        break
                else:
                    await self._pass_on(lease, connection, answer)
                    return
        raise nobody_answered(tried)

    async def tell_of_all(self, verb: str, nodes: Sequence[Node]) -> None:
        """Let all of these nodes do it, and tell of their progress as of one's."""
        names = [node.name for node in nodes]
        if self.record.streamed:
            self._lines = Lines(self._channel, self._head.minor, names)
        told = Told(Progress(names, verb), self._lines)
        request = self._request_for_all(streamed=True)
        errands = [
            Errand(self.gateway, node, request, SILENT, told.hearing(node.name)) for node in nodes
        ]
        await self._run(errands, told)
        for name in told.progress.done:
            self.gateway.refresh(name)
        status, last = told.progress.last()
        self._note(status, last)
        if told.end(status, last):
            assert self._lines is not None
            self.record.status, self.record.relayed = 200, self._lines.relayed
        else:
            self._answer_own(status, as_json(last), nodes_field(names))

    async def ask_all(self, nodes: Sequence[Node]) -> list[Errand]:
        """Ask all of these nodes; what became of it on each."""
        request = self._request_for_all()
        errands = [Errand(self.gateway, node, request, self._limit(node)) for node in nodes]
        await self._run(errands)
        return errands

    async def ask_for_blob(self, digest: str, nodes: Sequence[Node]) -> list[Result]:
        """Ask all of these nodes whether they hold a blob."""
        path = b"/api/blobs/" + quote(digest, ":").encode()
        head = replace(
            self._head,
            method=b"HEAD",
            target=path,
            path=path,
            query=b"",
            lower={},
            length=0,
            chunked=False,
        )
        request = Request(head, Body(), self._channel)
        errands = [Errand(self.gateway, node, request, quick(node)) for node in nodes]
        await self._run(errands)
        return [errand.result for errand in errands]

    def answer_all(
        self,
        results: Sequence[Result],
        good: int = 200,
        said: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """
        Tell what became of it on each node.

        ``good`` and ``said`` are the status and what else to say if nothing went wrong.
        """
        status, told = verdict(results, self._route.operation, said, absent_is_well=True)
        self._note(status, told)
        fields = [nodes_field([result.node for result in results])]
        answered = [result for result in results if not result.absent]
        if len(answered) == 1:
            # As if it alone had been asked.
            fields.append((b"X-Ollama-Gateway-Node", answered[0].node.encode()))
        self._answer_own(good if status == 200 else status, as_json(told), *fields)

    async def _run(self, errands: Sequence[Errand], told: Told | None = None) -> None:
        """Run the errands; a node that is known to be down is not asked."""
        self.record.nodes = tuple(errand.node.name for errand in errands)
        self.record.attempts = len(errands)
        if isinstance(self._body, Upload):
            self._body.expect(len(errands))
        for errand in errands:
            errand.why_not = down(errand.node)
        self._fanout = fanout = Fanout(errands, self._channel)
        try:
            await fanout.run(told)
        except CancelledError:
            if not self._stopped:
                raise
            if self._lines is None or not self._lines.begun:
                raise Refused(503, self._stopped, "upstream_cut") from None
            self._lines.line({"error": self._stopped})
            self.record.status = 200
            raise AnswerCut(self._stopped) from None
        finally:
            self._fanout = None

    def _request_for_all(self, streamed: bool = False) -> Request:
        """What each node is sent; one that is to tell of its progress is asked to."""
        body = self._body
        if isinstance(body, Body) and body.size:
            if body.size > making.LONGEST:
                raise Refused(413, "the body is too long for several nodes at once", "bad_nodes")
            whole = bytes(body.whole())
            body = Body(making.LONGEST * 2)
            ask = streamed and not self.record.streamed
            body.add(making.streamed(whole) if ask else whole)
        return Request(self._head, body, self._channel)

    def _note(self, status: int, told: dict[str, Any]) -> None:
        """Keep for the log what went wrong on nodes."""
        if status != 200:
            self.record.failure, self.record.detail = "nodes_failed", told["error"]

    # What an exchange does otherwise.

    def _limit(self, node: Node) -> float:
        """How long a node may be silent."""
        if self._head.method == b"HEAD":
            return quick(node)
        if self._route.operation not in _TRANSFERS:
            return node.config.timeouts.first_byte
        return SILENT if self.record.streamed else SILENT_TO_THE_END

    def _wait(self, phase: Phase, limit: float) -> None:
        if self._route.operation in _TRANSFERS and phase in (Phase.FIRST_BYTE, Phase.BODY):
            limit = SILENT if self.record.streamed else SILENT_TO_THE_END
        super()._wait(phase, limit)

    async def _pass_on(self, lease: Lease, connection: NodeConnection, answer: AnswerHead) -> None:
        self._last_if_early()
        await super()._pass_on(lease, connection, answer)

    def answer_own(self, status: int, body: bytes, *fields: tuple[bytes, bytes]) -> None:
        """Answer for the gateway itself."""
        self._answer_own(status, body, *fields)

    def _answer_own(self, status: int, body: bytes, *fields: tuple[bytes, bytes]) -> None:
        self._last_if_early()
        super()._answer_own(status, body, *fields)

    def _last_if_early(self) -> None:
        """An answer that comes before the body's end is the last on its connection."""
        if not self._body.ended:
            self._channel.last()

    def refuse(self, status: int, why: str) -> None:
        """Its body, which is still coming, cannot be taken any further."""
        record = self.record
        record.status, record.failure, record.detail = record.status or status, "refused", why
        self.client_left()

    def cut(self, why: str) -> None:
        if self._fanout is None or self._task is None:
            super().cut(why)
        else:
            self._stopped = why
            self._task.cancel()

    def sweep(self, now: float) -> None:
        upload, patience = self._body, self._patience
        if isinstance(upload, Upload) and upload.paused and has_left(self._channel.transport):
            # A connection that is not read tells nothing by itself.
            self._channel.abort()
            return
        if self._fanout is not None:
            self._sweep_all(self._fanout, now)
            return
        sending = patience.phase is Phase.FIRST_BYTE and not upload.ended
        # Whoever sends slowly is the channel's business; a node that does not
        # take what has come is ours.
        if (
            sending
            and isinstance(upload, Upload)
            and (patience.progressed(upload.size, now) or not upload.paused)
        ):
            patience.wait(Phase.FIRST_BYTE, patience.limit, now)
            return
        super().sweep(now)

    def _sweep_all(self, fanout: Fanout, now: float) -> None:
        fanout.sweep(now)
        relayed = self._lines.relayed if self._lines is not None else 0
        progressed = self._patience.progressed((relayed, self._channel.paused), now)
        stuck = self._patience.spent(self.gateway.send_limit, now)
        if stuck and self._channel.paused and not progressed:
            self._channel.abort()
