"""A view of the gateway as nodes and links, each with an id that stays."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ollama_twisted.pool import node as pool
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pulse.shape import (
    Clients,
    Copy,
    Edge,
    Hub,
    Link,
    Loaded,
    Model,
    Node,
    Server,
    State,
)
from ollama_twisted.pulse.tally import plain
from ollama_twisted.pulse.view import Seen, View
from ollama_twisted.services import Kind
from ollama_twisted.web import changes

CLIENTS, GATEWAY = "clients", "gateway"

#: More models of one node, and longer names, are not told.
MOST_MODELS, LONGEST_NAME = 1000, 300


def state_of(node: pool.Node, now: float) -> str:
    """How a node is, in one word; what the operator wants stands above what was seen."""
    if not node.config.enabled:
        return "disabled"
    if node.draining:
        return "draining"
    if not node.health.healthy:
        return "down"
    return "ejected" if node.breaker.ejected(now) else "healthy"


def state(view: View) -> State:
    """The gateway as a whole."""
    rates = view.rates
    return State(
        view.version,
        view.strategy,
        view.notice,
        view.started,
        view.clients,
        view.in_flight,
        view.waiting,
        view.max_waiting,
        rates.requests,
        rates.tokens,
        rates.first_token,
        rates.failures,
        rates.bytes,
    )


class Drawing:
    """
    Makes nodes and links of views.

    Lists of names change seldom and may be long, so each is made once.
    """

    def __init__(self) -> None:
        self._names: dict[str, tuple[NodeModels | None, tuple[str, ...]]] = {}
        self._loaded: dict[str, tuple[Any, tuple[Loaded, ...]]] = {}

    def nodes(self, view: View) -> dict[str, Node]:
        """Clients, gateway, nodes and models, by id."""
        nodes: dict[str, Node] = {
            CLIENTS: Clients(CLIENTS, "client", "clients", view.clients),
            GATEWAY: Hub(GATEWAY, "gateway", "gateway", view.in_flight, view.waiting),
        }
        copies: Counter[str] = Counter()
        for seen in view.nodes:
            server = self._server(seen, view.now)
            nodes[server.id] = server
            copies.update(each.name for each in server.loaded)
        for name, count in sorted(copies.items()):
            nodes[_model(name)] = Model(_model(name), "model", name, count)
        known = {each.node.name for each in view.nodes}
        for cache in (self._names, self._loaded):
            for gone in cache.keys() - known:
                del cache[gone]
        return nodes

    def links(self, view: View) -> dict[str, Edge]:
        """Clients to gateway, gateway to nodes, nodes to models, by id."""
        rates = view.rates
        links: dict[str, Edge] = {}
        name = f"{CLIENTS}->{GATEWAY}"
        links[name] = Link(
            name,
            CLIENTS,
            GATEWAY,
            view.in_flight + view.waiting,
            rates.requests,
            rates.tokens,
            rates.bytes,
        )
        for seen in view.nodes:
            node, rates = seen.node, seen.rates
            name = f"{GATEWAY}->{node.name}"
            links[name] = Link(
                name,
                GATEWAY,
                node.name,
                node.in_flight,
                rates.requests,
                rates.tokens,
                rates.bytes,
            )
            for loaded in self._loaded_of(seen):
                target = _model(loaded.name)
                name = f"{node.name}->{target}"
                links[name] = Copy(name, node.name, target, loaded.vram_bytes)
        return links

    def _server(self, seen: Seen, now: float) -> Server:
        node, rates = seen.node, seen.rates
        config = node.config
        external = config.kind is Kind.EXTERNAL
        return Server(
            node.name,
            "external" if external else "node",
            node.name,
            config.kind.value,
            state_of(node, now),
            plain(node.last_check_error),
            None if node.version is None else plain(node.version, 100),
            seen.url,
            config.weight,
            node.in_flight,
            config.max_in_flight,
            node.total_requests,
            node.failed_requests,
            rates.requests,
            rates.tokens,
            rates.first_token,
            rates.bytes,
            self._names_of(node),
            self._loaded_of(seen),
            seen.failures,
            dict(config.labels),
        )

    def _names_of(self, node: pool.Node) -> tuple[str, ...]:
        models = node.models
        known = self._names.get(node.name)
        if known is not None and known[0] is models:
            return known[1]
        names = {plain(each, LONGEST_NAME) for each in (models.names if models else ())}
        told = tuple(sorted(names)[:MOST_MODELS])
        self._names[node.name] = (models, told)
        return told

    def _loaded_of(self, seen: Seen) -> tuple[Loaded, ...]:
        known = self._loaded.get(seen.node.name)
        if known is not None and known[0] is seen.loaded:
            return known[1]
        by_name = {
            (name := plain(each.name, LONGEST_NAME)): Loaded(
                name,
                each.size or 0,
                each.vram or 0,
                each.context,
                None if each.expires is None else changes.iso(each.expires),
            )
            for each in seen.loaded
        }
        told = tuple(by_name[name] for name in sorted(by_name))
        self._loaded[seen.node.name] = (seen.loaded, told)
        return told


def _model(name: str) -> str:
    return f"model:{name}"
