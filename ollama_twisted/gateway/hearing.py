"""Requests to transcribe or to translate, of which it is told how long the audio lasts."""

from __future__ import annotations

from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.exchange import Exchange
from ollama_twisted.gateway.recording import Recording
from ollama_twisted.gateway.task import Signal
from ollama_twisted.pool.lease import Lease
from ollama_twisted.wire.head import AnswerHead


class Hearing(Exchange):
    """
    One request of one client that brings a recording.

    It is accounted for when it is known how long that lasts: from the answer, or else
    from the recording, which is looked into only after the answer has passed.
    """

    __slots__ = ()

    def _send(self, lease: Lease, connection: NodeConnection) -> Signal[AnswerHead]:
        self.record.asked_at = self._gateway.seconds()
        return super()._send(lease, connection)

    def _account(self) -> None:
        record, body, gateway = self.record, self._body, self._gateway
        if record.final is not None:
            record.audio = record.final.audio
        wanted = record.status == 200 and not record.failure and record.audio is None
        if not wanted or not isinstance(body, Recording):
            super()._account()
            return
        lasting = body.lasting()

        def measure() -> None:
            record.audio = lasting()

        def measured() -> None:
            gateway.unaccounted -= 1
            gateway.account(record)

        gateway.unaccounted += 1
        gateway.apart(measure, measured)
