"""
What a request asks for, whichever protocol it is asked in.

Ollama reads bodies by Go's rules: names of keys match in any letter case, and
only the first JSON value counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ollama_twisted.simulator.engine import Message, Prompt
from ollama_twisted.simulator.memory import keep_alive

Body = Mapping[str, Any]

_OPENAI_OPTIONS = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "max_output_tokens": "num_predict",
    "stop_sequences": "stop",
    "seed": "seed",
    "stop": "stop",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}


class BadAsk(Exception):
    """The request cannot be served; ``status`` and text are those Ollama answers."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Ask:
    """One generation that was asked for."""

    model: str
    prompt: Prompt
    stream: bool
    keep_alive: float | None
    empty: bool = False
    """Nothing is to be continued: the model is to be loaded, or with no keep_alive unloaded."""
    needs: tuple[str, ...] = ()
    """Capabilities that the model must have."""
    usage: bool = False
    """OpenAI's ``stream_options.include_usage``."""


def read_body(data: bytes) -> Body:
    """The JSON object of a body, its keys in lower case."""
    if not data.strip():
        raise BadAsk(400, "missing request body")
    try:
        value, _ = json.JSONDecoder().raw_decode(data.decode("utf-8", "replace").lstrip())
    except ValueError as bad:
        raise BadAsk(400, f"invalid JSON: {bad}") from bad
    if not isinstance(value, dict):
        raise BadAsk(400, "json: cannot unmarshal the body into a Go value")
    return {name.lower(): each for name, each in value.items()}


def text(body: Body, *names: str) -> str:
    """The first of these keys that has a text; what is not text is refused as Go refuses it."""
    for name in names:
        value = body.get(name)
        if value is not None and not isinstance(value, str):
            raise BadAsk(400, f"json: cannot unmarshal into Go struct field .{name} of type string")
        if value:
            return value
    return ""


def wants_stream(body: Body, default: bool) -> bool:
    """Is the answer to be streamed?"""
    value = body.get("stream")
    if value is not None and not isinstance(value, bool):
        raise BadAsk(400, "json: cannot unmarshal into Go struct field .stream of type bool")
    return default if value is None else value


def stay(body: Body) -> float | None:
    """The ``keep_alive`` of a body in seconds, None if it says nothing about it."""
    value = body.get("keep_alive")
    try:
        return None if value is None else keep_alive(value)
    except ValueError as bad:
        raise BadAsk(400, str(bad)) from bad


def generate(body: Body) -> Ask:
    """``POST /api/generate``."""
    prompt, system = text(body, "prompt"), text(body, "system")
    turns = (Message("system", system),) if system else ()
    raw = body.get("raw") is True
    return Ask(
        model=text(body, "model"),
        prompt=Prompt(
            messages=(*turns, Message("user", prompt)),
            raw=prompt if raw else None,
            context=tuple(each for each in body.get("context") or () if isinstance(each, int)),
            options=_options(body),
            format=body.get("format"),
            beside=_beside(body),
        ),
        stream=wants_stream(body, True),
        keep_alive=stay(body),
        empty=not prompt,
        needs=_needs(body) + (("insert",) if body.get("suffix") else ()),
    )


def chat(body: Body) -> Ask:
    """``POST /api/chat``."""
    messages = _messages(body.get("messages"))
    return Ask(
        model=text(body, "model"),
        prompt=Prompt(
            messages=messages,
            options=_options(body),
            format=body.get("format"),
            beside=_beside(body),
        ),
        stream=wants_stream(body, True),
        keep_alive=stay(body),
        empty=not messages,
        needs=_needs(body),
    )


def openai_chat(body: Body) -> Ask:
    """``POST /v1/chat/completions``."""
    messages = _messages(body.get("messages"))
    if not messages:
        raise BadAsk(400, "[] is too short - 'messages'")
    return _foreign(body, Prompt(messages, options=_renamed(body), format=_response_format(body)))


def openai_completion(body: Body) -> Ask:
    """``POST /v1/completions``."""
    turns = (Message("user", text(body, "prompt")),)
    return _foreign(body, Prompt(turns, options=_renamed(body)))


def anthropic(body: Body) -> Ask:
    """``POST /v1/messages``."""
    if not text(body, "model"):
        raise BadAsk(400, "model is required")
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] <= 0:
        raise BadAsk(400, "max_tokens is required and must be positive")
    messages = _messages(body.get("messages"))
    if not messages:
        raise BadAsk(400, "messages is required")
    system = _content(body.get("system"))
    turns = (Message("system", system),) if system else ()
    return _foreign(body, Prompt((*turns, *messages), options=_renamed(body)))


def responses(body: Body) -> Ask:
    """``POST /v1/responses``."""
    said = body.get("input")
    messages = (Message("user", said),) if isinstance(said, str) else _messages(said)
    system = _content(body.get("instructions"))
    turns = (Message("system", system),) if system else ()
    return _foreign(body, Prompt((*turns, *messages), options=_renamed(body)))


def _foreign(body: Body, prompt: Prompt) -> Ask:
    options = body.get("stream_options")
    return Ask(
        model=text(body, "model"),
        prompt=replace(prompt, beside=_beside(body)),
        stream=wants_stream(body, False),
        keep_alive=None,
        needs=_needs(body),
        usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _messages(value: Any) -> tuple[Message, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise BadAsk(400, "json: cannot unmarshal into Go struct field .messages of type []Message")
    return tuple(
        Message(str(each.get("role", "user")), _content(each.get("content"))) for each in value
    )


def _content(value: Any) -> str:
    """The text of a message, which may be given in parts."""
    if isinstance(value, list):
        return "".join(
            each["text"]
            for each in value
            if isinstance(each, dict) and isinstance(each.get("text"), str)
        )
    return value if isinstance(value, str) else ""


def _beside(body: Body) -> str:
    """Whatever is sent for a model beside texts, as JSON; nothing if there is none."""
    found = [body[name] for name in ("tools", "images") if body.get(name)]
    turns = body.get("messages") or body.get("input")
    for turn in turns if isinstance(turns, list) else ():
        if isinstance(turn, dict):
            found += [turn[name] for name in ("images", "tool_calls") if turn.get(name)]
            parts = turn.get("content")
            if isinstance(parts, list):
                found += [
                    each for each in parts if not isinstance(each, dict) or not each.get("text")
                ]
    return json.dumps(found, sort_keys=True) if found else ""


def _options(body: Body) -> dict[str, Any]:
    options = body.get("options")
    if options is not None and not isinstance(options, dict):
        raise BadAsk(400, "json: cannot unmarshal into Go struct field .options of type map")
    return {name: each for name, each in (options or {}).items() if each is not None}


def _renamed(body: Body) -> dict[str, Any]:
    return {
        ours: body[theirs]
        for theirs, ours in _OPENAI_OPTIONS.items()
        if body.get(theirs) is not None
    }


def _response_format(body: Body) -> Any:
    wanted = body.get("response_format")
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_schema":
        schema = wanted.get("json_schema")
        return schema.get("schema") if isinstance(schema, dict) else None
    return "json" if wanted.get("type") == "json_object" else None


def _needs(body: Body) -> tuple[str, ...]:
    thinks = body.get("think") not in (None, False)
    return (("tools",) if body.get("tools") else ()) + (("thinking",) if thinks else ())
