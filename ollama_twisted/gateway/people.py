"""What the gateway's pages show to people before, or without, any script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.web.template import Element, renderer

from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.nodeview import url_of
from ollama_twisted.pool.node import Node
from ollama_twisted.web.shell import Frame, Link, template

FRAME = Frame(
    "ollama-gateway",
    (
        Link("/", "Dashboard"),
        Link("/nodes", "Nodes"),
        Link("/topology", "Topology"),
        Link("/routing", "Routing"),
        Link("/config", "Configuration"),
    ),
    (
        Link("/health", "health"),
        Link("/api/nodes", "nodes"),
        Link("/api/topology", "topology"),
        Link("/api/tags", "models"),
        Link("/metrics", "metrics"),
    ),
)


def state_of(node: Node, now: float) -> tuple[str, str]:
    """A node's state in a word, and why it is so."""
    if not node.config.enabled:
        return "disabled", ""
    if not node.health.healthy:
        return "down", node.last_check_error
    if node.breaker.ejected(now):
        return "ejected", ""
    return ("draining" if node.draining else "healthy"), ""


class Dashboard(Element):
    """The pool at a glance."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(loader=template("dashboard.html"))
        self._gateway = gateway

    @renderer
    def notice(self, request: Any, tag: Any) -> Any:
        return self._gateway.notice

    @renderer
    def strategy(self, request: Any, tag: Any) -> Any:
        return tag(self._gateway.config.strategy)

    @renderer
    def source(self, request: Any, tag: Any) -> Any:
        return self._gateway.config.source

    @renderer
    def waiting(self, request: Any, tag: Any) -> Any:
        return tag(str(len(self._gateway.pool.line)))

    @renderer
    def nodes(self, request: Any, tag: Any) -> Iterator[Any]:
        now = self._gateway.seconds()
        for node in self._gateway.pool.nodes.values():
            state, why = state_of(node, now)
            loaded = node.models.loaded_names if node.models is not None else ()
            yield tag.clone().fillSlots(
                name=node.name,
                address=url_of(node.config.addresses[0]),
                kind=state,
                error=why,
                in_flight=str(node.in_flight),
                total=str(node.total_requests),
                failed=str(node.failed_requests),
                loaded=", ".join(sorted(loaded)),
            )

    @renderer
    def models(self, request: Any, tag: Any) -> Iterator[Any]:
        known = {
            node.name: node.models
            for node in self._gateway.pool.nodes.values()
            if node.models is not None
        }
        for model in sorted({model for models in known.values() for model in models.names}):
            yield tag.clone().fillSlots(
                name=model,
                nodes=", ".join(name for name, models in known.items() if model in models.names),
                loaded=", ".join(name for name, models in known.items() if models.is_loaded(model)),
            )
