"""
What all nodes have, as one answer: they are asked side by side, and none is waited for long.

A node that does not answer in time counts with what it said last; one that is
known to be down is not asked at all.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred, FirstError, gatherResults

from ollama_twisted.gateway.asking import Asker
from ollama_twisted.gateway.manner import listed_for
from ollama_twisted.pool.models import ModelName
from ollama_twisted.pool.node import Node
from ollama_twisted.services import Service
from ollama_twisted.web.asking import Unanswered
from ollama_twisted.web.pages import as_json
from ollama_twisted.wire.ask import Ask
from ollama_twisted.wire.merge import (
    Lists,
    lowest_version,
    merge_loaded,
    merge_openai,
    merge_tags,
    openai_models,
)
from ollama_twisted.wire.routes import find

if TYPE_CHECKING:
    from ollama_twisted.gateway.checker import NodeCheck
    from ollama_twisted.gateway.checks import Checker
    from ollama_twisted.gateway.core import Gateway

#: How long a node is waited for whose list is known anyway, in seconds.
PATIENCE = 0.5
#: What a header says of nodes is cut after so many bytes.
MAX_FIELD = 2048

Known = Callable[["NodeCheck"], Iterable[object]]


class Listed(NamedTuple):
    """An answer for all nodes, and the fields that say which they are."""

    body: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What one node answered, or why it did not."""

    node: Node
    answer: Any = None
    error: str = ""


_LISTS = frozenset({b"/api/version", b"/api/tags", b"/api/ps", b"/v1/models"})


class NodeLists:
    """Answers for all nodes."""

    def __init__(self, gateway: Gateway, asker: Asker, checker: Checker) -> None:
        self._gateway = gateway
        self._asker = asker
        self._checker = checker

    def answer(self, path: bytes, ask: Ask) -> Coroutine[Any, Any, Listed | None] | None:
        """
        The answer to a GET that concerns all nodes; ``None`` if one node is to answer.

        It may turn out to be ``None`` later as well: whoever is asked then says best
        what is wrong.
        """
        if path not in _LISTS and not path.startswith(b"/v1/models/"):
            return None
        if path == b"/api/version":
            return self._version()
        if path == b"/api/tags":
            return self._merged("/api/tags", "models", lambda check: check.tags, merge_tags)
        if path == b"/api/ps":
            return self._merged("/api/ps", "models", lambda check: check.loaded, merge_loaded)
        if path == b"/v1/models":
            return self._openai_models()
        return None if ask.model is None else self._openai_model(ask.model)

    async def each(self, path: str, nodes: Iterable[Node], quick: bool = False) -> list[Told]:
        """What these nodes answer at ``path``, each within its own limit of time."""
        asked = [Deferred.fromCoroutine(self._tell(node, path, quick)) for node in nodes]
        try:
            return await gatherResults(asked, consumeErrors=True)
        except FirstError as error:
            # Most likely: nobody waits any more.
            error.subFailure.raiseException()
            raise

    async def _tell(self, node: Node, path: str, quick: bool) -> Told:
        config = node.config
        if not config.enabled:
            return Told(node, error="disabled in the configuration")
        if node.health.down:
            return Told(node, error=f"down ({node.last_check_error})")
        service = find(b"GET", path.encode()).service
        if service not in node.offers:
            return Told(node, error=f"{config.kind.one} has no {path}")
        if config.models and path == "/v1/models":
            return Told(node, listed_for(config.models))
        timeout = config.health.timeout
        if quick and config.name in self._gateway.listed_at:
            timeout = min(timeout, PATIENCE)
        address = self._gateway.upstreams[config.name].address
        try:
            return Told(node, await self._asker.json(config, address, path, timeout))
        except Unanswered as error:
            return Told(node, error=str(error))

    async def _version(self) -> Listed | None:
        """
        The version that all nodes have at least, from the checks: nobody is asked.

        Clients want to know what they may ask for, and ask it of any node.
        """
        told = {
            node.name: node.version
            for node in self._gateway.pool.nodes.values()
            if node.config.enabled and node.health.healthy and node.version
        }
        lowest = lowest_version(told.values())
        if lowest is None:
            return None
        answer: dict[str, Any] = {"version": lowest}
        if len(set(told.values())) > 1:
            answer["nodes"] = told
        return Listed(as_json(answer), (_field(b"Nodes", ", ".join(told)),))

    async def _merged(
        self, path: str, key: str, known: Known, merge: Callable[[Lists], dict[str, Any]]
    ) -> Listed | None:
        lists, fields = await self._lists(path, key, known)
        return Listed(as_json(merge(lists)), fields) if lists else None

    async def _openai_models(self) -> Listed | None:
        return await self._merged("/v1/models", "data", _as_openai, merge_openai)

    async def _openai_model(self, asked: str) -> Listed | None:
        lists, fields = await self._lists("/v1/models", "data", _as_openai)
        name = ModelName.parse(asked)
        for model in merge_openai(lists)["data"]:
            same = ModelName.parse(model["id"]) == name and self._any_ollama(model["nodes"])
            others = model.get("aliases")
            if same or model["id"] == asked or (isinstance(others, list) and asked in others):
                return Listed(as_json({**model, "id": asked}), fields)
        return None

    def _any_ollama(self, names: Iterable[str]) -> bool:
        """Is one of these nodes so generous with names as Ollama?"""
        nodes = self._gateway.pool.nodes
        return any(Service.NATIVE in nodes[name].offers for name in names)

    async def _lists(
        self, path: str, key: str, known: Known
    ) -> tuple[list[tuple[str, list[Any]]], tuple[tuple[bytes, bytes], ...]]:
        """Each node's list, and what a header says of who has been heard."""
        lists, missing = [], []
        service = find(b"GET", path.encode()).service
        nodes = [
            node
            for node in self._gateway.pool.nodes.values()
            if node.config.enabled and service in node.offers
        ]
        for told in await self.each(path, nodes, quick=True):
            name, error = told.node.name, told.error
            models = told.answer.get(key) if isinstance(told.answer, dict) else None
            check = self._checker.checks.get(name)
            if isinstance(models, list):
                lists.append((name, models))
            else:
                missing.append(f"{name}: {error or 'its answer is no list'}")
                if check is not None and name in self._gateway.listed_at and _up(told.node):
                    lists.append((name, list(known(check))))
        fields = [_field(b"Nodes", ", ".join(name for name, _ in lists))]
        if missing:
            fields.append(_field(b"Missing", "; ".join(missing)))
        return lists, tuple(fields)


def _up(node: Node) -> bool:
    return node.health.healthy


def _as_openai(check: NodeCheck) -> Iterable[object]:
    return check.openai or openai_models(check.tags)


def _field(name: bytes, text: str) -> tuple[bytes, bytes]:
    return b"X-Ollama-Gateway-" + name, text.encode()[:MAX_FIELD]
