"""OpenAI's newer protocol as Ollama speaks it: ``/v1/responses``."""

from __future__ import annotations

from typing import Any

from ollama_twisted.simulator.ask import Ask
from ollama_twisted.simulator.engine import Ended
from ollama_twisted.simulator.stamps import Stamps
from ollama_twisted.simulator.voice.base import JSON, SSE, Timing, dumps, event


class Responses:
    """``/v1/responses``: named events, each with its place in the sequence."""

    stream_type = SSE
    whole_type = JSON

    def __init__(self, ask: Ask, stamps: Stamps, number: int) -> None:
        self._ask = ask
        self._id = f"resp_{number}"
        self._item = f"msg_{number}"
        self._created = int(stamps.unix())
        self._next = 0
        self._said: list[str] = []

    def begin(self) -> bytes:
        begun = self._response("in_progress", [], None)
        item = self._message("in_progress", [])
        return (
            self._event("response.created", response=begun)
            + self._event("response.in_progress", response=begun)
            + self._event("response.output_item.added", output_index=0, item=item)
            + self._event("response.content_part.added", **self._at(), part=_part(""))
        )

    def token(self, text: str) -> bytes:
        self._said.append(text)
        return self._event("response.output_text.delta", **self._at(), delta=text, logprobs=[])

    def end(self, ended: Ended, timing: Timing) -> bytes:
        text = "".join(self._said)
        item = self._message("completed", [_part(text)])
        return (
            self._event("response.output_text.done", **self._at(), text=text, logprobs=[])
            + self._event("response.content_part.done", **self._at(), part=_part(text))
            + self._event("response.output_item.done", output_index=0, item=item)
            + self._event("response.completed", response=self._response("completed", [item], ended))
        )

    def whole(self, text: str, ended: Ended, timing: Timing) -> bytes:
        item = self._message("completed", [_part(text)])
        return dumps(self._response("completed", [item], ended)) + b"\n"

    def broken(self, message: str) -> bytes:
        return b""

    def _event(self, kind: str, **data: Any) -> bytes:
        self._next += 1
        return event({"type": kind, "sequence_number": self._next - 1, **data}, kind)

    def _at(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _message(self, status: str, content: list[Any]) -> dict[str, Any]:
        return {
            "id": self._item,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _response(self, status: str, output: list[Any], ended: Ended | None) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "model": self._ask.model,
            "output": output,
            "usage": None if ended is None else _usage(ended),
        }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(ended: Ended) -> dict[str, Any]:
    return {
        "input_tokens": ended.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": ended.generated_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": ended.prompt_tokens + ended.generated_tokens,
    }
