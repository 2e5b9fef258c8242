"""The nodes that a request names, which it says to the gateway and not to a node."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote_to_bytes

from ollama_twisted.config.targets import Targets, read_targets
from ollama_twisted.gateway.failures import Refused
from ollama_twisted.wire.head import RequestHead

#: Where nodes are named: a field of the head, or a parameter of the query.
FIELD = b"x-ollama-gateway-nodes"
PARAMETER = b"gateway_nodes"


def targets_of(head: RequestHead) -> Targets | None:
    """
    The nodes that a request names; ``None`` if it names none.

    @raise Refused: it names them in a way that nobody understands.
    """
    said = [value for name, value in head.fields if name.lower() == FIELD]
    pairs = (part.partition(b"=") for part in head.query.split(b"&"))
    said += [
        unquote_to_bytes(value.replace(b"+", b" ")) for name, _, value in pairs if name == PARAMETER
    ]
    if not said:
        return None
    if len(said) > 1:
        raise Refused(400, "the nodes are named more than once", "bad_nodes")
    try:
        return read_targets(said[0].decode("utf-8", "replace"))
    except ValueError as error:
        name = f"{FIELD.decode().title()}, or {PARAMETER.decode()} in the query"
        raise Refused(400, f"{name}: {error}", "bad_nodes") from None


def without_targets(head: RequestHead) -> RequestHead:
    """The head as nodes are sent it."""
    if PARAMETER not in head.query:
        return head
    parts = head.query.split(b"&")
    query = b"&".join(part for part in parts if part.partition(b"=")[0] != PARAMETER)
    return replace(head, query=query, target=head.path + b"?" + query if query else head.path)
