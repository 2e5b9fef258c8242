"""Chunked bodies for properties: damaged ones, and a walk that is too simple to be wrong."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_BLANK = frozenset(b" \t")

_SPLINTERS = st.sampled_from(
    [bytes([code]) for code in b'\r\n \t\x0001;:=+-_x"\\\xff']
    + [b"\r\n", b";a", b"0x", b"0\r\n\r\n", b"X: y\r\n"]
)
_EXTENSIONS = st.sampled_from(
    [b""] * 6 + [b";a", b"; a=b", b' ;a="b"', b';a="\\"";c', b"\t;a =\tb"]
)
_TRAILERS = st.sampled_from([b""] * 6 + [b"X: y\r\n", b"X:\r\nY:\t z \r\n", b"Set-Cookie: a\r\n"])


@st.composite
def damaged_bodies(draw: DrawFn) -> bytes:
    """A chunked body with up to two splinters in it, and perhaps something after it."""
    data = b""
    for payload in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4)):
        size = b"%x" % len(payload)
        size = b"0" * draw(st.sampled_from([0, 0, 0, 1, 14, 15])) + size
        if draw(st.booleans()):
            size = size.upper()
        data += b"%b%b\r\n%b\r\n" % (size, draw(_EXTENSIONS), payload)
    data += b"0" * draw(st.sampled_from([1, 1, 1, 2, 16, 17])) + draw(_EXTENSIONS) + b"\r\n"
    data += draw(_TRAILERS) + b"\r\n" + draw(st.just(b"") | st.binary(max_size=5))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(_SPLINTERS) + data[start + draw(st.integers(0, 2)) :]
    return data[: draw(st.integers(0, len(data)) | st.just(len(data)))]


def walk_slowly(data: bytes) -> tuple[bytes, bool, bytes] | None:
    """Payload, whether it ended, and what follows the end; None if the framing is broken."""
    payload = b""
    while True:
        line, newline, data = data.partition(b"\n")
        if not newline:
            return payload, False, b""
        size = _size(line)
        if size is None:
            return None
        if size == 0:
            break
        payload += data[:size]
        if len(data) < size:
            return payload, False, b""
        data = data[size:]
        if data in (b"", b"\r"):
            return payload, False, b""
        if not data.startswith(b"\r\n"):
            return None
        data = data[2:]
    return _after_trailers(payload, data)


def _after_trailers(payload: bytes, data: bytes) -> tuple[bytes, bool, bytes] | None:
    if data.startswith(b"\r\n"):
        return payload, True, data[2:]
    block, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return payload, False, b""
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or not name or not set(name) <= _TOKEN:
            return None
        if not all(c == 9 or (c >= 32 and c != 127) for c in value):
            return None
    return payload, True, rest


def _size(line: bytes) -> int | None:
    if not line.endswith(b"\r"):
        return None
    digits = 0
    while line[digits] in _HEX:
        digits += 1
    if not 1 <= digits <= 16 or not _are_extensions(line[digits:-1]):
        return None
    size = int(line[:digits], 16)
    return size if size < 2**63 else None


def _are_extensions(text: bytes) -> bool:
    """Whether RFC 9112 section 7.1.1 has a meaning for ``text``."""
    here = 0

    def skip(characters: frozenset[int]) -> int:
        nonlocal here
        start = here
        while here < len(text) and text[here] in characters:
            here += 1
        return here - start

    def take(character: bytes) -> bool:
        nonlocal here
        found = text[here : here + 1] == character
        here += found
        return found

    while here < len(text):
        skip(_BLANK)
        if not take(b";"):
            return False
        skip(_BLANK)
        if not skip(_TOKEN):
            return False
        before = here
        skip(_BLANK)
        if not take(b"="):
            here = before
            continue
        skip(_BLANK)
        if take(b'"'):
            while not take(b'"'):
                take(b"\\")
                if here >= len(text) or not (text[here] == 9 or 32 <= text[here] != 127):
                    return False
                here += 1
        elif not skip(_TOKEN):
            return False
    return True
