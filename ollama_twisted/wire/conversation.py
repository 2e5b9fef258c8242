"""
What tells whether a node is ready for a request: how its conversation begins, and its options.

These are hints.  Whatever is not written as everybody writes it gives none, and
costs no more than the look.
"""

from __future__ import annotations

from hashlib import blake2b
from mmap import mmap
from typing import NamedTuple

import msgspec

#: Options with which a model is loaded; another value makes Ollama load it again.
RELOADING = ("main_gpu", "num_batch", "num_ctx", "num_gpu", "num_thread", "use_mmap")

_BEGINNING = 1024  # of a text that is no conversation: others may begin as it does
_MOST = 65_536  # of one message, which may hold pictures
_LONG, _MANY_PARTS = 2**20, 100_000  # looking at each takes too long
_SLICE = 2**16


class _Options(msgspec.Struct):
    main_gpu: int | None = None
    num_batch: int | None = None
    num_ctx: int | None = None
    num_gpu: int | None = None
    num_thread: int | None = None
    use_mmap: bool | None = None


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw()


class _Said(msgspec.Struct):
    """What begins a conversation, in the words of all three protocols."""

    messages: list[msgspec.Raw] | None = None
    system: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    options: _Options | None = None


_decode = msgspec.json.Decoder(_Said).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Hints(NamedTuple):
    """The options that a model must be loaded with, and a number for how a conversation begins."""

    options: tuple[tuple[str, int], ...] = ()
    prefix: int | None = None


def hints(body: bytes | mmap) -> Hints:
    """
    The hints of a body in JSON.

    The number stands for what precedes the first message of a user, and that
    message: it stays the same as the conversation goes on.
    """
    if _crowded(body):
        return Hints()
    try:
        said = _decode(body)
        return Hints(_options(said.options), _prefix(said))
    except (ValueError, RecursionError):
        return Hints()


def _options(said: _Options | None) -> tuple[tuple[str, int], ...]:
    if said is None:
        return ()
    values = [(name, getattr(said, name)) for name in RELOADING]
    # -1 leaves the number of layers on the GPU to Ollama.
    return tuple(
        (name, int(value))
        for name, value in values
        if value is not None and not (name == "num_gpu" and value < 0)
    )


def _prefix(said: _Said) -> int | None:
    parts = [bytes(each)[:_MOST] for each in (said.system, said.instructions)]
    messages = said.messages
    if messages is None:
        text = bytes(said.prompt) or bytes(said.input)
        if text[:1] == b"[":
            messages = _decode_list(text)
        else:
            parts.append(text[:_BEGINNING])
    for each in messages or ():
        if bytes(each)[:1] != b"{":
            # A list of texts or of tokens is no conversation.
            return None
        message = _decode_message(each)
        parts += (message.role.encode("utf-8", "replace"), bytes(message.content)[:_MOST])
        if message.role == "user":
            break
    if not any(parts):
        return None
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return int.from_bytes(digest.digest(), "big")


def _crowded(body: bytes | mmap) -> bool:
    if len(body) <= _LONG:
        return False
    slices = (body[at : at + _SLICE] for at in range(0, len(body), _SLICE))
    return sum(each.count(b",") for each in slices) > _MANY_PARTS
