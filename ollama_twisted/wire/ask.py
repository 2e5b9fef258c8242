"""
The model that a request asks for.

A node is written in Go, and what it reads out of a body is what counts: keys in
any capitals, the last of several, only the first JSON value.  Reading it
otherwise would send requests to nodes that do not have their model.
"""

from __future__ import annotations

import json
from mmap import mmap
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from ollama_twisted.wire.conversation import hints
from ollama_twisted.wire.form import Form
from ollama_twisted.wire.head import RequestHead
from ollama_twisted.wire.routes import Dialect, ModelIn, Route, Streams
from ollama_twisted.wire.zstd import CannotOpen, opened

_MODEL_PATH = b"/v1/models/"
_LONGEST_ODD_BODY = 2**20  # reading these is slow, and everybody else waits meanwhile
_MANY_KEYS = 100_000  # making something of each takes a tenth of a second
_SLICE = 2**16

_KEYS = frozenset({"model", "name", "source", "stream"})


class _Named(msgspec.Struct):
    """The keys that matter, in their common spelling."""

    model: str = ""
    name: str = ""
    source: str = ""
    stream: bool | msgspec.UnsetType = msgspec.UNSET


_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_str = msgspec.json.Decoder(str).decode
_decode_bool = msgspec.json.Decoder(bool).decode


class Ask(msgspec.Struct, frozen=True):
    """What a request asks for; None where it does not say, or not in a way that a node accepts."""

    model: str | None = None
    stream: bool | None = None
    #: Known only where it was looked for: see ``wire.conversation``.
    options: tuple[tuple[str, int], ...] = ()
    prefix: int | None = None


NOTHING = Ask()
# A member of an enum costs several times as much to look up in its class.
_NEVER, _DEFAULT_ON = Streams.NEVER, Streams.DEFAULT_ON
_NONE, _PATH, _MULTIPART = ModelIn.NONE, ModelIn.PATH, ModelIn.MULTIPART
_COPY_SOURCE, _BODY_OR_NAME = ModelIn.COPY_SOURCE, ModelIn.BODY_OR_NAME
_OLLAMA = Dialect.OLLAMA


def read_ask(
    route: Route,
    path: bytes,
    content_type: bytes,
    body: bytes | mmap,
    coding: bytes = b"",
    looks: bool = False,
) -> Ask:
    """
    What a request on ``route`` asks for; ``coding`` is its Content-Encoding.
    With ``looks``, also what tells which node is ready for it.

    Whatever cannot be read is left for the node to complain about.  Nothing
    of ``body`` is held on to, so that a mapped file can be closed.
    """
    where = route.model_in
    if where is _NONE:
        return NOTHING
    if where is _PATH:
        return Ask(_text(unquote_to_bytes(path)[len(_MODEL_PATH) :].rstrip(b"/")))
    if where is _MULTIPART:
        return _from_form(content_type, body)
    if coding == b"zstd" and route.dialect is not _OLLAMA:
        # Ollama opens these alone, and only on the routes of other protocols.
        try:
            body = opened(body)
        except CannotOpen:
            return NOTHING
    try:
        said = _said_plainly(body)
    except (ValueError, RecursionError):
        said = _said(body)
    if where is _COPY_SOURCE:
        return Ask(said.get("source") or None)
    model = said.get("model") or None
    if model is None and where is _BODY_OR_NAME:
        model = said.get("name") or None
    return Ask(model, said.get("stream"), *(hints(body) if looks else ()))


def ask_of(route: Route, head: RequestHead, body: bytes | mmap, looks: bool = False) -> Ask:
    """The same of a request with its head."""
    content_type = head.lower.get(b"content-type", b"")
    coding = head.lower.get(b"content-encoding", b"")
    return read_ask(route, head.path, content_type, body, coding, looks)


def streams(route: Route, ask: Ask) -> bool:
    """Whether the answer will come piece by piece."""
    if route.streams is _NEVER:
        return False
    return route.streams is _DEFAULT_ON if ask.stream is None else ask.stream


def _said_plainly(body: bytes | mmap) -> dict[str, Any]:
    """
    The values under the keys that matter, of a body written as everybody writes it.

    @raise ValueError: if it is not, though Go may accept it.
    """
    if _crowded(body):
        said: dict[str, Any] = msgspec.to_builtins(_decode_named(body))
        return said
    said = {}
    for key, raw in _decode(body).items():
        if key in _KEYS:
            said[key] = (_decode_bool if key == "stream" else _decode_str)(raw)
        elif key.casefold() in _KEYS:
            raise ValueError("which of two spellings is the last one, is not seen here")
    return said


def _crowded(body: bytes | mmap) -> bool:
    """Whether there may be so many keys that nobody has the time to look at each."""
    if len(body) <= _LONGEST_ODD_BODY:
        return False
    slices = (body[at : at + _SLICE] for at in range(0, len(body), _SLICE))
    return sum(each.count(b":") for each in slices) > _MANY_KEYS


def _said(body: bytes | mmap) -> dict[str, Any]:
    """The same of any body, as Go reads it; nothing, if Go would refuse it."""
    if len(body) > _LONGEST_ODD_BODY:
        return {}
    text = body[:].decode("utf-8", "replace").lstrip(" \t\r\n")
    try:
        pairs, _ = _first_value.raw_decode(text)
    except (ValueError, RecursionError):
        return {}
    said: dict[str, Any] = {}
    if not isinstance(pairs, _Pairs):
        return said
    for key, value in pairs:
        name = key.translate(_FOLD).lower()
        if name not in _KEYS or value is None:  # a null changes nothing in Go
            continue
        if not isinstance(value, bool if name == "stream" else str):
            return {}
        said[name] = _whole_characters(value) if isinstance(value, str) else value
    return said


class _Pairs(list[tuple[str, Any]]):
    """An object with all of its keys, in their order."""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is JavaScript, not JSON")


_first_value = json.JSONDecoder(object_pairs_hook=_Pairs, parse_constant=_refuse)

# To Go, two letters outside of ASCII are the "s" and the "k" that they resemble.
_FOLD = str.maketrans("\u017f\u212a", "sk")


def _whole_characters(text: str) -> str:
    """``text`` with halves of surrogate pairs replaced, as Go does: nothing can encode them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _from_form(content_type: bytes, body: bytes | mmap) -> Ask:
    form = Form(content_type)
    for start in range(0, len(body), _SLICE):
        form.feed(body[start : start + _SLICE])
    return Ask(form.model, form.stream)


def _text(value: bytes) -> str | None:
    return value.decode("utf-8", "replace") or None
