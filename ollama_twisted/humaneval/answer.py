"""A streamed answer, put together from its lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LONGEST = 4 * 2**20
_NANO = 1e9


class BadAnswer(Exception):
    """An answer that is none, or that broke off."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, and what the node says it took."""

    text: str
    thinking: str = ""
    prompt_tokens: int | None = None
    tokens: int | None = None
    generate_seconds: float | None = None
    done_reason: str = ""


class Reading:
    """Lines as they come; ``first`` is when the first word did."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._rest = b""
        self._said: list[str] = []
        self._thought: list[str] = []
        self._last: dict[str, Any] | None = None
        self._size = 0
        self.first: float | None = None

    def feed(self, data: bytes) -> None:
        """Take a piece, cut anywhere; raises `BadAnswer`."""
        self._size += len(data)
        if self._size > _LONGEST:
            raise BadAnswer(f"an answer of more than {_LONGEST // 2**20} MB")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)

    def answer(self) -> Answer:
        """The whole; raises `BadAnswer` if its end has not come."""
        if self._rest.strip():
            self._line(self._rest)
            self._rest = b""
        if self._last is None:
            raise BadAnswer("the answer broke off")
        taken = _number(self._last.get("eval_duration"))
        tokens, asked = self._last.get("eval_count"), self._last.get("prompt_eval_count")
        return Answer(
            text="".join(self._said),
            thinking="".join(self._thought),
            prompt_tokens=asked if isinstance(asked, int) else None,
            tokens=tokens if isinstance(tokens, int) else None,
            generate_seconds=taken / _NANO if taken else None,
            done_reason=str(self._last.get("done_reason", "")),
        )

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            value = json.loads(line)
        except ValueError as error:
            raise BadAnswer("a line of the answer is no JSON") from error
        if not isinstance(value, dict):
            raise BadAnswer("a line of the answer is no object")
        if "error" in value:
            raise BadAnswer(str(value["error"]))
        message = value.get("message")
        source = message if isinstance(message, dict) else value
        said = source.get("content" if source is message else "response")
        thought = source.get("thinking")
        for each, kept in ((said, self._said), (thought, self._thought)):
            if isinstance(each, str) and each:
                kept.append(each)
                if self.first is None:
                    self.first = self._seconds()
        if value.get("done") is True:
            self._last = value


def error_of(data: bytes) -> str:
    """What a refusal says."""
    text = data.decode("utf-8", "replace")
    try:
        value = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return text.strip()[:200]
    return str(value.get("message", value) if isinstance(value, dict) else value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None
