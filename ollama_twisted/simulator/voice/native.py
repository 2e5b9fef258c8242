"""Ollama's own protocol: ``/api/chat`` and ``/api/generate``."""

from __future__ import annotations

from typing import Any

from ollama_twisted.simulator.ask import Ask
from ollama_twisted.simulator.engine import Ended
from ollama_twisted.simulator.stamps import Stamps
from ollama_twisted.simulator.voice.base import JSON_UTF8, NDJSON, Timing, dumps


def problem(status: int, message: str) -> tuple[str, bytes]:
    """An error as Ollama has it."""
    return JSON_UTF8, dumps({"error": message})


class _Native:
    """What the two have in common; they differ in where the text stands."""

    stream_type = NDJSON
    whole_type = JSON_UTF8

    def __init__(self, ask: Ask, stamps: Stamps, number: int) -> None:
        self._ask = ask
        self._stamps = stamps
        self._model = dumps(ask.model)

    def begin(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        return b'{"model":%s,"created_at":"%s",%s,"done":false}\n' % (
            self._model,
            self._stamps.now().encode(),
            self._placed(text),
        )

    def end(self, ended: Ended, timing: Timing) -> bytes:
        return self.whole("", ended, timing) + b"\n"

    def whole(self, text: str, ended: Ended, timing: Timing) -> bytes:
        return b'{"model":%s,"created_at":"%s",%s,"done":true,%s' % (
            self._model,
            self._stamps.now().encode(),
            self._placed(text),
            dumps(self._final(ended, timing))[1:],
        )

    def nothing(self, reason: str) -> bytes:
        """The answer to a request that only loads or unloads a model."""
        return b'{"model":%s,"created_at":"%s",%s,"done":true,"done_reason":%s}' % (
            self._model,
            self._stamps.now().encode(),
            self._placed(""),
            dumps(reason),
        )

    def broken(self, message: str) -> bytes:
        return dumps({"error": message}) + b"\n"

    def _placed(self, text: str) -> bytes:
        raise NotImplementedError

    def _final(self, ended: Ended, timing: Timing) -> dict[str, Any]:
        lasting = self._stamps.lasting
        tokens = ended.prompt_tokens + ended.generated_tokens
        return {
            "done_reason": ended.reason,
            "total_duration": lasting(timing.total, tokens + 2),
            "load_duration": lasting(timing.load, 1),
            "prompt_eval_count": ended.prompt_tokens,
            "prompt_eval_duration": lasting(ended.prompt_seconds, ended.prompt_tokens),
            "eval_count": ended.generated_tokens,
            "eval_duration": lasting(ended.generated_seconds, ended.generated_tokens),
        }


class Chat(_Native):
    """The text is a message of the assistant."""

    def _placed(self, text: str) -> bytes:
        return b'"message":{"role":"assistant","content":%s}' % dumps(text)


class Generate(_Native):
    """The text is a response, and the last object carries the context."""

    def _placed(self, text: str) -> bytes:
        return b'"response":%s' % dumps(text)

    def _final(self, ended: Ended, timing: Timing) -> dict[str, Any]:
        final = super()._final(ended, timing)
        if ended.context and self._ask.prompt.raw is None:
            reason = final.pop("done_reason")
            return {"done_reason": reason, "context": ended.context, **final}
        return final
