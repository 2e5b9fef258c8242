"""Requests that generate nothing and let a model go, wherever it is in memory."""

from __future__ import annotations

import re
from mmap import mmap
from typing import Any

from ollama_twisted.wire.making import read_object
from ollama_twisted.wire.routes import Route

#: Whoever asks for nothing needs no more words.
LONGEST = 1024

# Go's time.ParseDuration, as far as it is nothing.
_NO_TIME = re.compile(r"[+-]?(?:0|(?:(?:0+\.?0*|\.0+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_ASKED_WITH = {"generate": "prompt", "chat": "messages"}


def unloads(route: Route, body: bytes | mmap) -> bool:
    """Is it ``keep_alive: 0`` with nothing to be generated?  Nodes then unload the model."""
    words = _ASKED_WITH.get(route.operation)
    if words is None or len(body) > LONGEST or body.find(b"keep_alive") < 0:
        return False
    said = read_object(body)
    return not said.get(words) and _is_nothing(said.get("keep_alive"))


def _is_nothing(time: Any) -> bool:
    if isinstance(time, str):
        return _NO_TIME.fullmatch(time) is not None
    return isinstance(time, (int, float)) and not isinstance(time, bool) and time == 0
