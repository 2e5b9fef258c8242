"""
What nodes can be asked for, and which kind of node can be asked for what.

A route names the service that it needs, a node has a kind, and `OFFERS` is where the
two meet; what is newer than some Ollamas is in `SINCE`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """Which software a node is, as far as that decides what it answers."""

    OLLAMA = "ollama"
    OPENAI = "openai"
    WHISPER = "whisper"
    EXTERNAL = "external"

    @property
    def one(self) -> str:
        """One such node, for people."""
        return f"{'a' if self is Kind.WHISPER else 'an'} {self.value} node"


class Service(str, Enum):
    """
    Routes that a node has all together, or none of them.

    A string because whoever may serve a model is remembered under it, and each
    request looks there: a string's hash is at hand.
    """

    #: Ollama's own API, and every path that belongs to nobody else.
    NATIVE = "native"
    #: What changes the models that are on an Ollama, or discloses what is in it.
    MANAGE = "manage"
    #: What OpenAI began: chat, completions, embeddings, and what is unknown below ``/v1/``.
    OPENAI = "openai"
    RESPONSES = "responses"
    MESSAGES = "messages"
    #: The list of models in OpenAI's words.
    MODELS = "models"
    TRANSCRIPTIONS = "transcriptions"
    #: Whatever else there is below ``/v1/audio/``.
    AUDIO = "audio"


_TEXT = frozenset({Service.OPENAI, Service.RESPONSES, Service.MESSAGES, Service.MODELS})
_SPEECH = frozenset({Service.MODELS, Service.TRANSCRIPTIONS, Service.AUDIO})
_OLLAMA = _TEXT | {Service.NATIVE, Service.MANAGE, Service.TRANSCRIPTIONS}

#: What each kind can be asked for.
OFFERS: Mapping[Kind, frozenset[Service]] = {
    Kind.OLLAMA: _OLLAMA,
    Kind.OPENAI: _TEXT,
    Kind.WHISPER: _SPEECH,
    Kind.EXTERNAL: _OLLAMA,
}

#: The first version of Ollama that has it, where not all have.
SINCE: Mapping[Service, tuple[int, int, int]] = {
    Service.RESPONSES: (0, 13, 3),
    Service.MESSAGES: (0, 14, 0),
    Service.TRANSCRIPTIONS: (0, 20, 0),
}

_RELEASE = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})", re.ASCII)


def offered(kind: Kind, version: str | None) -> frozenset[Service]:
    """
    What a node of this kind and version can be asked for.

    One that does not tell its version is asked for everything, and so is 0.0.0:
    that is what an Ollama says that somebody has built without naming it.
    """
    found = _RELEASE.match(version) if version is not None else None
    if kind is not Kind.OLLAMA or found is None:
        return OFFERS[kind]
    release = tuple(map(int, found.groups()))
    lacking = {service for service, since in SINCE.items() if (0, 0, 0) < release < since}
    return OFFERS[kind] - lacking


_KNOW_THEIR_MODELS = frozenset({Kind.OLLAMA, Kind.EXTERNAL})
_WHISPER = frozenset({Kind.WHISPER})


def answer_for_strangers(service: Service) -> frozenset[Kind]:
    """
    Who is asked first for a model that no node is known to have.

    Ollama says that it does not have it, where llama.cpp's server answers for any
    name with the model that it happens to have.  A speech server knows models that
    it does not list: ``whisper-1``, or all that it could download.
    """
    speaks = service is Service.TRANSCRIPTIONS or service is Service.AUDIO
    return _WHISPER if speaks else _KNOW_THEIR_MODELS
