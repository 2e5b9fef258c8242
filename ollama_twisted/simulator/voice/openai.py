"""OpenAI's protocol as Ollama speaks it: ``/v1/chat/completions`` and ``/v1/completions``."""

from __future__ import annotations

from typing import Any

from ollama_twisted.simulator.ask import Ask
from ollama_twisted.simulator.engine import Ended
from ollama_twisted.simulator.stamps import Stamps
from ollama_twisted.simulator.voice.base import JSON, SSE, Timing, dumps, event

_TYPES = {400: "invalid_request_error", 404: "not_found_error"}
_DONE = b"data: [DONE]\n\n"


def problem(status: int, message: str) -> tuple[str, bytes]:
    """An error as Ollama has it under ``/v1``."""
    kind = _TYPES.get(status, "api_error")
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return JSON, dumps(body) + b"\n"


class Chat:
    """``/v1/chat/completions``."""

    stream_type = SSE
    whole_type = JSON

    def __init__(self, ask: Ask, stamps: Stamps, number: int) -> None:
        self._ask = ask
        self._id = f"chatcmpl-{number}"
        self._created = int(stamps.unix())
        self._begun = False

    def begin(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        delta = {"content": text} if self._begun else {"role": "assistant", "content": text}
        self._begun = True
        return event(self._chunk([{"index": 0, "delta": delta, "finish_reason": None}]))

    def end(self, ended: Ended, timing: Timing) -> bytes:
        opening = b"" if self._begun else self.token("")
        last = self._chunk([{"index": 0, "delta": {}, "finish_reason": ended.reason}])
        usage = event({**self._chunk([]), "usage": _usage(ended)}) if self._ask.usage else b""
        return opening + event(last) + usage + _DONE

    def whole(self, text: str, ended: Ended, timing: Timing) -> bytes:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": ended.reason,
        }
        body = self._named("chat.completion") | {"choices": [choice], "usage": _usage(ended)}
        return dumps(body) + b"\n"

    def broken(self, message: str) -> bytes:
        # Ollama reads its own error line as a message without content.
        return self.token("")

    def _chunk(self, choices: list[Any]) -> dict[str, Any]:
        return self._named("chat.completion.chunk") | {"choices": choices}

    def _named(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._ask.model,
            "system_fingerprint": "fp_ollama",
        }


class Completion:
    """``/v1/completions``."""

    stream_type = SSE
    whole_type = JSON

    def __init__(self, ask: Ask, stamps: Stamps, number: int) -> None:
        self._ask = ask
        self._id = f"cmpl-{number}"
        self._created = int(stamps.unix())

    def begin(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        return event(self._chunk(text, None))

    def end(self, ended: Ended, timing: Timing) -> bytes:
        last = self._chunk("", ended.reason)
        usage = last | {"choices": [], "usage": _usage(ended)}
        return event(last) + (event(usage) if self._ask.usage else b"") + _DONE

    def whole(self, text: str, ended: Ended, timing: Timing) -> bytes:
        return dumps(self._object(text, ended.reason) | {"usage": _usage(ended)}) + b"\n"

    def broken(self, message: str) -> bytes:
        return self.token("")

    def _chunk(self, text: str, reason: str | None) -> dict[str, Any]:
        usage = {"usage": _usage(None)} if self._ask.usage else {}
        return self._object(text, reason) | usage

    def _object(self, text: str, reason: str | None) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": self._ask.model,
            "system_fingerprint": "fp_ollama",
            "choices": [{"text": text, "index": 0, "finish_reason": reason}],
        }


def _usage(ended: Ended | None) -> dict[str, int]:
    prompt = ended.prompt_tokens if ended else 0
    generated = ended.generated_tokens if ended else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
    }
