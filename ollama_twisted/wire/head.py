"""
The head of a request or of an answer, read so strictly that nobody can read it otherwise.

Everything before the empty line goes in; typed values come out, or a refusal.
A refused request is answered with its status and its connection closed, as is
that of a refused answer: where the next message starts is then anybody's guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from ollama_twisted.wire.fields import TOKEN, Fields, first_values, listed, read_fields, values

MAX_HEAD = 65536
MAX_TARGET = 16384
MAX_FIELDS = 200
HANDSHAKE = b"\x16"  # what a client sends first that takes us for HTTPS
_REMEMBERED = 1024  # bytes; a longer head is read anew each time

_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([!-~]+) HTTP/1\.([01])(?=\r\n|\Z)")
_ANY_VERSION = re.compile(rb"[^\r\n]* HTTP/[0-9]+(?:\.[0-9]+)?(?=\r\n|\Z)")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t -~\x80-\xff]*))?(?=\r\n|\Z)")
_HOST = re.compile(rb"(?:[0-9A-Za-z._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)([^?]*)(\?.*)?", re.IGNORECASE | re.DOTALL)

# What some servers behind a CGI-like interface take for the framing fields.
_TWINS = frozenset({b"content_length", b"transfer_encoding"})
_ONLY_ONCE = (b"host", b"content-length", b"transfer-encoding")
_NOTHING: frozenset[bytes] = frozenset()
_USUAL_CONNECTION = {each: frozenset({each}) for each in (b"keep-alive", b"close")}


class BadRequest(Exception):
    """A request that is refused with ``status``; its connection is then closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


class BadAnswer(Exception):
    """An answer that no client may see; the connection it came from is closed."""


# Neither head is ever changed; to freeze them would cost nearly a microsecond each.


@dataclass(slots=True)
class RequestHead:
    """
    What a client asks for.  Not to be changed: the same bytes may give the same value again.

    ``target`` is always in origin form (or ``*``), ``path`` is not decoded and
    ``query`` comes without its question mark.  ``lower`` has the first value of
    each field; ``connection`` the members of all Connection fields.
    ``host`` is empty only for an HTTP/1.0 client that sent none.
    """

    method: bytes
    target: bytes
    path: bytes
    query: bytes
    minor: int
    fields: Fields
    lower: dict[bytes, bytes]
    host: bytes
    length: int
    chunked: bool
    connection: frozenset[bytes]
    keep_alive: bool
    expect_continue: bool
    #: Its lines that pass, once they have been written (see `headers`).
    passing: bytes | None = field(default=None, init=False, compare=False, repr=False)


@dataclass(slots=True)
class AnswerHead:
    """
    What a node answers.  Not to be changed, as ``RequestHead``.

    ``length`` is None where the head does not say it.  Whether a body follows
    depends on the request as well: see ``framing.answer_body``.
    """

    status: int
    reason: bytes
    minor: int
    fields: Fields
    lower: dict[bytes, bytes]
    length: int | None
    chunked: bool
    connection: frozenset[bytes]
    keep_alive: bool
    #: As of a request.
    passing: bytes | None = field(default=None, init=False, compare=False, repr=False)


def read_request(block: bytes) -> RequestHead:
    """
    Read a request's head: everything before the empty line, without a CRLF at its end.

    A client that sends more than ``MAX_HEAD`` bytes without an empty line can be
    answered from what there is: such a block is always refused.  So is a ``HANDSHAKE``.

    @raise BadRequest: on any doubt.
    """
    return (_remember_request if len(block) <= _REMEMBERED else _read_request)(block)


def _read_request(block: bytes) -> RequestHead:
    line = _REQUEST_LINE.match(block)
    if line is None or len(block) > MAX_HEAD:
        raise _refused_line(block)
    method, target, minor = line[1], line[2], 1 if line[3] == b"1" else 0
    if len(target) > MAX_TARGET:
        raise BadRequest(414, f"the request target is longer than {MAX_TARGET} bytes")
    fields = read_fields(block, line.end())
    if fields is None:
        raise BadRequest(400, "a header line is malformed")
    if len(fields) > MAX_FIELDS:
        raise BadRequest(431, f"there are more than {MAX_FIELDS} header lines")
    lower = first_values(fields)
    if len(lower) != len(fields):
        for name in _ONLY_ONCE:
            if len(values(fields, name)) > 1:
                raise BadRequest(400, f"there is more than one {name.decode()} header")
    if not _TWINS.isdisjoint(lower):
        raise BadRequest(400, "a header imitates one that frames the request")

    host = lower.get(b"host")
    if host is None:
        if minor:
            raise BadRequest(400, "there is no host header")
        host = b""
    elif not _is_host(host):
        raise BadRequest(400, "the host header is not a host")
    if target[0] != 47 or method == b"CONNECT" or b"#" in target:  # 47 is "/"
        target = _in_origin_form(method, target, host)
    path, _, query = target.partition(b"?")

    length, chunked = _request_framing(lower, minor)
    connection = _connection(fields, lower)
    return RequestHead(
        method,
        target,
        path,
        query,
        minor,
        fields,
        lower,
        host,
        length,
        chunked,
        connection,
        b"close" not in connection and (minor == 1 or b"keep-alive" in connection),
        b"expect" in lower and _expects(fields) and minor == 1 and (chunked or length > 0),
    )


def read_answer(block: bytes) -> AnswerHead:
    """
    Read an answer's head: everything before the empty line, without a CRLF at its end.

    @raise BadAnswer: on any doubt.
    """
    return (_remember_answer if len(block) <= _REMEMBERED else _read_answer)(block)


def _read_answer(block: bytes) -> AnswerHead:
    if len(block) > MAX_HEAD:
        raise BadAnswer(f"the head is longer than {MAX_HEAD} bytes")
    if (line := _STATUS_LINE.match(block)) is None:
        raise BadAnswer("the status line is malformed")
    minor, status, reason = 1 if line[1] == b"1" else 0, int(line[2]), line[3] or b""
    fields = read_fields(block, line.end())
    if fields is None:
        raise BadAnswer("a header line is malformed")
    if len(fields) > MAX_FIELDS:
        raise BadAnswer(f"there are more than {MAX_FIELDS} header lines")
    lower = first_values(fields)
    if len(lower) != len(fields):
        for name in (b"content-length", b"transfer-encoding"):
            if len(values(fields, name)) > 1:
                raise BadAnswer(f"there is more than one {name.decode()} header")

    length = None
    if (digits := lower.get(b"content-length")) is not None:
        if not _is_length(digits):
            raise BadAnswer("the content length is not a number")
        length = int(digits)
    if chunked := b"transfer-encoding" in lower:
        if lower[b"transfer-encoding"].lower() != b"chunked":
            raise BadAnswer("the transfer coding is not chunked")
        if length is not None:
            raise BadAnswer("there are both a content length and a transfer coding")
        if not minor:
            raise BadAnswer("HTTP/1.0 has no transfer codings")
    connection = _connection(fields, lower)
    return AnswerHead(
        status,
        reason,
        minor,
        fields,
        lower,
        length,
        chunked,
        connection,
        b"close" not in connection and (minor == 1 or b"keep-alive" in connection),
    )


# Whoever is busy sends the same heads over and over.
_remember_request = lru_cache(512)(_read_request)
_remember_answer = lru_cache(512)(_read_answer)


def _refused_line(block: bytes) -> BadRequest:
    """Why the first line of ``block``, or the block as a whole, cannot be used."""
    if block.startswith(HANDSHAKE):
        return BadRequest(400, "this port speaks HTTP, not HTTPS")
    line = block.partition(b"\r\n")[0]
    if len(line) > MAX_TARGET + 64:
        return BadRequest(414, f"the request line is longer than {MAX_TARGET} bytes")
    if len(block) > MAX_HEAD:
        return BadRequest(431, f"the head is longer than {MAX_HEAD} bytes")
    if _ANY_VERSION.match(line) and not line.endswith((b" HTTP/1.0", b" HTTP/1.1")):
        return BadRequest(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    return BadRequest(400, "the request line is malformed")


def _is_host(value: bytes) -> bool:
    """Whether ``value`` is a name or an address, perhaps with a port (RFC 9110 section 7.2)."""
    if _HOST.fullmatch(value) is None:
        return False
    name, colon, port = value.rpartition(b":")
    return not colon or value.endswith(b"]") or (name != b"" and int(port) <= 65535)


def _in_origin_form(method: bytes, target: bytes, host: bytes) -> bytes:
    """The target as a node is asked for it, from one of the rarer forms of RFC 9112 section 3.2."""
    if method == b"CONNECT":
        raise BadRequest(501, "this is no tunnel")
    if b"#" in target:
        raise BadRequest(400, "a request target has no fragment")
    if target == b"*" and method == b"OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise BadRequest(400, "the request target does not start with a slash")
    authority, path, query = absolute.groups(b"")
    if not host or authority.lower() != host.lower():
        raise BadRequest(400, "the request target and the host header disagree")
    if not path and not query and method == b"OPTIONS":
        return b"*"
    return (path or b"/") + query


def _request_framing(lower: dict[bytes, bytes], minor: int) -> tuple[int, bool]:
    """How long the body is, and whether it comes in chunks (RFC 9112 section 6)."""
    digits = lower.get(b"content-length")
    coding = lower.get(b"transfer-encoding")
    if coding is not None:
        if digits is not None:
            raise BadRequest(400, "there are both a content length and a transfer coding")
        if not minor:
            raise BadRequest(400, "HTTP/1.0 has no transfer codings")
        if coding.lower() != b"chunked":
            raise BadRequest(501, "the only transfer coding spoken here is chunked")
        return 0, True
    if digits is None:
        return 0, False
    if not _is_length(digits):
        raise BadRequest(400, "the content length is not a number of at most 18 digits")
    return int(digits), False


def _is_length(value: bytes) -> bool:
    # int() alone would take "+5", "1_0" and " 5" as well.
    return value.isdigit() and len(value) <= 18


def _connection(fields: Fields, lower: dict[bytes, bytes]) -> frozenset[bytes]:
    """The members of all Connection fields, in lower case (RFC 9110 section 7.6.1)."""
    if b"connection" not in lower:
        return _NOTHING
    lines = values(fields, b"connection")
    if len(lines) == 1 and (usual := _USUAL_CONNECTION.get(lines[0])) is not None:
        return usual
    return listed(lines)


def _expects(fields: Fields) -> bool:
    """Whether the client waits for a 100 (Continue), the only thing that it may expect."""
    if listed(values(fields, b"expect")) != {b"100-continue"}:
        raise BadRequest(417, "the only expectation met here is 100-continue")
    return True
