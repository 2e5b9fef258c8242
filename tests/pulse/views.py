"""Gateways at some moment, made up."""

from __future__ import annotations

from typing import Any

from ollama_twisted.config.resolved import Address, NodeConfig
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.node import Node
from ollama_twisted.pulse.view import Seen, View
from ollama_twisted.record import Record
from ollama_twisted.web.loaded import Model
from ollama_twisted.wire.stream import Final
from tests.pool.nodes import checked

MODEL = Model("m:1b", 100, 80, 1_800_000_000.0, 4096)


def date(moment: float) -> str:
    """A moment of a made up clock."""
    return f"at {moment:g}"


def node(name: str = "a", **config: Any) -> Node:
    """A node, of which nothing has been seen yet."""
    return checked(Node(NodeConfig(name, (Address("http", f"{name}.test", 11434),), **config)))


def knows(node: Node, *names: str, loaded: tuple[str, ...] = ()) -> Node:
    """The node has told which models it has."""
    listed, in_memory = ([{"name": each} for each in some] for some in (names, loaded))
    node.models = NodeModels.from_lists(listed, in_memory)
    return node


def view(*nodes: Node, now: float = 0.0, **more: Any) -> View:
    """A gateway with these nodes, of which only the names in memory are known."""
    seen = [
        Seen(
            each,
            f"http://{each.name}.test:11434",
            tuple(
                Model(name, 100, 80, None)
                for name in (each.models.loaded_names if each.models else ())
            ),
        )
        for each in nodes
    ]
    return View(now, date(now), tuple(seen), **more)


def record(**more: Any) -> Record:
    """A streamed answer of node ``a`` that has ended: ten tokens in a hundred bytes."""
    known: dict[str, Any] = {
        "operation": "chat",
        "method": b"POST",
        "path": b"/api/chat",
        "client": b"192.0.2.1",
        "started": 0.0,
        "first_at": 0.5,
        "ended": 2.0,
        "node": "a",
        "streamed": True,
        "relayed": 100,
        "final": Final(complete=True, generated_tokens=10),
    }
    return Record(**{**known, **more})
