"""The routes that make a model work: generations and embeddings."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from ollama_twisted.simulator import ask as asking
from ollama_twisted.simulator.ask import Ask, BadAsk, Body
from ollama_twisted.simulator.call import Call, Handler
from ollama_twisted.simulator.engine import Embedded, Ended, EngineError
from ollama_twisted.simulator.library import Model
from ollama_twisted.simulator.voice import anthropic, native, openai, responses
from ollama_twisted.simulator.voice.base import JSON, JSON_UTF8, Speaker, Timing, Voice


async def chat(call: Call) -> None:
    """``POST /api/chat``."""
    ask = asking.chat(call.body())
    if not ask.model:
        raise BadAsk(400, "model is required")
    await _native(call, ask, native.Chat(ask, call.node.stamps, 0))


async def generate(call: Call) -> None:
    """``POST /api/generate``."""
    ask = asking.generate(call.body())
    await _native(call, ask, native.Generate(ask, call.node.stamps, 0))


def foreign(read: Callable[[Body], Ask], speak: Speaker) -> Handler:
    """A route of another protocol: how its body is read, and in whose words it is answered."""

    async def handle(call: Call) -> None:
        ask = read(call.body())
        voice = speak(ask, call.node.stamps, call.node.number())
        await _generate(call, call.node.model(ask.model, ask.needs), ask, voice)

    return handle


openai_chat = foreign(asking.openai_chat, openai.Chat)
openai_completion = foreign(asking.openai_completion, openai.Completion)
anthropic_messages = foreign(asking.anthropic, anthropic.Messages)
openai_responses = foreign(asking.responses, responses.Responses)


async def embed(call: Call) -> None:
    """``POST /api/embed``."""
    body, node = call.body(), call.node
    name, texts = asking.text(body, "model"), _texts(body.get("input"))
    started = node.clock.seconds()
    embedded, load = await _embed(call, node.model(name), texts, asking.stay(body))
    answer: dict[str, Any] = {"model": name, "embeddings": _shortened(embedded, body)}
    if texts:
        total = node.clock.seconds() - started
        answer["total_duration"] = node.stamps.lasting(total, embedded.tokens + 2)
        answer["load_duration"] = node.stamps.lasting(load, 1)
        answer["prompt_eval_count"] = embedded.tokens
    await call.json(answer)


async def embeddings(call: Call) -> None:
    """``POST /api/embeddings``, which Ollama keeps for old clients."""
    body = call.body()
    name, prompt = asking.text(body, "model"), asking.text(body, "prompt")
    if not name:
        raise BadAsk(400, "model is required")
    model = call.node.library.find(name)
    if model is None:
        raise BadAsk(404, f'model "{name}" not found, try pulling it first')
    embedded, _ = await _embed(call, model, [prompt] if prompt else [], asking.stay(body))
    await call.json({"embedding": embedded.vectors[0] if prompt else []})


async def openai_embeddings(call: Call) -> None:
    """``POST /v1/embeddings``."""
    body = call.body()
    name, texts = asking.text(body, "model"), _texts(body.get("input"))
    if not texts:
        raise BadAsk(400, "invalid input")
    embedded, _ = await _embed(call, call.node.model(name), texts, None)
    encoded = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "embedding": _base64(each) if encoded else each, "index": index}
        for index, each in enumerate(_shortened(embedded, body))
    ]
    usage = {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens}
    await call.json({"object": "list", "data": data, "model": name, "usage": usage}, kind=JSON)


async def _native(call: Call, ask: Ask, voice: native.Chat | native.Generate) -> None:
    """Generate, or only load or unload where there is nothing to continue."""
    model = call.node.model(ask.model, ask.needs)
    if not ask.empty:
        await _generate(call, model, ask, voice)
        return
    if ask.keep_alive == 0:
        call.node.memory.unload(model)
        await call.answer.whole(200, JSON_UTF8, voice.nothing("unload"))
        return
    async with call.node.memory.use(model, ask.keep_alive, _context(ask)):
        await call.answer.whole(200, JSON_UTF8, voice.nothing("load"))


def _context(ask: Ask) -> int | None:
    context = ask.prompt.options.get("num_ctx")
    return context if isinstance(context, int) and context > 0 else None


async def _generate(call: Call, model: Model, ask: Ask, voice: Voice) -> None:
    node, started = call.node, call.node.clock.seconds()
    async with (
        node.places.one(model.name),
        node.memory.use(model, ask.keep_alive, _context(ask)) as load,
        aclosing(node.engine.generate(model, ask.prompt)) as pieces,
    ):
        if ask.stream:
            try:
                await _stream(call, pieces, voice, started, load)
            except EngineError as error:
                if not call.answer.begun:
                    raise
                await call.answer.token(voice.broken(str(error)))
                call.answer.end()
        else:
            text, ended = await _collect(call, pieces)
            timing = Timing(node.clock.seconds() - started, load)
            await call.answer.whole(200, voice.whole_type, voice.whole(text, ended, timing))


async def _stream(
    call: Call,
    pieces: AsyncGenerator[str | Ended, None],
    voice: Voice,
    started: float,
    load: float,
) -> None:
    opening = voice.begin()
    await call.answer.begin(200, voice.stream_type)
    async for piece in pieces:
        if isinstance(piece, Ended):
            timing = Timing(call.node.clock.seconds() - started, load)
            await call.answer.token(opening + voice.end(piece, timing))
        else:
            call.node.counts.tokens += 1
            await call.answer.token(opening + voice.token(piece))
            opening = b""
    call.answer.end()


async def _collect(call: Call, pieces: AsyncGenerator[str | Ended, None]) -> tuple[str, Ended]:
    texts: list[str] = []
    async for piece in pieces:
        if isinstance(piece, Ended):
            return "".join(texts), piece
        call.node.counts.tokens += 1
        texts.append(piece)
    raise EngineError("the engine stopped without an end")


async def _embed(
    call: Call, model: Model, texts: Sequence[str], keep: float | None
) -> tuple[Embedded, float]:
    async with (
        call.node.places.one(model.name),
        call.node.memory.use(model, keep) as load,
    ):
        if not texts:
            return Embedded([], 0), load
        return await call.node.engine.embed(model, texts), load


def _texts(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise BadAsk(400, "invalid input type")
    return texts


def _shortened(embedded: Embedded, body: Body) -> list[list[float]]:
    """The vectors with no more dimensions than were asked for, of length one again."""
    size = body.get("dimensions")
    if not isinstance(size, int) or size <= 0:
        return embedded.vectors
    return [_unit(each[:size]) if size < len(each) else each for each in embedded.vectors]


def _unit(vector: list[float]) -> list[float]:
    length = sum(each * each for each in vector) ** 0.5 or 1.0
    return [each / length for each in vector]


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
