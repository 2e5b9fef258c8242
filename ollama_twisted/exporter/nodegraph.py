"""The topology in the words of Grafana's node graph panel."""

from __future__ import annotations

from math import log2
from typing import Any

_NODE_FIELDS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("id", "string", {}),
    ("title", "string", {}),
    ("subtitle", "string", {}),
    ("mainstat", "number", {"displayName": "connections"}),
    ("secondarystat", "string", {}),
    ("arc__up", "number", {"color": "green"}),
    ("arc__down", "number", {"color": "red"}),
    ("detail__role", "string", {"displayName": "Role"}),
)
_EDGE_FIELDS = (
    ("id", "string"),
    ("source", "string"),
    ("target", "string"),
    ("mainstat", "number"),
    ("secondarystat", "string"),
    ("thickness", "number"),
    ("color", "string"),
)


def fields() -> dict[str, Any]:
    """Which fields there are, and of which type."""
    return {
        "nodes_fields": [
            {"field_name": name, "type": kind, **more} for name, kind, more in _NODE_FIELDS
        ],
        "edges_fields": [{"field_name": name, "type": kind} for name, kind in _EDGE_FIELDS],
    }


def data(topology: dict[str, Any]) -> dict[str, Any]:
    """The nodes and edges of a topology's document."""
    return {
        "nodes": [_node(each) for each in topology["nodes"]],
        "edges": [_edge(each) for each in topology["links"]],
    }


def _node(node: dict[str, Any]) -> dict[str, Any]:
    up = bool(node["up"])
    return {
        "id": node["id"],
        "title": node["title"],
        "subtitle": node.get("version") or node["kind"],
        "mainstat": node["connections"] or 0,
        "secondarystat": _pace(node.get("sent_bytes_per_second")),
        "arc__up": int(up),
        "arc__down": int(not up),
        "detail__role": node["kind"],
    }


def _edge(link: dict[str, Any]) -> dict[str, Any]:
    number, rtt = link["connections"], link["rtt_seconds"]
    return {
        "id": link["id"],
        "source": link["source"],
        "target": link["target"],
        "mainstat": number,
        "secondarystat": f"{rtt * 1000:.3g} ms" if number and rtt is not None else "",
        "thickness": round(1 + log2(1 + number), 1),
        "color": "green" if number else "gray",
    }


def _pace(rate: float | None) -> str:
    if rate is None:
        return ""
    for unit in ("B/s", "kB/s", "MB/s"):
        if rate < 1000:
            return f"{rate:.3g} {unit}"
        rate /= 1000
    return f"{rate:.3g} GB/s"
