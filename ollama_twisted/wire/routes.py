"""
Every path that a node answers on, and what the gateway has to know of it.

A path is looked up as the node will understand it: decoded, whatever its
spelling.  Paths that two readers may understand differently are not ``safe_path``
and go nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from posixpath import normpath
from urllib.parse import unquote_to_bytes

from ollama_twisted.services import Service


class Dialect(Enum):
    """Whose protocol a client speaks, hence in whose words it is told what went wrong."""

    OLLAMA = "ollama"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class ModelIn(Enum):
    """Where a request names its model."""

    NONE = "none"
    BODY = "model in the body"
    BODY_OR_NAME = "model, or else the older name, in the body"
    COPY_SOURCE = "source in the body"
    MULTIPART = "model in a form"
    PATH = "last segment of the path"


class Streams(Enum):
    """Whether an answer comes piece by piece, if the request does not say."""

    NEVER = "never"
    DEFAULT_ON = "unless told otherwise"
    DEFAULT_OFF = "if told so"


@dataclass(frozen=True, slots=True)
class Route:
    """
    What is known of a request by its method and path.

    ``operation`` is one of few names, fit for a label.  ``generates``: its answer
    is made by a model and tells what that took.  ``repeatable``: asking another
    node after this one changes nothing.  ``manages``: it changes or discloses
    what is on a node, and is for operators.  ``service``: what a node must offer to
    be asked.  ``many``: it is about what nodes have, and may concern several of them.
    ``passes``: its body may be of any length, and is passed on as it comes.
    ``unloads``: it may be meant to let a model go, wherever it is in memory.
    ``path`` is how people know it.
    """

    operation: str
    model_in: ModelIn = ModelIn.NONE
    dialect: Dialect = Dialect.OLLAMA
    streams: Streams = Streams.NEVER
    generates: bool = False
    repeatable: bool = True
    manages: bool = False
    service: Service = Service.NATIVE
    many: bool = False
    passes: bool = False
    unloads: bool = False
    path: str = ""


def _look(operation: str, model_in: ModelIn = ModelIn.NONE) -> Route:
    return Route(operation, model_in)


def _make(operation: str, streams: Streams = Streams.NEVER) -> Route:
    return Route(operation, ModelIn.BODY, streams=streams, generates=True)


def _hear(operation: str) -> Route:
    return Route(operation, ModelIn.MULTIPART, streams=Streams.DEFAULT_OFF, generates=True)


def _manage(
    operation: str, model_in: ModelIn = ModelIn.NONE, streams: Streams = Streams.NEVER
) -> Route:
    return Route(operation, model_in, streams=streams, repeatable=False, manages=True, many=True)


_ON, _OFF = Streams.DEFAULT_ON, Streams.DEFAULT_OFF
_READ = b"GET HEAD"

# A path that ends in "/:" stands for all paths with something in that place.
TABLE: tuple[tuple[bytes, bytes, Route], ...] = (
    (_READ, b"/", _look("root")),
    (_READ, b"/api/version", _look("version")),
    (_READ, b"/api/status", _look("status")),
    (_READ, b"/api/tags", _look("tags")),
    (_READ, b"/api/ps", _look("ps")),
    (b"POST", b"/api/show", _look("show", ModelIn.BODY_OR_NAME)),
    (b"POST", b"/api/generate", replace(_make("generate", _ON), unloads=True)),
    (b"POST", b"/api/chat", replace(_make("chat", _ON), unloads=True)),
    (b"POST", b"/api/embed", _make("embed")),
    (b"POST", b"/api/embeddings", _make("embeddings")),
    (b"POST", b"/api/pull", _manage("pull", ModelIn.BODY_OR_NAME, _ON)),
    (b"POST", b"/api/push", _manage("push", ModelIn.BODY_OR_NAME, _ON)),
    (b"POST", b"/api/create", _manage("create", ModelIn.BODY_OR_NAME, _ON)),
    (b"POST", b"/api/copy", _manage("copy", ModelIn.COPY_SOURCE)),
    (b"DELETE", b"/api/delete", _manage("delete", ModelIn.BODY_OR_NAME)),
    (_READ, b"/api/blobs/:", replace(_look("blob"), many=True)),
    (b"POST", b"/api/blobs/:", replace(_manage("blob"), passes=True)),
    (b"POST", b"/api/me", _manage("me")),
    (b"POST", b"/api/signout", _manage("signout")),
    (b"DELETE", b"/api/user/keys/:", _manage("keys")),
    (b"POST", b"/api/experimental/web_search", Route("web_search", repeatable=False)),
    (b"POST", b"/api/experimental/web_fetch", Route("web_fetch", repeatable=False)),
    (_READ, b"/api/experimental/model-recommendations", _look("recommendations")),
    (b"POST", b"/v1/chat/completions", _make("v1_chat", _OFF)),
    (b"POST", b"/v1/completions", _make("v1_completions", _OFF)),
    (b"POST", b"/v1/embeddings", _make("v1_embeddings")),
    (b"POST", b"/v1/responses", _make("v1_responses", _OFF)),
    (b"POST", b"/v1/messages", _make("v1_messages", _OFF)),
    (b"POST", b"/v1/images/generations", _make("v1_images")),
    (b"POST", b"/v1/images/edits", _make("v1_images")),
    (b"POST", b"/v1/audio/transcriptions", _hear("v1_transcriptions")),
    (b"POST", b"/v1/audio/translations", _hear("v1_translations")),
    (_READ, b"/v1/models", _look("v1_models")),
    (_READ, b"/v1/models/:", _look("v1_model", ModelIn.PATH)),
    # Go's profiler listens on the same port, and shows the memory with all prompts in it.
    (b"GET HEAD POST", b"/debug/:", _manage("debug")),
)


# What the beginning of a path tells; the first that fits counts.
_FAMILIES: tuple[tuple[bytes, Dialect, Service], ...] = (
    (b"/v1/messages", Dialect.ANTHROPIC, Service.MESSAGES),
    (b"/v1/responses", Dialect.OPENAI, Service.RESPONSES),
    (b"/v1/models", Dialect.OPENAI, Service.MODELS),
    (b"/v1/audio/transcriptions", Dialect.OPENAI, Service.TRANSCRIPTIONS),
    (b"/v1/audio/", Dialect.OPENAI, Service.AUDIO),
    (b"/v1/", Dialect.OPENAI, Service.OPENAI),
    (b"", Dialect.OLLAMA, Service.NATIVE),
)

_INSTEAD = {
    "/api/chat": "/v1/chat/completions",
    "/api/generate": "/v1/completions",
    "/api/embed": "/v1/embeddings",
    "/api/embeddings": "/v1/embeddings",
    "/api/tags": "/v1/models",
}

#: A path that only an outsider knows is not told back in full.
_LONGEST_PATH = 100


def _placed(route: Route, path: bytes) -> Route:
    """A route with what its path tells of it."""
    _, dialect, service = next(each for each in _FAMILIES if path.startswith(each[0]))
    if route.manages:
        service = Service.MANAGE
    shown = path.decode("latin-1")[:_LONGEST_PATH].replace("/:", "/...")
    return replace(route, dialect=dialect, service=service, path=shown)


def instead_of(path: str) -> str:
    """Another path that answers the like, where this one is not offered; "" if there is none."""
    return _INSTEAD.get(path, "")


_ROUTES = {
    (method, path): _placed(route, path)
    for methods, path, route in TABLE
    for method in methods.split()
}
_OPEN_PATHS = tuple(path[:-1] for _, path, _ in TABLE if path.endswith(b"/:"))
_MANAGED_PATHS = frozenset(path for _, path, route in TABLE if route.manages)
_HARMLESS = frozenset({b"GET", b"HEAD", b"OPTIONS"})

# Visible characters but "/", "%" and "\"; and escapes of none of these, of no
# dot and of no control character.
_CHARACTER = (
    rb"(?:[!-$&-.0-\[\]-~]|%(?:2[0-46-9A-D]|[346][0-9A-F]|5[0-9ABD-F]|7[0-9A-E]|[89A-F][0-9A-F]))"
)
_SEGMENT = rb"(?!\.\.?(?:/|%2F|\Z))" + _CHARACTER + rb"+"
_SAFE_PATH = re.compile(
    # Only the name of a model may contain an escaped slash.
    rb"/v1/models/" + _SEGMENT + rb"(?:%2F" + _SEGMENT + rb")*|(?:/" + _SEGMENT + rb")*/?|\*",
    re.IGNORECASE,
)
# Those that nearly everybody asks for need not be looked through each time.
_SAFE_PATHS = frozenset(path for _, path in _ROUTES if _SAFE_PATH.fullmatch(path))


def safe_path(path: bytes) -> bool:
    """Whether everybody understands the same by ``path``: the request goes nowhere otherwise."""
    return path in _SAFE_PATHS or (path != b"" and _SAFE_PATH.fullmatch(path) is not None)


def find(method: bytes, path: bytes) -> Route:
    """What is known of a request; ``path`` is as it came, without its query."""
    return _ROUTES.get((method, path)) or _find_spelled_oddly(method, path)


def _find_spelled_oddly(method: bytes, path: bytes) -> Route:
    """
    The same for a path that is written in an uncommon way, or not in the table.

    Nodes tell capitals apart, but something in front of one may not: what
    guards a path guards all of its spellings.
    """
    decoded = unquote_to_bytes(path).replace(b"\\", b"/").lower()
    plain = normpath(b"/" + decoded.lstrip(b"/"))
    for opening in _OPEN_PATHS:
        if plain.startswith(opening):
            plain = opening + b":"
    route = _ROUTES.get((method, plain))
    if route is not None:
        return route
    harmless = method in _HARMLESS
    guarded = plain in _MANAGED_PATHS and not harmless
    return _placed(Route("other", repeatable=harmless, manages=guarded, many=guarded), plain)
