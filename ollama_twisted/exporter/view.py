"""What an exporter knows at one moment: of each Ollama, of its clients, of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ollama_twisted.probe.connection import Connections
from ollama_twisted.probe.snapshot import ProbeReport, Traffic
from ollama_twisted.web.loaded import Model

#: What clients are called that no configuration names: of this machine, and of all others.
LOCAL, OTHER = "local", "other"

#: Who a connection is taken to come from as long as no router is named.
ROUTER = "router"


@dataclass(frozen=True, slots=True)
class ApiView:
    """What an Ollama said of itself when it was last asked; ``error`` says why it did not."""

    up: bool
    version: str | None = None
    models: tuple[Model, ...] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class NodeView:
    """
    One Ollama.  Whatever is not known is ``None``.

    ``peers`` counts its established connections by who is connected: the names of
    the configuration, each with 0 at least, and `LOCAL` and `OTHER`; ``peer_bytes``
    has what was sent to and received from each of these, where it is measured.
    """

    name: str
    port: int
    connections: Connections | None = None
    peers: Mapping[str, int] | None = None
    traffic: Traffic | None = None
    peer_bytes: Mapping[str, tuple[int, int]] | None = None
    api: ApiView | None = None


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What Ollama's processes of one kind use; ``None`` where it may not be seen."""

    count: int
    resident: int | None
    cpu: float | None
    open_files: int | None


@dataclass(frozen=True, slots=True)
class View:
    """
    All that an exporter has to tell.

    ``routers`` are the names of the peers that are routers; ``time`` is Unix time of the
    last look at the sockets, 0 if there was none yet.
    """

    nodes: tuple[NodeView, ...]
    routers: tuple[str, ...] = ()
    hostname: str = ""
    time: float = 0.0
    probes: Mapping[str, ProbeReport] = field(default_factory=dict)
    source: str | None = None
    sees_others: bool | None = None
    hint: str = ""
    processes: Mapping[str, ProcessFacts] = field(default_factory=dict)


def edges(view: View, node: NodeView) -> Mapping[str, int] | None:
    """
    The node's established connections by router; ``None`` if they are not known.

    Without a configured router whoever is connected stands for one, so that a plain
    installation has an edge to draw.
    """
    if node.connections is None or node.peers is None:
        return None
    if not view.routers:
        return {ROUTER: node.connections.established}
    return {each: node.peers.get(each, 0) for each in view.routers}
