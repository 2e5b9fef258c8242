"""A view of the gateway as nodes and links, each with an id that stays."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

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
from ollama_twisted.pulse.view import Rates, Seen, Use, View
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


def _used(name: str, copies: int, use: Use) -> Model:
    rates = use.rates
    return Model(
        _model(name),
        "model",
        name,
        copies,
        use.in_flight,
        rates.requests,
        rates.tokens,
        rates.first_token,
    )


class _Drawn(NamedTuple):
    """A node and what links it, and what they were made of."""

    marks: tuple[Any, ...]
    server: Server
    links: tuple[Edge, ...]


class Drawing:
    """
    Makes nodes and links of views.

    Of many nodes few change from one view to the next, and lists of names change
    seldom and may be long: what has not changed is not made again.
    """

    def __init__(self) -> None:
        self._drawn: dict[str, _Drawn] = {}
        self._names: dict[str, tuple[NodeModels | None, tuple[str, ...]]] = {}
        self._loaded: dict[str, tuple[Any, tuple[Loaded, ...]]] = {}

    def draw(self, view: View) -> tuple[dict[str, Node], dict[str, Edge]]:
        """Nodes (clients, gateway, nodes, models) and the links between them, by id."""
        drawn = [self._draw(seen, view.now) for seen in view.nodes]
        nodes: dict[str, Node] = {
            CLIENTS: Clients(CLIENTS, "client", "clients", view.clients),
            GATEWAY: Hub(GATEWAY, "gateway", "gateway", view.in_flight, view.waiting),
        }
        rates, under_way = view.rates, view.in_flight + view.waiting
        entrance = _link(CLIENTS, GATEWAY, under_way, rates)
        links: dict[str, Edge] = {entrance.id: entrance}
        copies: Counter[str] = Counter()
        for each in drawn:
            nodes[each.server.id] = each.server
            links.update((link.id, link) for link in each.links)
            copies.update(loaded.name for loaded in each.server.loaded)
        for name, count in sorted(copies.items()):
            nodes[_model(name)] = _used(name, count, view.models.get(name, Use()))
        self._forget({each.server.id for each in drawn})
        return nodes, links

    def _draw(self, seen: Seen, now: float) -> _Drawn:
        node = seen.node
        marks = (
            *seen,
            node.config,
            state_of(node, now),
            node.last_check_error,
            node.version,
            node.models,
            node.in_flight,
            node.visits,
            node.total_requests,
            node.failed_requests,
        )
        known = self._drawn.get(node.name)
        if known is not None and known.marks == marks:
            return known
        server = self._server(seen, now)
        links: list[Edge] = [_link(GATEWAY, node.name, node.in_flight, seen.rates)]
        for each in server.loaded:
            target = _model(each.name)
            links.append(Copy(f"{node.name}->{target}", node.name, target, each.vram_bytes))
        self._drawn[node.name] = drawn = _Drawn(marks, server, tuple(links))
        return drawn

    def _forget(self, left: set[str]) -> None:
        for cache in (self._drawn, self._names, self._loaded):
            for gone in cache.keys() - left:
                del cache[gone]

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
            node.visits,
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


def _link(source: str, target: str, in_flight: int, rates: Rates) -> Link:
    return Link(
        f"{source}->{target}",
        source,
        target,
        in_flight,
        rates.requests,
        rates.tokens,
        rates.bytes,
    )


def _model(name: str) -> str:
    return f"model:{name}"
