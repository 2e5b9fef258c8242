"""Which nodes there are after a new configuration: those that stay, come and go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ollama_twisted.config.resolved import NodeConfig
from ollama_twisted.pool.node import Node


def renewed(
    configs: Iterable[NodeConfig], present: Mapping[str, Node], leaving: Mapping[str, Node]
) -> tuple[dict[str, Node], dict[str, Node]]:
    """
    The nodes that there are from now on, and those that leave when their work is done.

    One that stays keeps what was seen of it, and goes on draining if it did; one that
    comes back while it still works is as busy as it was.
    """
    known = {**leaving, **present}
    nodes: dict[str, Node] = {}
    for config in configs:
        node = known.pop(config.name, None)
        if node is None:
            node = Node(config)
        else:
            node.configure(config)
            node.draining = node.draining and config.name in present
        nodes[config.name] = node
    for gone in known.values():
        gone.draining = True
    return nodes, {name: node for name, node in known.items() if node.busy}
