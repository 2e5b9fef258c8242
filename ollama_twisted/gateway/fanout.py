"""Requests that concern many nodes: for now, the merged list of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults

from ollama_twisted.gateway.asking import Asker
from ollama_twisted.pool.node import Node
from ollama_twisted.web.asking import Unanswered
from ollama_twisted.web.pages import as_json
from ollama_twisted.wire.merge import merge_tags

if TYPE_CHECKING:
    from ollama_twisted.gateway.checker import Checker
    from ollama_twisted.gateway.core import Gateway


class Fanout:
    """Asks many nodes side by side, and makes one answer of theirs."""

    def __init__(self, gateway: Gateway, asker: Asker, checker: Checker) -> None:
        self._gateway = gateway
        self._asker = asker
        self._checker = checker

    async def tags(self) -> bytes:
        """
        ``/api/tags`` of all healthy nodes in one.

        A node that does not answer within its health check's timeout counts with
        what it said last.
        """
        nodes = [node for node in self._gateway.pool.nodes.values() if self._listens(node)]
        lists = await gatherResults([Deferred.fromCoroutine(self._tags_of(node)) for node in nodes])
        named = [(node.config.name, models) for node, models in zip(nodes, lists, strict=True)]
        return as_json(merge_tags(named))

    def _listens(self, node: Node) -> bool:
        return node.config.enabled and node.health.healthy

    async def _tags_of(self, node: Node) -> list[Any]:
        name, config = node.config.name, node.config
        address = self._gateway.upstreams[name].address
        try:
            answer = await self._asker.json(config, address, "/api/tags", config.health.timeout)
            models = answer.get("models") if isinstance(answer, dict) else None
        except Unanswered:
            models = None
        if isinstance(models, list):
            return models
        check = self._checker.checks.get(name)
        return check.tags if check is not None else []
