"""Anthropic's protocol as Ollama speaks it: ``/v1/messages``."""

from __future__ import annotations

from typing import Any

from ollama_twisted.simulator.ask import Ask
from ollama_twisted.simulator.canned import count_tokens
from ollama_twisted.simulator.engine import Ended
from ollama_twisted.simulator.stamps import Stamps
from ollama_twisted.simulator.voice.base import JSON, SSE, Timing, dumps, event

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_REASONS = {"stop": "end_turn", "length": "max_tokens"}


def problem(status: int, message: str) -> tuple[str, bytes]:
    """An error as Ollama has it under ``/v1/messages``."""
    kind = _TYPES.get(status, "api_error")
    return JSON, dumps({"type": "error", "error": {"type": kind, "message": message}}) + b"\n"


class Messages:
    """``/v1/messages``."""

    stream_type = SSE
    whole_type = JSON

    def __init__(self, ask: Ask, stamps: Stamps, number: int) -> None:
        self._ask = ask
        self._id = f"msg_{number:024x}"

    def begin(self) -> bytes:
        message = self._message([]) | {"usage": self._usage(self._estimate(), 0)}
        block = {"type": "text", "text": ""}
        return _event("message_start", message=message) + _event(
            "content_block_start", index=0, content_block=block
        )

    def token(self, text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return _event("content_block_delta", index=0, delta=delta)

    def end(self, ended: Ended, timing: Timing) -> bytes:
        return (
            _event("content_block_stop", index=0)
            + _event(
                "message_delta",
                delta={"stop_reason": _REASONS.get(ended.reason, ended.reason)},
                usage=self._usage(ended.prompt_tokens, ended.generated_tokens),
            )
            + _event("message_stop")
        )

    def whole(self, text: str, ended: Ended, timing: Timing) -> bytes:
        message = self._message([{"type": "text", "text": text}]) | {
            "stop_reason": _REASONS.get(ended.reason, ended.reason),
            "usage": self._usage(ended.prompt_tokens, ended.generated_tokens),
        }
        return dumps(message) + b"\n"

    def broken(self, message: str) -> bytes:
        return b""

    def _estimate(self) -> int:
        return sum(count_tokens(each.content) for each in self._ask.prompt.messages)

    def _message(self, content: list[Any]) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._ask.model,
            "content": content,
        }

    def _usage(self, read: int, written: int) -> dict[str, int]:
        return {"input_tokens": read, "output_tokens": written}


def _event(kind: str, **data: Any) -> bytes:
    return event({"type": kind, **data}, kind)
