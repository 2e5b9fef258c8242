"""Heads for properties: damaged ones, and a reader that is too simple to be wrong."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset(b"0123456789")

_SPLINTERS = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n ",
        b" ",
        b"\t",
        b"\0",
        b"\x7f",
        b"\xff",
        b":",
        b",",
        b"+",
        b"_",
        b"0",
        b"#",
        b"/",
        b"\r\nHost: b",
        b"\r\nContent-Length: 12",
        b"\r\nTransfer-Encoding: chunked",
        b"\r\nTransfer_Encoding: chunked",
        b"\r\nExpect: 100-continue",
        b"\r\nConnection: close",
    ]
) | st.binary(min_size=1, max_size=2)


@st.composite
def _damage(draw: DrawFn, block: bytes) -> bytes:
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(block)))
        length = draw(st.integers(0, 12))
        block = block[:start] + draw(st.just(b"") | _SPLINTERS) + block[start + length :]
    return block


def mutated(block: bytes) -> SearchStrategy[bytes]:
    """``block`` with up to three bits missing, added or replaced."""
    return _damage(block)


def read_slowly(
    block: bytes,
) -> tuple[bytes, bytes, int, list[tuple[bytes, bytes]], int, bool] | None:
    """
    Method, target, version, fields, length and chunkedness of a request, or None.

    It knows only targets in origin form.
    """
    first, *lines = block.split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        return None
    method, target, version = words
    minor = int(version[-1:])
    if not method or not set(method) <= _TOKEN or method == b"CONNECT":
        return None
    if not target.startswith(b"/") or not all(33 <= c <= 126 and c != 35 for c in target):
        return None
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or not set(name) <= _TOKEN:
            return None
        if not all(c == 9 or (c >= 32 and c != 127) for c in value):
            return None
        fields.append((name, value.strip(b" \t")))
    names = [name.lower() for name, _ in fields]
    if b"content_length" in names or b"transfer_encoding" in names:
        return None
    hosts = [value for name, value in fields if name.lower() == b"host"]
    if len(hosts) > 1 or (minor and not hosts) or not all(map(_is_host, hosts)):
        return None
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        return None
    if codings and (codings[0].lower() != b"chunked" or not minor):
        return None
    if lengths and not (1 <= len(lengths[0]) <= 18 and set(lengths[0]) <= _DIGITS):
        return None
    expectations = [value.lower() for name, value in fields if name.lower() == b"expect"]
    if any(each != b"100-continue" for each in expectations):
        return None
    return method, target, minor, fields, int(lengths[0]) if lengths else 0, bool(codings)


def _is_host(value: bytes) -> bool:
    name, _, port = value.partition(b":")
    if not name or not all(c in _TOKEN and c not in b"!#$%&'*+^`|" for c in name):
        return False
    return value == name or (1 <= len(port) <= 5 and set(port) <= _DIGITS and int(port) < 65536)
