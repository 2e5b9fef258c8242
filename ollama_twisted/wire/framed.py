"""How a node's answer is framed for the client that gets it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ollama_twisted.wire.framing import LAST_CHUNK, chunk
from ollama_twisted.wire.head import AnswerHead


class Framed(NamedTuple):
    """
    The framing of one answer.

    ``line`` announces it, CRLF included.  ``frame`` makes of a payload what is
    sent; ``None``: the node's own framing passes as it came.  ``last`` ends the
    body.  ``closes``: only the end of the connection does.
    """

    line: bytes
    frame: Callable[[bytes], bytes] | None = None
    last: bytes = b""
    closes: bool = False


_NOTHING = Framed(b"")
_CHUNKS = Framed(b"Transfer-Encoding: chunked\r\n")
_RECHUNKED = Framed(b"Transfer-Encoding: chunked\r\n", chunk, LAST_CHUNK)
_UNFRAMED = Framed(b"", bytes, closes=True)


@lru_cache(1024)
def _of_length(length: int) -> Framed:
    return Framed(b"Content-Length: %d\r\n" % length)


def framed_for(answer: AnswerHead, method: bytes, minor: int) -> Framed:
    """
    The framing for a client of HTTP/1.``minor`` that asked with ``method``.

    An HTTP/1.0 client knows no chunks: it is sent the payload alone.  A node that
    ends its answer by closing (RFC 9112 6.3) has it chunked for an HTTP/1.1 client,
    who could not tell a cut from an end otherwise.
    """
    if answer.status == 204:
        # RFC 9110 8.6, RFC 9112 6.1: it has no framing at all.
        return _NOTHING
    if answer.length is not None:
        return _of_length(answer.length)
    if method == b"HEAD" or answer.status == 304:
        return _CHUNKS if answer.chunked and minor else _NOTHING
    if not minor:
        return _UNFRAMED
    return _CHUNKS if answer.chunked else _RECHUNKED
