"""
Where a body ends: HTTP/1.1 framing, walked strictly as the bytes come in.

A node's chunks are passed on as they came when they are written plainly (hex
digits, CRLF, no extension, no trailer), and are written anew otherwise, so
that whoever comes behind us reads what we have read.  What is held back is
never more than one line: a payload is handed out as soon as it is there.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from ollama_twisted.wire.fields import FIELD_LINE, TOKEN
from ollama_twisted.wire.head import AnswerHead, RequestHead

LAST_CHUNK = b"0\r\n\r\n"
MAX_SIZE_LINE = 1024  # with its extensions
MAX_TRAILERS = 8192

# RFC 9112 section 7.1.1, with the blanks that it wants tolerated around ";" and "=".
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
_LARGEST_CHUNK = 2**63 - 1


class _Line(NamedTuple):
    """A line that has to come next: how it reads, and what cannot stand in its middle."""

    pattern: re.Pattern[bytes]
    ending: bytes
    longest: int


_SIZE = _Line(
    re.compile(rb"([0-9A-Fa-f]{1,16})((?:" + _EXTENSION + rb")*)\r\n"),
    b"\n",
    MAX_SIZE_LINE,
)
_AFTER_PAYLOAD = _Line(re.compile(rb"\r\n"), b"\n", 2)
_TRAILERS = _Line(re.compile(rb"(?:" + FIELD_LINE + rb"\r\n)*\r\n"), b"\r\n\r\n", MAX_TRAILERS)


class FramingError(Exception):
    """The bytes do not follow the framing that was announced: nothing after them means anything."""


class Fed(NamedTuple):
    """
    What a body made of the bytes that it was fed.

    ``forward`` may be sent on as it is where the same framing was announced,
    ``payload`` is the content alone.  Once ``ended``, ``rest`` is what came after
    the end: the next message, or on a node's connection a reason to drop it.
    """

    forward: bytes
    payload: bytes
    ended: bool
    rest: bytes


class Body(Protocol):
    """A body on its way in."""

    @property
    def ended(self) -> bool:
        """Whether the end was seen."""

    @property
    def at_boundary(self) -> bool:
        """Whether something of our own could be said between what was forwarded and the end."""

    def feed(self, data: bytes) -> Fed:
        """
        Take the next bytes.

        @raise FramingError: if they break the framing; the body is then unusable.
        """

    def closed(self) -> bool:
        """Whether the body is whole if the connection ends here."""


def chunk(payload: bytes) -> bytes:
    """``payload``, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _size_line_of_chunk(length: int) -> bytes:
    """The only plain size line that a chunk of ``length`` bytes in all can have."""
    for digits in range(1, 4):
        size = length - digits - 4
        if size > 0 and len(line := b"%x\r\n" % size) == digits + 2:
            return line
    return b"-" * (length + 1)  # longer than the chunk, hence in none


_SIZE_LINES = [_size_line_of_chunk(length) for length in range(4096 + 7)]


def whole_chunk(data: bytes) -> int:
    """
    Where the payload starts if ``data`` is exactly one small, plain, not last chunk; else 0.

    The payload then is ``data[offset:-2]``.  This is how a token usually comes,
    and nothing needs to be parsed to know it: the length of the whole says
    what its size line must be.
    """
    length = len(data)
    if length < 4096:
        line = _SIZE_LINES[length]
        if data.startswith(line) and data.endswith(b"\r\n"):
            return len(line)
    return 0


class ChunkedBody:
    """A body in chunks (RFC 9112 section 7.1)."""

    __slots__ = ("_expected", "_held", "_need", "ended")

    def __init__(self) -> None:
        self.ended = False
        self._expected = _SIZE
        self._need = 0  # of a payload, before what is expected
        self._held = b""  # of a line that is not complete, hence not forwarded

    @property
    def at_boundary(self) -> bool:
        return self._expected is not _AFTER_PAYLOAD and not self.ended

    def closed(self) -> bool:
        return self.ended

    def feed(self, data: bytes) -> Fed:
        if self._held:
            data, self._held = self._held + data, b""
        elif self._expected is _SIZE and (start := whole_chunk(data)):
            return Fed(data, data[start:-2], False, b"")
        expected = self._expected
        try:
            return self._walk(data)
        except FramingError:
            # Nothing of these bytes is forwarded, so whether there is room for
            # something of our own depends on what was before them.
            self._expected = expected
            raise

    def _walk(self, data: bytes) -> Fed:
        payloads: list[bytes] = []
        forward: list[bytes] = []
        here = plain = 0  # data[plain:here] is to be forwarded as it came
        while here < len(data) and not self.ended:
            if self._need:
                payload = data[here : here + self._need]
                payloads.append(payload)
                self._need -= len(payload)
                here += len(payload)
                continue
            line = self._expected.pattern.match(data, here)
            if line is None or line.end() - here > self._expected.longest:
                self._hold(data[here:])
                break
            if self._expected is _SIZE:
                size = self._begin_chunk(line)
                if not size or line[2]:
                    forward.append(data[plain:here])
                    plain = line.end()
                    if size:
                        forward.append(b"%x\r\n" % size)
            elif self._expected is _AFTER_PAYLOAD:
                self._expected = _SIZE
            else:
                forward.append(LAST_CHUNK)
                plain = line.end()
                self.ended = True
            here = line.end()
        forward.append(data[plain:here])
        rest = data[here:] if self.ended else b""
        return Fed(b"".join(forward), b"".join(payloads), self.ended, rest)

    def _begin_chunk(self, line: re.Match[bytes]) -> int:
        size = int(line[1], 16)
        if size > _LARGEST_CHUNK:
            raise FramingError("a chunk is too large")
        self._need = size
        self._expected = _AFTER_PAYLOAD if size else _TRAILERS
        return size

    def _hold(self, beginning: bytes) -> None:
        """Keep the beginning of a line until there is more of it, if more could make it right."""
        if self._expected is _AFTER_PAYLOAD:
            hopeless = beginning != b"\r"
        else:
            too_long = len(beginning) >= self._expected.longest
            hopeless = too_long or self._expected.ending in beginning
        if hopeless:
            raise FramingError(f"{beginning[:40]!r} is no part of a chunked body")
        self._held = beginning


class LengthBody:
    """A body whose length was announced."""

    __slots__ = ("_need",)

    def __init__(self, length: int) -> None:
        self._need = length

    @property
    def ended(self) -> bool:
        return self._need == 0

    @property
    def at_boundary(self) -> bool:
        return False

    def closed(self) -> bool:
        return self._need == 0

    def feed(self, data: bytes) -> Fed:
        payload = data[: self._need]
        self._need -= len(payload)
        return Fed(payload, payload, self._need == 0, data[len(payload) :])


class CloseBody:
    """A body that goes on until the connection is closed."""

    __slots__ = ()

    ended = False
    at_boundary = True

    def closed(self) -> bool:
        return True

    def feed(self, data: bytes) -> Fed:
        return Fed(data, data, False, b"")


def request_body(head: RequestHead) -> ChunkedBody | LengthBody:
    """The body that follows a request's head."""
    return ChunkedBody() if head.chunked else LengthBody(head.length)


def answer_body(head: AnswerHead, method: bytes) -> Body:
    """The body that follows an answer's head, given the method that was asked with."""
    if method == b"HEAD" or head.status < 200 or head.status in (204, 304):
        return LengthBody(0)
    if head.chunked:
        return ChunkedBody()
    return CloseBody() if head.length is None else LengthBody(head.length)
