"""Requests about what the nodes have: who may make them, and whom they concern."""

from __future__ import annotations

from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.exchange import Exchange
from ollama_twisted.gateway.failures import Refused
from ollama_twisted.gateway.patience import Phase
from ollama_twisted.gateway.upload import Upload
from ollama_twisted.pool.lease import Lease
from ollama_twisted.wire.head import AnswerHead


class Managing(Exchange):
    """
    One request of one client that fetches, makes, shows or removes what is on nodes.

    Its body may be an ``Upload``, which is still coming when the exchange begins.
    """

    __slots__ = ()

    async def _answer(self) -> None:
        if self._route.manages and not self._gateway.may_manage(self._channel.peer):
            message = "changing models is not allowed from here (see gateway.manage_models)"
            raise Refused(403, message, "not_allowed")
        self._read_ask()
        await self._ask_nodes(self._gateway.want_of(self._route, self._ask))

    async def _relay_answer(
        self, lease: Lease, connection: NodeConnection, answer: AnswerHead
    ) -> None:
        self._last_if_early()
        await super()._relay_answer(lease, connection, answer)

    def _answer_own(self, status: int, body: bytes, *fields: tuple[bytes, bytes]) -> None:
        self._last_if_early()
        super()._answer_own(status, body, *fields)

    def _last_if_early(self) -> None:
        """An answer that comes before the body's end is the last on its connection."""
        if not self._body.ended:
            self._channel.last()

    def sweep(self, now: float) -> None:
        upload, patience = self._body, self._patience
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
