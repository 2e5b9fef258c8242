"""Nodes and pools for tests, with only what matters said."""

from __future__ import annotations

from random import Random
from typing import Any

from ollama_twisted.config.resolved import Address, Config, LineConfig, ModelSizes, NodeConfig
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.pool import NodePool


def node_config(name: str = "a", host: str = "", **said: Any) -> NodeConfig:
    """One node as configured; without a host, it lives at its own name."""
    return NodeConfig(name, (Address("http", host or f"{name}.test", 11434),), **said)


def node(name: str = "a", **said: Any) -> Node:
    """One node that has passed a check, and nothing else is known of."""
    return checked(Node(node_config(name, **said)))


def checked(node: Node) -> Node:
    """It has passed its first check."""
    node.health.passed()
    node.last_check_error = ""
    return node


def config(
    *nodes: NodeConfig, strategy: str = "round_robin", max_waiting: int = 100, **sizes: Any
) -> Config:
    """A configuration of these nodes; further words are how sizes are found."""
    return Config(
        nodes, strategy, sizes=ModelSizes(**sizes), line=LineConfig(max_waiting=max_waiting)
    )


def pool_of(*nodes: NodeConfig, **said: Any) -> NodePool:
    """A pool of nodes that have passed a check; its chance is the same every time."""
    pool = NodePool(config(*nodes, **said), Random(1))
    for each in pool.nodes.values():
        checked(each)
    return pool


def failed(node: Node) -> Node:
    """It has failed as many checks as it takes to be down."""
    for _ in range(node.health.fall):
        node.health.failed(0.0)
    return node


def models(*names: str, loaded: tuple[str, ...] = ()) -> NodeModels:
    """What a node has that lists these names."""
    return NodeModels.from_lists(
        [{"name": each} for each in names], [{"name": each} for each in loaded]
    )


def openai_models(*names: str) -> NodeModels:
    """What a server has that lists these ids."""
    return NodeModels.from_openai([{"id": each} for each in names])


def end(lease: Lease | None, outcome: Outcome = Outcome.ANSWERED, now: float = 0.0) -> str:
    """End a lease that must be there; the name of its node."""
    assert lease is not None
    with lease:
        lease.outcome(outcome, now)
    return lease.node.name
