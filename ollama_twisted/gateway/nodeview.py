"""A node as configured, in the words that the original used for it; none of its secrets."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec

from ollama_twisted.config.resolved import Address, Config, NodeConfig
from ollama_twisted.services import Kind

#: What stands where a secret was.
HIDDEN = "(hidden)"

_SECRET = re.compile(r"key|secret|password|token", re.IGNORECASE)


def url_of(address: Address) -> str:
    """Where a node is reached."""
    return f"{address.scheme}://{address.authority}{address.path}"


def kind_of(node: NodeConfig) -> dict[str, Any]:
    """Which kind of node it is; ``type`` is what the original calls an Ollama."""
    kind = node.kind.value
    return {"type": "local" if node.kind is Kind.OLLAMA else kind, "kind": kind}


def place_of(node: NodeConfig) -> dict[str, Any]:
    """Where a node is, in the fields of its kind."""
    if node.kind is Kind.EXTERNAL:
        return {"api_url": url_of(node.addresses[0])}
    return {
        "hosts": [address.host for address in node.addresses],
        "port": node.addresses[0].port,
        "url": url_of(node.addresses[0]),
    }


def settings_of(node: NodeConfig) -> dict[str, Any]:
    """What the operator has said of a node."""
    return {
        "memory_gb": node.memory_gb,
        "description": node.description,
        "max_in_flight": node.max_in_flight,
        "models": list(node.models),
        "lacks": sorted(each.value for each in node.lacks),
        "labels": dict(node.labels),
        "supported_model_ranges": [
            {
                "min_params_b": each.min_b,
                "max_params_b": each.max_b,
                "description": each.description,
            }
            for each in node.ranges
        ],
    }


def configuration(config: Config) -> dict[str, Any]:
    """Everything that is configured, with what was left to defaults; secrets are hidden."""
    nodes = tuple(
        replace(node, headers=tuple((name, HIDDEN) for name, _ in node.headers))
        for node in config.nodes
    )
    shown: dict[str, Any] = _without_secrets(msgspec.to_builtins(replace(config, nodes=nodes)))
    return shown


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: HIDDEN if each and _SECRET.search(name) else _without_secrets(each)
            for name, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_secrets(each) for each in value]
    return value
