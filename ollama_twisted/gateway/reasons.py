"""Why a node was chosen, as the access log and the fields of an answer tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.node import Node
from ollama_twisted.record import Record
from ollama_twisted.wire.head import RequestHead

if TYPE_CHECKING:
    from ollama_twisted.gateway.core import Gateway

#: A request with this field is told why its node was chosen.
EXPLAIN = b"x-ollama-gateway-explain"
#: What a field says is cut after so many bytes.
MAX_FIELD = 2048


def note_choice(gateway: Gateway, record: Record, node: Node, head: RequestHead) -> None:
    """Keep why this node has just been chosen: later, the others may be in another state."""
    want = Want(record.model)
    record.node = node.name
    record.passed_over = gateway.pool.passed_over(want)
    if EXPLAIN in head.lower:
        among, reasons = [], []
        for each, refusal in gateway.pool.explain(want, gateway.seconds()):
            # It may be full now, because of this very request.
            if refusal is None or each is node:
                among.append(each.name)
            else:
                reasons.append(f"{each.name}: {refusal}")
        chosen = f"{gateway.config.strategy} chose {node.name} among {', '.join(among)}"
        record.explained = "; ".join([chosen, *reasons])


def fields_of(label: bytes, record: Record) -> bytes:
    """The lines of an answer's head that say who answers, and what led there."""
    said = b"X-Ollama-Gateway-Node: %b\r\n" % label
    if record.retries:
        retries = "; ".join(f"{name}: {why}" for name, why in record.retries)
        said += b"X-Ollama-Gateway-Retries: %b\r\n" % retries.encode()[:MAX_FIELD]
    if record.explained:
        said += b"X-Ollama-Gateway-Explain: %b\r\n" % record.explained.encode()[:MAX_FIELD]
    return said
