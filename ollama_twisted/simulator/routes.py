"""
Which handler answers which method and path.

As in Ollama: a path that is not here is a 404, one that is here under another
method a 405, and HEAD is a method like the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from ollama_twisted.simulator import hearing, inference, shelf
from ollama_twisted.simulator.call import Call, Handler
from ollama_twisted.simulator.voice import anthropic, native, openai
from ollama_twisted.simulator.voice.base import Problem

_PLAIN = "text/plain; charset=utf-8"


async def running(call: Call) -> None:
    """``/``: what the command line client asks to see whether somebody is there."""
    await call.answer.whole(200, _PLAIN, b"Ollama is running")


async def version(call: Call) -> None:
    """``/api/version``."""
    await call.json({"version": call.node.version})


async def status(call: Call) -> None:
    """``/api/status``: no cloud here."""
    await call.json({"cloud": {"disabled": True, "source": "env"}})


_PATHS: dict[str, dict[str, Handler]] = {
    "/": {"GET": running, "HEAD": running},
    "/api/version": {"GET": version, "HEAD": version},
    "/api/status": {"GET": status},
    "/api/tags": {"GET": shelf.tags, "HEAD": shelf.tags},
    "/api/ps": {"GET": shelf.ps},
    "/api/show": {"POST": shelf.show},
    "/api/pull": {"POST": shelf.pull},
    "/api/push": {"POST": shelf.push},
    "/api/create": {"POST": shelf.create},
    "/api/copy": {"POST": shelf.copy},
    "/api/delete": {"DELETE": shelf.delete},
    "/api/chat": {"POST": inference.chat},
    "/api/generate": {"POST": inference.generate},
    "/api/embed": {"POST": inference.embed},
    "/api/embeddings": {"POST": inference.embeddings},
    "/v1/chat/completions": {"POST": inference.openai_chat},
    "/v1/completions": {"POST": inference.openai_completion},
    "/v1/embeddings": {"POST": inference.openai_embeddings},
    "/v1/responses": {"POST": inference.openai_responses},
    "/v1/messages": {"POST": inference.anthropic_messages},
    "/v1/audio/transcriptions": {"POST": hearing.transcriptions},
    "/v1/audio/translations": {"POST": hearing.translations},
    "/v1/models": {"GET": shelf.openai_models},
}
_WITH_ARGUMENT: dict[str, dict[str, Handler]] = {
    "/api/blobs/": {"HEAD": shelf.blob_here, "POST": shelf.blob},
    "/v1/models/": {"GET": shelf.openai_model},
}


@dataclass(frozen=True, slots=True)
class Found:
    """The handlers of a path by method, and what the path names beside them."""

    methods: dict[str, Handler]
    argument: str = ""


def find(path: str) -> Found | None:
    """What answers a path, whichever the method."""
    if path in _PATHS:
        return Found(_PATHS[path])
    for prefix, methods in _WITH_ARGUMENT.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            return Found(methods, path[len(prefix) :])
    return None


def problem_of(path: str) -> Problem:
    """How an error is worded on a path."""
    if path.startswith("/v1/messages"):
        return anthropic.problem
    return openai.problem if path.startswith("/v1/") else native.problem
