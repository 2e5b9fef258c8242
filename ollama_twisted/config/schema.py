"""
What an operator may write into the configuration file.

The structs of this module and of ``node`` are its only definition: a file is read
into them, and the JSON Schema that editors complete from is made of them::

    python -m ollama_twisted.config.schema > config/node_config.schema.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, field

from ollama_twisted.config import kinds, resolved
from ollama_twisted.config.entry import FAULTY, Entry, Maybe, says
from ollama_twisted.config.node import Breaker, Connections, Health, Node, Timeouts

Strategy = Literal[
    "round_robin",
    "least_connections",
    "weighted_round_robin",
    "warm_first",
    "prefix_affinity",
    "adaptive",
]
LogFormat = Literal["json", "text"]


class Line(Entry, frozen=True):
    """Requests that wait because every node that could serve them is full."""

    max_waiting: Annotated[
        Maybe[kinds.NoneOrCount], says("How many may wait; the next is answered 503.")
    ] = UNSET
    wait_timeout: Annotated[Maybe[kinds.Seconds], says("How long one waits, in seconds.")] = UNSET


class Gateway(Entry, frozen=True):
    """Where the gateway listens and logs, and what it allows its clients.  Times in seconds."""

    listen: Annotated[
        Maybe[Annotated[tuple[kinds.Endpoint, ...], Meta(min_length=1)]],
        says("Twisted endpoints.  --listen, GATEWAY_HOST and GATEWAY_PORT win over them."),
    ] = UNSET
    max_connections: Annotated[Maybe[kinds.Count], says("Clients' connections at once.")] = UNSET
    max_body: Annotated[
        Maybe[kinds.Bytes], says("The largest request body in bytes; beyond it: 413.")
    ] = UNSET
    max_upload: Annotated[
        Maybe[kinds.Bytes | None],
        says("The largest blob that may be uploaded, in bytes; null: of any size."),
    ] = UNSET
    max_audio: Annotated[
        Maybe[kinds.Bytes], says("The same of a form that carries audio to be transcribed.")
    ] = UNSET
    memory_body: Annotated[
        Maybe[kinds.Bytes], says("Larger request bodies wait in a file, not in memory.")
    ] = UNSET
    head_timeout: Annotated[Maybe[kinds.Seconds], says("For a whole request head.")] = UNSET
    body_timeout: Annotated[
        Maybe[kinds.Seconds], says("From one part of a request body to the next.")
    ] = UNSET
    keep_alive: Annotated[
        Maybe[kinds.Seconds], says("How long a connection may wait for its next request.")
    ] = UNSET
    send_timeout: Annotated[
        Maybe[kinds.Seconds], says("A client that reads nothing for so long is cut off.")
    ] = UNSET
    attempts: Annotated[Maybe[kinds.Count], says("Nodes that one request may try.")] = UNSET
    retry_percent: Annotated[
        Maybe[kinds.Percent],
        says(
            "How many of the requests in flight may be asked again at a time while several "
            "nodes fail, in percent; 100: all."
        ),
    ] = UNSET
    min_retries: Annotated[
        Maybe[kinds.NoneOrCount], says("So many may be, however few are in flight.")
    ] = UNSET
    allowed_hosts: Annotated[
        Maybe[tuple[kinds.Name, ...]],
        says("Names under which browsers may reach the gateway, besides local ones; * for any."),
    ] = UNSET
    framed_by: Annotated[
        Maybe[tuple[kinds.Origin, ...]],
        says("Origins whose pages may show the topology in a frame: https://grafana.example.com."),
    ] = UNSET
    manage_models: Annotated[
        Maybe[Literal["loopback", "keys", "open", "off"]],
        says("Who may change models: this machine, who has one of manage_keys, all, nobody."),
    ] = UNSET
    manage_keys: Annotated[
        Maybe[tuple[kinds.ApiKey, ...]],
        says("Secrets, sent as 'Authorization: Bearer ...'.  Best written as ${VARIABLE}."),
    ] = UNSET
    pull: Annotated[
        Maybe[kinds.Nodes],
        says("Nodes that pull a model unless a request names others: all, a number, or names."),
    ] = UNSET
    access_log: Annotated[Maybe[kinds.PathText], says("A file, - for standard output, or off.")] = (
        UNSET
    )
    log_format: Annotated[Maybe[LogFormat], says("The form of its lines.")] = UNSET
    drain: Annotated[
        Maybe[kinds.Patience], says("How long answers under way may go on after a stop.")
    ] = UNSET


class File(Entry, frozen=True):
    """The nodes behind a gateway, and how it uses them."""

    schema: Annotated[Maybe[str], says("Where editors find this schema.")] = field(
        default=UNSET, name="$schema"
    )
    nodes: Annotated[
        Maybe[Annotated[tuple[Node, ...], Meta(min_length=1)]],
        says("The nodes.  Without any, the Ollama on this machine is the only one."),
    ] = UNSET
    strategy: Annotated[Maybe[Strategy], says("How one of the able nodes is chosen.")] = UNSET
    health: Annotated[Health, says("For every node.")] = Health()
    breaker: Annotated[Breaker, says("For every node.")] = Breaker()
    timeouts: Annotated[Timeouts, says("For every node.")] = Timeouts()
    connections: Annotated[Connections, says("For every node.")] = Connections()
    line: Annotated[Line, says("Waiting for a node.")] = Line()
    gateway: Annotated[Gateway, says("The gateway itself.")] = Gateway()
    model_name_patterns: Annotated[
        Maybe[dict[kinds.Name, kinds.Size]],
        says("Size in billions of a model whose name contains this; the largest first."),
    ] = UNSET
    model_name_mapping: Annotated[
        Maybe[dict[kinds.Name, kinds.Size]],
        says("Size in billions of the model of exactly this name, with or without its tag."),
    ] = UNSET
    default_model_size_b: Annotated[
        Maybe[kinds.Size], says("Size in billions of a model whose name does not tell.")
    ] = UNSET

    def faults(self) -> Iterator[tuple[str, str]]:
        first: dict[str, int] = {}
        for index, node in enumerate(self.nodes if isinstance(self.nodes, tuple) else ()):
            if not isinstance(node, Node) or node.name is FAULTY:
                continue
            if first.setdefault(node.name, index) != index:
                yield f"nodes[{index}].name", f"is the name of nodes[{first[node.name]}] already"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file, with the defaults of what may be left out."""
    schema = msgspec.json.schema(File)
    definitions = schema["$defs"]
    for of, entry in _DEFAULTS.items():
        properties = definitions[of]["properties"]
        for name, default in msgspec.to_builtins(entry).items():
            if name in properties:
                properties[name]["default"] = default
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of ollama-gateway",
        **schema,
    }


_DEFAULTS = {
    "Health": resolved.HealthConfig(),
    "Breaker": resolved.BreakerConfig(),
    "Timeouts": resolved.Timeouts(),
    "Connections": resolved.ConnectionsConfig(),
    "Line": resolved.LineConfig(),
    "Gateway": resolved.GatewayLimits(),
    "Node": {"type": "ollama", "port": resolved.OLLAMA_PORT, "weight": 1.0, "enabled": True},
    "File": {"strategy": resolved.STRATEGY, "default_model_size_b": resolved.ModelSizes().default},
}


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
