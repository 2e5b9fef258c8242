"""The line of one exchange in the access log: an object of JSON, or ``key=value`` pairs."""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import Any

import msgspec

from ollama_twisted.record import Record

#: No value of an outsider takes more than this of a line.
MAX_VALUE = 512

_encode = msgspec.json.Encoder().encode
_dumps = json.JSONEncoder(separators=(",", ":")).encode


class Line(msgspec.Struct, omit_defaults=True):
    """What is said of an exchange, in this order; nothing that is not known."""

    time: str
    client: str
    method: str
    path: str
    operation: str
    status: int
    duration: float
    received: int
    sent: int
    model: str | None = None
    node: str = ""
    attempts: int = 0
    nodes: str = ""
    passed_over: str = ""
    retries: str = ""
    not_retried: str = ""
    waited: float | None = None
    first_byte: float | None = None
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    audio_seconds: float | None = None
    error: str | None = None
    failure: str = ""
    detail: str = ""


def line(record: Record, offset: float) -> Line:
    """The line of an exchange; ``offset`` makes Unix time of the monotonic clock's."""
    started = record.started
    said = Line(
        _timestamp(started + offset).decode(),
        _text(record.client),
        _text(record.method),
        _text(record.path),
        record.operation,
        record.status,
        _micro(record.ended - started),
        record.received,
        record.relayed,
        record.model,
        record.node,
        record.attempts,
    )
    if record.model is not None and len(record.model) > MAX_VALUE:
        said.model = record.model[:MAX_VALUE]
    if record.passed_over:
        said.passed_over = record.passed_over[:MAX_VALUE]
    if record.nodes:
        said.nodes = ", ".join(record.nodes)[:MAX_VALUE]
    if record.retries:
        said.retries = "; ".join(f"{name}: {why}" for name, why in record.retries)[:MAX_VALUE]
    if record.not_retried is not None:
        said.not_retried = ": ".join(record.not_retried) + "; the retry budget is spent"
    if record.waited is not None:
        said.waited = _micro(record.waited)
    if record.first_at:
        said.first_byte = _micro(record.first_at - started)
    final = record.final
    if final is not None:
        said.prompt_tokens = final.prompt_tokens
        said.generated_tokens = final.generated_tokens
        if final.error is not None:
            said.error = final.error[:MAX_VALUE]
    if record.audio is not None:
        said.audio_seconds = round(record.audio, 3)
    if record.failure:
        said.failure = record.failure
        said.detail = record.detail[:MAX_VALUE]
    return said


def as_json(record: Record, offset: float) -> bytes:
    """One JSON object."""
    started, first_at, model = record.started, record.first_at, record.model
    if (
        record.final is not None
        or record.failure
        or record.retries
        or record.not_retried is not None
        or record.nodes
        or record.waited is not None
        or record.audio is not None
        or len(record.method) + len(record.path) > MAX_VALUE
        or (model is not None and len(model) > MAX_VALUE)
    ):
        return _escaped(line(record, offset)) + b"\n"
    form = _form(
        record.client,
        record.method,
        record.path,
        record.operation,
        record.status,
        model,
        record.node,
        record.attempts,
        record.passed_over,
        first_at > 0,
    )
    # Whole numbers, because a float is written by way of its shortest form, at ten times the price.
    took, rest = divmod(int((record.ended - started) * 1e6 + 0.5), 1_000_000)
    values = _timestamp(started + offset), took, rest, record.received, record.relayed
    if not first_at:
        return form % values
    return form % (*values, *divmod(int((first_at - started) * 1e6 + 0.5), 1_000_000))


#: What differs from line to line in a form, of which no value that is quoted can hold any.
_DIFFERING = b',"duration":0.0,"received":0,"sent":0'


@lru_cache(1024)
def _form(
    client: bytes,
    method: bytes,
    path: bytes,
    operation: str,
    status: int,
    model: str | None,
    node: str,
    attempts: int,
    passed_over: str,
    begun: bool,
) -> bytes:
    """Lines of one client that asks for the same again and again, but for times and sizes."""
    record = Record(operation, method, path, client, 0.0, model=model, status=status, node=node)
    record.attempts, record.passed_over = attempts, passed_over
    said = line(record, 0.0)
    said.time = ""
    form = _escaped(said).replace(b"%", b"%%").replace(b'"time":""', b'"time":"%b"', 1)
    form = form.replace(_DIFFERING, b',"duration":%d.%06d,"received":%d,"sent":%d', 1)
    return (form[:-1] + b',"first_byte":%d.%06d}\n') if begun else form + b"\n"


def as_text(record: Record, offset: float) -> bytes:
    """``key=value`` pairs; what is not plain is quoted as JSON quotes it."""
    said = msgspec.to_builtins(line(record, offset))
    return (" ".join(f"{key}={_plain(value)}" for key, value in said.items()) + "\n").encode()


def _plain(value: Any) -> str:
    text = str(value)
    if text and text.isascii() and text.isprintable() and not set(text) & set(' "='):
        return text
    return _escaped(text).decode()


def _escaped(value: Any) -> bytes:
    """As JSON that no terminal acts upon: JSON itself escapes only some control characters."""
    try:
        encoded = _encode(value)
        if b"\x7f" not in encoded and (encoded.isascii() or encoded.decode().isprintable()):
            return encoded
    except UnicodeEncodeError:
        pass  # half a character
    return _dumps(msgspec.to_builtins(value)).encode("ascii").replace(b"\x7f", b"\\u007f")


def _micro(seconds: float) -> float:
    """To the microsecond; ``round`` takes ten times as long, for the sake of exact halves."""
    return int(seconds * 1e6 + 0.5) / 1e6


def _text(value: bytes) -> str:
    return value[:MAX_VALUE].decode("latin-1")


_MILLISECONDS = tuple(b".%03dZ" % number for number in range(1000))
_last_second = (0, b"")


def _timestamp(moment: float) -> bytes:
    """RFC 3339 in UTC, to the millisecond."""
    global _last_second
    second = int(moment)
    known, text = _last_second
    if second != known:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        _last_second = second, text
    return text + _MILLISECONDS[int((moment - second) * 1000)]
