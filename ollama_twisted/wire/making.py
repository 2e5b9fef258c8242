"""What the body of a create or pull says beside its model's name."""

from __future__ import annotations

import json
from mmap import mmap
from typing import Any, NamedTuple

#: Larger bodies are for one node, whose own business it is to understand them.
LONGEST = 2**20


class Origin(NamedTuple):
    """What a model is to be made of: blobs, by digest, or another model."""

    digests: tuple[str, ...] = ()
    base: str = ""


def origin_of(body: bytes | mmap) -> Origin:
    """What a create says that it makes a model of; whatever cannot be read is not there."""
    said = read_object(body)
    digests = []
    for key in ("files", "adapters"):
        files = said.get(key)
        if isinstance(files, dict):
            digests += [each for each in files.values() if isinstance(each, str)]
    base = said.get("from")
    return Origin(tuple(dict.fromkeys(digests)), base if isinstance(base, str) else "")


def streamed(body: bytes | mmap) -> bytes:
    """The same request, but for an answer that tells of its progress."""
    said = read_object(body)
    said.pop("stream", None)
    return json.dumps({**said, "stream": True}).encode() if said else body[:]


def read_object(body: bytes | mmap) -> dict[str, Any]:
    """The first JSON value, if it is an object; its keys in lower case, as Go reads them."""
    if len(body) > LONGEST:
        return {}
    try:
        value, _ = json.JSONDecoder().raw_decode(body[:].decode("utf-8", "replace").lstrip())
    except (ValueError, RecursionError):
        return {}
    return {key.lower(): each for key, each in value.items()} if isinstance(value, dict) else {}
