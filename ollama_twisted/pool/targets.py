"""The nodes that a change of models is for: those that were named, or those that suit best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ollama_twisted.config.resolved import ModelSizes
from ollama_twisted.config.targets import Targets
from ollama_twisted.pool.eligibility import fits
from ollama_twisted.pool.models import ModelName, size_of
from ollama_twisted.pool.node import Node
from ollama_twisted.services import Kind, Service

#: Of the names of nodes or labels, more are not listed in a message.
LISTED = 50


class NoTarget(Exception):
    """What was named is not there, or cannot be meant.  ``str()`` names what is known."""


def managed(nodes: Iterable[Node]) -> list[Node]:
    """The nodes whose models may be changed without naming them; never another's."""
    return [
        node
        for node in nodes
        if node.config.enabled
        and Service.MANAGE in node.offers
        and node.config.kind is not Kind.EXTERNAL
    ]


def named(targets: Targets, nodes: Mapping[str, Node]) -> list[Node]:
    """
    The nodes that are named, or have one of the labels, or all, in the pool's order.

    @raise NoTarget: there is no such node, or it has no models to change.
    """
    if targets.every:
        found = {node.name for node in managed(nodes.values())}
        if not found:
            raise NoTarget(f"no node's models can be changed; {_known(nodes)}")
    else:
        found = {_named(name, nodes).name for name in targets.names}
        for label in targets.labels:
            found |= _labelled(label, nodes)
    return [node for node in nodes.values() if node.name in found]


def _named(name: str, nodes: Mapping[str, Node]) -> Node:
    node = nodes.get(name)
    if node is None:
        raise NoTarget(f"no node is called {name}; {_known(nodes)}")
    if not node.config.enabled:
        raise NoTarget(f"{name} is disabled in the configuration")
    if Service.MANAGE not in node.offers:
        raise NoTarget(f"{name} is {node.config.kind.one}, whose models cannot be changed")
    return node


def _labelled(label: tuple[str, str], nodes: Mapping[str, Node]) -> set[str]:
    key, value = label
    candidates = managed(nodes.values())
    found = {node.name for node in candidates if node.config.labels.get(key) == value}
    if not found:
        labels = {item: None for node in candidates for item in node.config.labels.items()}
        told = _listed([f"{key}={value}" for key, value in labels]) or "none"
        raise NoTarget(f"no node has the label {key}={value}; known labels are {told}")
    return found


def chosen(
    count: int, nodes: Iterable[Node], model: str | None, sizes: ModelSizes
) -> tuple[list[Node], list[Node]]:
    """
    The ``count`` nodes that had best have the model, and those that could stand in for them.

    Who has it already comes first: it is brought up to date there.  Of the others,
    those whose sizes it fits and that have the fewest models.

    @raise NoTarget: so many are not there.
    """
    candidates = [node for node in managed(nodes) if not (node.health.down or node.draining)]
    if model is not None:
        size = size_of(model, sizes).size_b
        candidates = [
            node
            for node in candidates
            if has(node, model)
            or not node.config.ranges
            or any(fits(each, size) for each in node.config.ranges)
        ]
    if len(candidates) < count:
        names = f" ({_listed([node.name for node in candidates])})" if candidates else ""
        raise NoTarget(f"{count} nodes are wanted, and {len(candidates)} could do it{names}")

    def burden(node: Node) -> tuple[bool, bool, int, int]:
        holds = len(node.models.names) if node.models is not None else 0
        without = model is None or not has(node, model)
        return without, node.health.starting, holds, node.in_flight

    ordered = sorted(candidates, key=burden)
    return ordered[:count], ordered[count:]


def has(node: Node, model: str) -> bool:
    """Has the node said that it has the model?"""
    return node.models is not None and node.models.has(ModelName.parse(model))


def holds(node: Node, model: str) -> bool:
    """Has the node said that it has the model in memory?"""
    return node.models is not None and node.models.is_loaded(model)


def down(node: Node) -> str:
    """Why the node need not be asked; empty if it is well."""
    if not node.health.down:
        return ""
    return f"down ({node.last_check_error})" if node.last_check_error else "down"


def _known(nodes: Mapping[str, Node]) -> str:
    return f"known are {_listed(list(nodes))}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    shown = ", ".join(names[:LISTED])
    return f"{shown} and {more} more" if more > 0 else shown
