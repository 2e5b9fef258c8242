"""
The heads that leave the gateway.

They are written anew from parsed values, never copied: the first line and the
framing are ours, hop-by-hop fields end here (RFC 9110 section 7.6.1), and all
other fields pass in the order and the letters in which they came.  The same head comes
again and again, and is then one value (see `head`), so the lines that pass are written
once and kept with it.
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

_LINE = b"%b: %b\r\n"
_REQUEST = (
    b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b%bX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n"
    b"Via: 1.%d ollama-gateway\r\n\r\n"
)
_ANSWER = b"HTTP/1.1 %d %b\r\n%b%b%b%b\r\n"


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
    if drop or extra:
        theirs = {name.lower() for name, _ in extra}
        passing = _to_node(head, drop | theirs) + b"".join(map(_LINE.__mod__, extra))
    elif head.passing is None:
        passing = head.passing = _to_node(head, drop)
    else:
        passing = head.passing
    return _REQUEST % (
        head.method,
        target or head.target,
        host,
        passing,
        b"" if body_length is None else b"Content-Length: %d\r\n" % body_length,
        b"X-Forwarded-Host: %b\r\n" % head.host if head.host else b"",
        client,
        proto,
        head.minor,
    )


def _to_node(head: RequestHead, drop: frozenset[bytes]) -> bytes:
    """The lines of a request that pass."""
    dropped = _NOT_TO_NODE.union(head.connection, drop)
    lowered = [(field[0].lower(), field) for field in head.fields]
    return b"".join(
        _LINE % field
        for name, field in lowered
        if name not in dropped and not name.startswith(b"x-forwarded-")
    )


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
    if head.passing is None:
        dropped = _NOT_TO_CLIENT | head.connection
        passing = [_LINE % field for field in head.fields if field[0].lower() not in dropped]
        head.passing = b"".join(passing)
    connection = b""
    if not keep_alive:
        connection = b"Connection: close\r\n"
    elif not minor:
        connection = b"Connection: keep-alive\r\n"
    return _ANSWER % (head.status, head.reason, head.passing, connection, said, framing)
