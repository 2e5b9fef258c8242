"""
Answers watched as they pass: whether they began, how they ended, what they took.

Thousands of pieces pass each second, and nearly all of them are of no further
interest.  So nothing is parsed before an answer is over; until then only its
first and its last few pieces are kept.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

_KEPT_PIECES = 4  # the last events of a stream: its reason, its usage, its end
_SHORT, _LONG = 64, 8192  # a piece of a common size is a few lines, not a part of one
_ENOUGH_OF_FIRST = 1024
_LONGEST_LINE = 2**19
_LONGEST_DOCUMENT = 2**15  # embeddings are longer, and nothing in them matters here

_ENDS = frozenset(
    {"message_stop", "response.completed", "response.incomplete", "transcript.text.done"}
)
_WANTED = frozenset(
    {
        "choices",
        "delta",
        "done",
        "done_reason",
        "error",
        "eval_count",
        "eval_duration",
        "load_duration",
        "message",
        "prompt_eval_count",
        "prompt_eval_duration",
        "response",
        "status",
        "stop_reason",
        "total_duration",
        "type",
        "usage",
    }
)
# How long the audio was, of a transcript with timestamps; long ones have it at their begin.
_DURATION_AT_BEGIN = re.compile(
    rb'\s*\{(?:\s*"\w+"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[\w.+-]+)\s*,)*?'
    rb'\s*"duration"\s*:\s*([0-9]{1,9}(?:\.[0-9]{1,20})?)\s*[,}]'
)
_NUMBERS_AT_END = re.compile(rb'((?:"[a-z_]+":[0-9]+,?)+)\}+\s*\Z')
_NUMBER = re.compile(rb'"([a-z_]+)":([0-9]+)')

# What each fact is called in the three protocols, and how many of its unit make one of ours.
_NUMBERS: tuple[tuple[str, tuple[str, ...], int | None], ...] = (
    ("prompt_tokens", ("prompt_eval_count", "prompt_tokens", "input_tokens"), None),
    ("generated_tokens", ("eval_count", "completion_tokens", "output_tokens"), None),
    ("total", ("total_duration",), 10**9),
    ("load", ("load_duration",), 10**9),
    ("prompt_eval", ("prompt_eval_duration",), 10**9),
    ("eval", ("eval_duration",), 10**9),
)

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class Final:
    """
    What an answer said of itself at its end; None where it said nothing.

    ``complete``: it said that this is all of it.  ``error`` is what the node
    reported in the midst of it.  Times are those that the node took, but ``audio``:
    that is how long a recording lasts which was transcribed.
    """

    complete: bool
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    total: float | None = None
    load: float | None = None
    prompt_eval: float | None = None
    eval: float | None = None
    done_reason: str | None = None
    error: str | None = None
    audio: float | None = None


class Watch:
    """
    One answer on its way to a client.

    ``streamed``: it is a series of lines or events rather than one document.
    """

    __slots__ = (
        "_bound",
        "_first",
        "_open",
        "_open_size",
        "_pieces",
        "_steady",
        "_streamed",
        "started",
    )

    def __init__(self, streamed: bool = True) -> None:
        self.started = False
        self._streamed = streamed
        self._bound = _LONGEST_LINE if streamed else _LONGEST_DOCUMENT
        self._steady = False  # well under way, and the last piece ended with its line
        self._first = b""
        self._pieces: deque[bytes] = deque(maxlen=_KEPT_PIECES)
        self._open: list[bytes] = []  # the beginning of a line
        self._open_size = 0

    def see(self, payload: bytes) -> None:
        """Told of each piece that passes."""
        if self._steady and payload.endswith(b"\n") and _SHORT < len(payload) <= _LONG:
            self._pieces.append(payload)
        else:
            self._see_uncommon(payload)

    def _see_uncommon(self, payload: bytes) -> None:
        self.started = True
        if len(self._first) < _ENOUGH_OF_FIRST:
            self._first += payload[:_ENOUGH_OF_FIRST]
        self._open.append(payload)
        self._open_size += len(payload)
        if self._streamed and b"\n" in payload:
            lines, newline, rest = b"".join(self._open).rpartition(b"\n")
            self._keep(lines + newline)
            self._open = [rest] if rest else []
            self._open_size = len(rest)
        elif self._open_size > self._bound:
            # Of a long document its end is enough: that is where the numbers are.
            self._open = [b"".join(self._open)[-self._bound // 2 :]]
            self._open_size = len(self._open[0])
        self._steady = self._streamed and not self._open and len(self._first) >= _ENOUGH_OF_FIRST

    def _keep(self, lines: bytes) -> None:
        # An event that comes line by line must not push others out.
        if len(lines) <= _SHORT and self._pieces and len(self._pieces[-1]) < _LONG:
            self._pieces[-1] += lines
        else:
            self._pieces.append(_last_lines(lines))

    def final(self) -> Final | None:
        """What the answer said at its end, as far as it has come; None for no answer at all."""
        if not self.started:
            return None
        last = b"".join([*self._pieces, *self._open])
        if not self._streamed:
            # Its framing tells whether it is whole, and whoever reads that knows.
            facts = _facts(_object(last))
            audio = _DURATION_AT_BEGIN.match(self._first)
            if audio is not None:
                facts["audio"] = float(audio[1])
            return Final(complete="error" not in facts, **facts)
        if self._first.startswith((b"data:", b"event:", b"id:", b":")):
            return _final_of_events(self._first + b"\n" + last)
        return _final_of_lines(last)


def _last_lines(lines: bytes) -> bytes:
    """The last of many lines, enough of them to hold the last few events."""
    if len(lines) <= _LONG:
        return lines
    start = len(lines) - 1
    for _ in range(3 * _KEPT_PIECES):
        start = lines.rfind(b"\n", 0, start)
        if start < 0:
            return lines
    return lines[start + 1 :]


def _final_of_lines(last: bytes) -> Final:
    """Of objects one a line, as Ollama's own protocol has them."""
    said = _object(last.rstrip().rpartition(b"\n")[2])
    facts = _facts(said)
    done = said.get("done") is True or said.get("status") == "success" or "total" in facts
    return Final(complete=done and "error" not in facts, **facts)


def _final_of_events(last: bytes) -> Final:
    """Of server-sent events, as the protocols of OpenAI and Anthropic have them."""
    facts: dict[str, Any] = {}
    complete = False
    for line in last.split(b"\n"):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            complete = True
        else:
            said = _object(data)
            facts |= _facts(said)
            complete = complete or said.get("type") in _ENDS
    return Final(complete=complete and "error" not in facts, **facts)


def _object(text: bytes) -> dict[str, Any]:
    """
    What may matter in a JSON object.

    Of one whose beginning was too far back to be kept, that is the numbers at
    its end, which is where Ollama has those that matter.
    """
    try:
        fields = _decode(text)
        return {name: msgspec.json.decode(fields[name]) for name in fields.keys() & _WANTED}
    except (ValueError, RecursionError):
        numbers = _NUMBERS_AT_END.search(text[-1024:])
        if numbers is None:
            return {}
        return {name.decode(): int(value) for name, value in _NUMBER.findall(numbers[1])}


def _facts(said: dict[str, Any]) -> dict[str, Any]:
    """What one object says, by the names that ``Final`` has for it."""
    facts: dict[str, Any] = {}
    for inner in (said.get("message"), said.get("response")):
        if isinstance(inner, dict):
            facts |= _facts(inner)
    usage = said.get("usage")
    numbers = {**said, **usage} if isinstance(usage, dict) else said
    for fact, names, unit in _NUMBERS:
        for name in names:
            number = numbers.get(name)
            if type(number) is int and 0 <= number < 2**63:
                facts[fact] = number / unit if unit else number
    reason = said.get("done_reason") or said.get("stop_reason") or _nested_reason(said)
    if isinstance(reason, str):
        facts["done_reason"] = reason
    if error := said.get("error"):
        message = error.get("message") if isinstance(error, dict) else error
        facts["error"] = message if isinstance(message, str) else "unknown"
    return facts


def _nested_reason(said: dict[str, Any]) -> object:
    delta = said.get("delta")
    if isinstance(delta, dict):
        return delta.get("stop_reason")
    choices = said.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[-1], dict):
        return choices[-1].get("finish_reason")
    return None
