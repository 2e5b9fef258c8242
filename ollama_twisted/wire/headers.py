"""
The heads that leave the gateway.

They are written anew from parsed values, never copied: the first line and the
framing are ours, hop-by-hop fields end here (RFC 9110 section 7.6.1), and all
other fields pass in the order and the letters in which they came.
"""

from __future__ import annotations

from collections.abc import Sequence

from ollama_twisted.wire.head import AnswerHead, RequestHead

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Fields about one connection only; those named by a Connection field come on top."""

# What a client says of itself here could be a lie that a node believes; the
# same goes for all fields that begin with X-Forwarded-.
_CLAIMS = frozenset({b"forwarded", b"x-real-ip"})
# Which nodes shall do something is said to us; one that is a gateway has others.
_NAMED = b"x-ollama-gateway-nodes"
_NOT_TO_NODE = HOP_BY_HOP | _CLAIMS | {b"host", b"content-length", b"expect", _NAMED}
# A node may be a gateway itself; what is said here is said of this one.
_SAID = frozenset(b"x-ollama-gateway-" + each for each in (b"node", b"retries", b"explain"))
_NOT_TO_CLIENT = HOP_BY_HOP | _SAID | {b"content-length"}


def request_to_node(
    head: RequestHead,
    *,
    target: bytes | None = None,
    host: bytes,
    client: bytes,
    proto: bytes,
    body_length: int | None,
    extra: Sequence[tuple[bytes, bytes]] = (),
    drop: frozenset[bytes] = frozenset(),
) -> bytes:
    """
    The head of ``head``'s request as a node gets it, empty line included.

    ``target`` replaces the client's, ``extra`` are fields of the node's own and
    replace any that the client sent, ``drop`` names (in lower case) fields that
    this node must not see.  ``body_length`` is None for a request without a
    body that had no Content-Length either.
    """
    dropped = _NOT_TO_NODE
    if head.connection or drop or extra:
        dropped = dropped.union(head.connection, drop, (name.lower() for name, _ in extra))
    lines = [b"%b %b HTTP/1.1\r\nHost: %b" % (head.method, target or head.target, host)]
    for field in head.fields:
        name = field[0].lower()
        if name not in dropped and not name.startswith(b"x-forwarded-"):
            lines.append(b"%b: %b" % field)
    lines += [b"%b: %b" % field for field in extra]
    if body_length is not None:
        lines.append(b"Content-Length: %d" % body_length)
    if head.host:
        lines.append(b"X-Forwarded-Host: " + head.host)
    lines.append(
        b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nVia: 1.%d ollama-gateway\r\n\r\n"
        % (client, proto, head.minor)
    )
    return b"\r\n".join(lines)


def answer_to_client(
    head: AnswerHead, *, framing: bytes, said: bytes, keep_alive: bool, minor: int
) -> bytes:
    """
    The head of a node's answer as a client gets it, empty line included.

    ``framing`` is the one line that frames the body, CRLF included, or nothing;
    ``said`` are the lines that the gateway has to say of the answer, likewise.
    ``minor`` is the client's version, which decides what must be said about
    the connection.
    """
    dropped = _NOT_TO_CLIENT | head.connection if head.connection else _NOT_TO_CLIENT
    lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
    lines += [b"%b: %b" % field for field in head.fields if field[0].lower() not in dropped]
    if not keep_alive:
        lines.append(b"Connection: close")
    elif not minor:
        lines.append(b"Connection: keep-alive")
    lines.append(b"%b%b\r\n" % (said, framing))
    return b"\r\n".join(lines)
