"""The routes that put speech into words: transcriptions and translations."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartParser,
    MultipartPart,
    parse_options_header,
)

from ollama_twisted.audio import seconds_of
from ollama_twisted.simulator.ask import BadAsk
from ollama_twisted.simulator.call import Call
from ollama_twisted.simulator.voice.base import SSE, event
from ollama_twisted.simulator.voice.transcript import FORMS, Transcript


async def transcriptions(call: Call) -> None:
    """``POST /v1/audio/transcriptions``."""
    await _hear(call, "transcribe")


async def translations(call: Call) -> None:
    """``POST /v1/audio/translations``."""
    await _hear(call, "translate")


async def _hear(call: Call, task: str) -> None:
    node, form = call.node, _form(call)
    name = _field(form, "model")
    if not name:
        raise BadAsk(400, "model is required")
    model = node.model(name)
    kind, write = _written(_field(form, "response_format"))
    sound = _sound(form)
    seconds = seconds_of(sound, 0, len(sound))
    if seconds is None:
        raise BadAsk(400, "the file does not tell how long its audio lasts")
    words: list[str] = []
    async with (
        node.places.one(model.name),
        node.memory.use(model, None),
        aclosing(node.engine.hear(model, sound, seconds)) as heard,
    ):
        streams = _field(form, "stream").lower() in ("true", "1")
        if streams:
            await call.answer.begin(200, SSE)
        async for word in heard:
            words.append(word)
            node.counts.tokens += 1
            if streams:
                await call.answer.token(event({"type": "transcript.text.delta", "delta": word}))
        said = Transcript(task, words, seconds)
        if streams:
            await call.answer.token(event({"type": "transcript.text.done", "text": said.text}))
            call.answer.end()
        else:
            await call.answer.whole(200, kind, write(said))


def _form(call: Call) -> MultipartParser:
    kind, options = parse_options_header(call.content_type)
    if kind != "multipart/form-data":
        raise BadAsk(400, "request Content-Type isn't multipart/form-data")
    try:
        form = MultipartParser(call.content, options.get("boundary", ""))
        form.parts()
    except MultipartError as bad:
        raise BadAsk(400, f"malformed form: {bad}") from bad
    return form


def _field(form: MultipartParser, name: str) -> str:
    part: MultipartPart | None = form.get(name)
    return "" if part is None or part.filename is not None else str(part.value)


def _sound(form: MultipartParser) -> bytes:
    part: MultipartPart | None = form.get("file")
    if part is None:
        raise BadAsk(400, "file is required")
    sound: bytes = part.raw
    return sound


def _written(name: str) -> tuple[str, Callable[[Transcript], bytes]]:
    found = FORMS.get(name or "json")
    if found is None:
        raise BadAsk(400, f"response_format is one of {', '.join(FORMS)}")
    return found
