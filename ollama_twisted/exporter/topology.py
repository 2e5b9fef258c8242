"""
Who is connected to whom, as a document; and what has changed in it since the last one.

Every end of every link is among the nodes.  Clients are shown by the names of the
configuration alone: no address of anybody is in here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ollama_twisted.exporter.pace import UNKNOWN, Bytes, Pace, Rates
from ollama_twisted.exporter.view import LOCAL, OTHER, ROUTER, NodeView, View
from ollama_twisted.probe.snapshot import Traffic
from ollama_twisted.web.changes import SCHEMA, changes, iso

Document = dict[str, Any]

_TITLES = {LOCAL: "this machine", OTHER: "others"}


class Topology:
    """The newest document, and its number, which grows with every change."""

    def __init__(self) -> None:
        self._number = 0
        self._pace = Pace()
        self.document: Document = {
            "schema": SCHEMA, "seq": 0, "time": None, "node": None,
            "bytes": None, "nodes": [], "links": [],
        }  # fmt: skip

    @property
    def number(self) -> int:
        return self._number

    def update(self, view: View) -> Document | None:
        """Take in what is known now; what has changed, or ``None`` if nothing has."""
        before = self.document
        paces = self._pace.look(view.time, _sums(view))
        nodes, links = _nodes(view, paces), list(_links(view, paces))
        changed_nodes, removed_nodes = changes(_by_id(before["nodes"]), _by_id(nodes))
        changed_links, removed_links = changes(_by_id(before["links"]), _by_id(links))
        if not (changed_nodes or changed_links or removed_nodes or removed_links):
            return None
        self._number += 1
        told = {"schema": SCHEMA, "seq": self._number, "time": iso(view.time)}
        first = view.nodes[0] if view.nodes else None
        self.document = {
            **told,
            "node": first.name if first is not None else None,
            "bytes": _source(first.traffic) if first is not None else None,
            "nodes": nodes,
            "links": links,
        }
        return {
            **told,
            "nodes": changed_nodes,
            "links": changed_links,
            "removed": {"nodes": removed_nodes, "links": removed_links},
        }


def _sums(view: View) -> dict[str, Bytes]:
    """Bytes by node, and by link."""
    sums: dict[str, Bytes] = {}
    for node in view.nodes:
        if node.traffic is not None:
            sums[node.name] = (node.traffic.sent, node.traffic.received)
        for peer, both in (node.peer_bytes or {}).items():
            name = _link(node, _end(view, peer))
            before = sums.get(name, (0, 0))
            sums[name] = ((before[0] or 0) + both[0], (before[1] or 0) + both[1])
    return sums


def _end(view: View, peer: str) -> str:
    """Which end a peer is drawn as: if nobody was named, whoever is connected is the router."""
    return ROUTER if not view.routers and peer in (LOCAL, OTHER) else peer


def _link(node: NodeView, end: str) -> str:
    return f"{node.name}->{end}"


def _nodes(view: View, paces: dict[str, Rates]) -> list[dict[str, Any]]:
    nodes = [_node(node, *paces.get(node.name, UNKNOWN)) for node in view.nodes]
    known = {each["id"] for each in nodes}
    totals: dict[str, int] = {}
    for link in _links(view, paces):
        totals[link["target"]] = totals.get(link["target"], 0) + link["connections"]
    for name, connections in totals.items():
        if name in known:
            continue
        kind = "router" if name in (view.routers or (ROUTER,)) else "client"
        nodes.append(
            {
                "id": name,
                "title": _TITLES.get(name, name),
                "kind": "other" if name == OTHER else kind,
                "up": connections > 0,
                "connections": connections,
            }
        )
    return nodes


def _node(node: NodeView, sent: float | None, received: float | None) -> dict[str, Any]:
    api, connections = node.api, node.connections
    states = connections.states.items() if connections is not None else ()
    return {
        "id": node.name,
        "title": node.name,
        "kind": "node",
        "port": node.port,
        "up": api.up if api is not None else None,
        "error": api.error if api is not None else "",
        "version": api.version if api is not None else None,
        "connections": connections.established if connections is not None else None,
        "states": {state.value: number for state, number in states if number},
        "models": [each.name for each in (api.models or ())] if api is not None else [],
        "bytes": _source(node.traffic),
        "sent_bytes_per_second": sent,
        "recv_bytes_per_second": received,
    }


def _links(view: View, paces: dict[str, Rates]) -> Iterable[dict[str, Any]]:
    routers = view.routers or (ROUTER,)
    for node in view.nodes:
        if node.connections is None or node.peers is None:
            continue
        numbers = dict.fromkeys(routers, 0)
        for peer, number in node.peers.items():
            end = _end(view, peer)
            numbers[end] = numbers.get(end, 0) + number
        for end, number in numbers.items():
            if not number and end not in routers:
                continue
            sent, received = paces.get(_link(node, end), UNKNOWN)
            yield {
                "id": _link(node, end),
                "source": node.name,
                "target": end,
                "connections": number,
                "sent_bytes_per_second": sent,
                "recv_bytes_per_second": received,
                "rtt_seconds": node.connections.rtt,
            }


def _source(traffic: Traffic | None) -> dict[str, str] | None:
    if traffic is None or traffic.method is None or traffic.quality is None:
        return None
    return {"method": traffic.method.value, "quality": traffic.quality.value}


def _by_id(items: Iterable[Document]) -> dict[str, Document]:
    return {each["id"]: each for each in items}
