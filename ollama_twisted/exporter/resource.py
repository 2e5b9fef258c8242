"""The exporter's pages: metrics, how it is, who is connected, and the landing page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.web.resource import Resource
from twisted.web.server import Request
from twisted.web.template import Element, renderer

from ollama_twisted.exporter import nodegraph
from ollama_twisted.exporter.core import Exporter
from ollama_twisted.exporter.view import NodeView
from ollama_twisted.probe.snapshot import ProbeReport
from ollama_twisted.web.cors import Cors
from ollama_twisted.web.events import EventsResource
from ollama_twisted.web.hosts import AllowedHosts
from ollama_twisted.web.pages import Folder, JsonResource, MetricsResource, StaticResource
from ollama_twisted.web.shell import Frame, Link, Page, PageResource, template
from ollama_twisted.web.site import PageSite
from ollama_twisted.web.topology import topology_page

#: What Prometheus and its like read, whatever name they know this machine by.
_SCRAPED = frozenset({b"/metrics", b"/health"})

_LANDING = Page("/", "Connections", "exporter.js")
_FRAME = Frame(
    "ollama-exporter",
    (Link("/", "Connections"), Link("/topology", "Topology")),
    (
        Link("/metrics", "metrics"),
        Link("/health", "health"),
        Link("/api/topology", "topology"),
        Link("/api/events", "events"),
        Link("/api/graph/data", "node graph"),
    ),
)


def _shared(path: bytes) -> bool:
    """May other origins that are listed read this?"""
    return path == b"/metrics" or path.startswith(b"/api/")


def site(exporter: Exporter, registry: CollectorRegistry, seconds: Callable[[], float]) -> PageSite:
    """All pages of one exporter."""
    settings = exporter.settings
    return PageSite(
        _pages(exporter, registry, seconds),
        AllowedHosts(settings.allowed_hosts),
        Cors(settings.origins),
        _shared,
        _SCRAPED,
    )


def _pages(
    exporter: Exporter, registry: CollectorRegistry, seconds: Callable[[], float]
) -> Resource:
    def topology(request: Request) -> Any:
        # Numbers begin anew when the exporter does; the tag must not.
        request.setETag(b'"%d-%d"' % (exporter.started, exporter.topology.number))
        return exporter.topology.document

    def health(request: Request) -> Any:
        return _health(exporter, request, seconds())

    root, api, graph = Folder(), Folder(), Folder()
    graph.putChild(b"fields", JsonResource(lambda request: nodegraph.fields()))
    graph.putChild(
        b"data", JsonResource(lambda request: nodegraph.data(exporter.topology.document))
    )
    api.putChild(b"health", JsonResource(lambda request: {"status": "ok"}))
    api.putChild(b"topology", JsonResource(topology))
    api.putChild(b"events", EventsResource(exporter.feed))
    api.putChild(b"graph", graph)
    root.putChild(b"", PageResource(_FRAME, _LANDING, lambda request: Landing(exporter)))
    root.putChild(b"metrics", MetricsResource(registry))
    root.putChild(b"health", JsonResource(health))
    root.putChild(b"topology", topology_page(_FRAME, lambda: exporter.settings.origins))
    root.putChild(b"static", StaticResource())
    root.putChild(b"api", api)
    return root


def _health(exporter: Exporter, request: Request, now: float) -> dict[str, Any]:
    """Does the exporter measure?  503 if not; that an Ollama is down is not its illness."""
    view = exporter.view()
    stale = exporter.stale(now)
    well = view.source is not None and not stale
    if not well:
        request.setResponseCode(503)
    return {
        "status": "healthy" if well else "degraded",
        "probe": view.source,
        "stale": stale,
        "sees_other_users": view.sees_others,
        "hint": view.hint,
        "nodes": {
            each.name: {
                "up": each.api.up if each.api is not None else None,
                "error": each.api.error if each.api is not None else "",
                "listening": each.connections.listening if each.connections else None,
                "connections": each.connections.established if each.connections else None,
            }
            for each in view.nodes
        },
    }


class Landing(Element):
    """What is watched, how it is known, where the rest is."""

    def __init__(self, exporter: Exporter) -> None:
        super().__init__(loader=template("exporter.html"))
        self._view = exporter.view()

    @renderer
    def hint(self, request: Any, tag: Any) -> Any:
        return tag(self._view.hint) if self._view.hint else ""

    @renderer
    def nodes(self, request: Any, tag: Any) -> Any:
        return [_row(tag.clone(), each) for each in self._view.nodes]

    @renderer
    def probes(self, request: Any, tag: Any) -> Any:
        return [_probe(tag.clone(), each) for each in self._view.probes.values()]


def _row(tag: Any, node: NodeView) -> Any:
    traffic, api, connections = node.traffic, node.api, node.connections
    if api is None:
        state, kind, why = "not asked yet", "disabled", ""
    elif api.up:
        state, kind, why = f"up, {api.version}", "healthy", ""
    else:
        state, kind, why = "down", "down", api.error
    quality = traffic.quality.value if traffic is not None and traffic.quality else "not measured"
    return tag.fillSlots(
        name=node.name,
        port=str(node.port),
        state=state,
        kind=kind,
        why=why,
        connections=_shown(connections.established if connections is not None else None),
        sent=_shown(traffic.sent if traffic is not None else None, " B"),
        received=_shown(traffic.received if traffic is not None else None, " B"),
        quality=quality,
        models=", ".join(each.name for each in (api.models or ())) if api is not None else "",
    )


def _probe(tag: Any, report: ProbeReport) -> Any:
    return tag.fillSlots(
        name=report.name,
        kind="healthy" if report.success else "down",
        state="works" if report.success else "failed",
        why="" if report.success else report.detail,
        duration="" if report.duration is None else f"{report.duration * 1000:.1f} ms",
        failures=str(sum(report.failures.values())),
    )


def _shown(number: int | None, unit: str = "") -> str:
    return "?" if number is None else f"{number:,}{unit}"
