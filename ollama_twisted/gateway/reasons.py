"""Why a node was chosen, or none could be, as logs, fields of an answer and errors tell it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ollama_twisted.gateway.failures import Refused
from ollama_twisted.pool.eligibility import LASTING, Reason, Refusal, Want, may_offer
from ollama_twisted.pool.node import Node
from ollama_twisted.record import Record
from ollama_twisted.wire.head import RequestHead
from ollama_twisted.wire.routes import find, instead_of

if TYPE_CHECKING:
    from ollama_twisted.gateway.core import Gateway

#: A request with this field is told why its node was chosen.
EXPLAIN = b"x-ollama-gateway-explain"
#: What a field says is cut after so many bytes.
MAX_FIELD = 2048


def note_choice(
    gateway: Gateway, record: Record, want: Want, node: Node, head: RequestHead
) -> None:
    """Keep why this node has just been chosen: later, the others may be in another state."""
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


def told_why(want: Want, judged: Iterable[tuple[Node, Refusal | None]]) -> Refused:
    """
    What a client is told whom no node may answer.

    Where other kinds of nodes are needed than there are, or a model is on another
    kind, asking again would not help: that is a 404, with the path that would work.
    """
    refused = [(node, refusal) for node, refusal in judged if refusal is not None]
    if not refused:
        return Refused(503, "there are no nodes", "no_node")
    reasons = "; ".join(f"{node.config.name}: {refusal}" for node, refusal in refused)
    message = f"no node can answer ({reasons})"
    found = {refusal.reason for _, refusal in refused}
    if not found & LASTING or found - LASTING - {Reason.ABSENT}:
        return Refused(503, message, "no_node")
    instead = instead_of(want.path)
    if instead:
        service = find(b"POST", instead.encode()).service
        able = [node.config.name for node, _ in refused if may_offer(node, service, want.model)]
        if able:
            message += f"; {', '.join(able)} can be asked on {instead}"
    return Refused(404, message, "kind")


def fields_of(label: bytes, record: Record) -> bytes:
    """The lines of an answer's head that say who answers, and what led there."""
    said = b"X-Ollama-Gateway-Node: %b\r\n" % label
    if record.retries:
        retries = "; ".join(f"{name}: {why}" for name, why in record.retries)
        said += b"X-Ollama-Gateway-Retries: %b\r\n" % retries.encode()[:MAX_FIELD]
    if record.explained:
        said += b"X-Ollama-Gateway-Explain: %b\r\n" % record.explained.encode()[:MAX_FIELD]
    return said
