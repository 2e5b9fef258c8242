"""The gateway's own pages: is it well, which nodes has it, what does it measure."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry
from twisted.web.resource import Resource
from twisted.web.server import Request

from ollama_twisted.gateway.admin import check_action, reload_action
from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.livepages import add_live_pages
from ollama_twisted.gateway.nodepages import NodesFolder
from ollama_twisted.gateway.nodeview import configuration, kind_of, place_of, settings_of
from ollama_twisted.gateway.people import FRAME, Configuration, Content, Dashboard, Nodes, Routing
from ollama_twisted.gateway.reload import Reloader
from ollama_twisted.gateway.routing import routing_pages
from ollama_twisted.pool.node import Node
from ollama_twisted.web.pages import Folder, MetricsResource, StaticResource, as_json
from ollama_twisted.web.shell import Page, PageResource
from ollama_twisted.web.topology import topology_page


class JsonResource(Resource):
    """A page that is one JSON document, made anew for each request."""

    isLeaf = True

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        return as_json(self.document(request))

    def document(self, request: Request) -> dict[str, Any]:
        raise NotImplementedError


class HealthResource(JsonResource):
    """``GET /health``: is there a node that can answer?  503 if there is none."""

    def document(self, request: Request) -> dict[str, Any]:
        nodes = [each for each in self._gateway.pool.nodes.values() if each.config.enabled]
        healthy = sum(node.health.healthy and not node.draining for node in nodes)
        if not healthy:
            request.setResponseCode(503)
        return {
            "status": "healthy" if healthy else "degraded",
            "healthy_nodes": healthy,
            "total_nodes": len(nodes),
            "nodes": {
                node.config.name: {
                    "healthy": node.health.healthy,
                    "active_connections": node.busy,
                    "total_requests": node.total_requests,
                    "failed_requests": node.failed_requests,
                }
                for node in nodes
            },
        }


class NodesResource(JsonResource):
    """``GET /api/nodes``: every node as configured and as seen, without its secrets."""

    def document(self, request: Request) -> dict[str, Any]:
        gateway = self._gateway
        gateway.pool.slow_start.grow(gateway.seconds())
        return {
            "scheduling_strategy": gateway.config.strategy,
            "nodes": [self._node(node) for node in gateway.pool.nodes.values()],
        }

    def _node(self, node: Node) -> dict[str, Any]:
        config, gateway = node.config, self._gateway
        now = gateway.seconds()
        return {
            "name": config.name,
            **kind_of(config),
            "weight": config.weight,
            "enabled": config.enabled,
            "stats": {
                "active_connections": node.busy,
                "transfers": node.visits,
                "total_requests": node.total_requests,
                "failed_requests": node.failed_requests,
                "last_health_check": gateway.wall_time(node.last_check),
                "last_health_error": node.last_check_error,
                "is_healthy": config.enabled and node.health.healthy,
                "is_ejected": node.breaker.ejected(now),
                "is_draining": node.draining,
                "is_drained": node.drained,
                "current_weight": config.weight,
                "effective_weight": round(node.weight, 6),
                "last_model_sync": gateway.wall_time(gateway.listed_at.get(config.name)),
            },
            "version": node.version,
            "models": sorted(node.models.names) if node.models is not None else [],
            "loaded_models": sorted(node.models.loaded_names) if node.models is not None else [],
            "config": settings_of(config),
            **place_of(config),
        }


class ConfigResource(JsonResource):
    """``GET /debug/config``: what came of the configuration, and where it was read."""

    def document(self, request: Request) -> dict[str, Any]:
        config = self._gateway.config
        return {
            "config_file": config.source,
            "config_file_exists": not config.is_default,
            "nodes_count": len(config.nodes),
            "warnings": list(config.warnings),
            "config": configuration(config),
        }


class ConfigFolder(ConfigResource):
    """``/api/config``: the same, and below it what an operator may do with it."""

    isLeaf = False

    def __init__(self, gateway: Gateway, reloader: Reloader) -> None:
        super().__init__(gateway)
        self.putChild(b"check", check_action(gateway, reloader))
        self.putChild(b"reload", reload_action(gateway, reloader))


def _page(gateway: Gateway, page: Page, content: type[Content]) -> Resource:
    """A page for people."""
    return PageResource(FRAME, page, lambda request: content(gateway, request))


def pages(gateway: Gateway, registry: CollectorRegistry, reloader: Reloader) -> Resource:
    """The tree of the gateway's pages."""
    root = Resource()
    api = Resource()
    api.putChild(b"nodes", NodesResource(gateway))
    api.putChild(b"routing", routing_pages(gateway))
    api.putChild(b"config", ConfigFolder(gateway, reloader))
    add_live_pages(api, gateway)
    debug = Folder()
    debug.putChild(b"config", ConfigResource(gateway))
    root.putChild(b"", _page(gateway, Page("/", "Dashboard", "dashboard.js"), Dashboard))
    for page, content in (
        (Page("/routing", "Routing", "routing.js", refreshes=False), Routing),
        (Page("/config", "Configuration", "config.js", refreshes=False), Configuration),
    ):
        root.putChild(page.path[1:].encode(), _page(gateway, page, content))
    nodes = _page(gateway, Page("/nodes", "Nodes", "nodes.js"), Nodes)
    root.putChild(b"health", HealthResource(gateway))
    root.putChild(b"api", api)
    root.putChild(b"nodes", NodesFolder(gateway, nodes))
    root.putChild(b"topology", topology_page(FRAME, lambda: gateway.limits.framed_by))
    root.putChild(b"debug", debug)
    root.putChild(b"metrics", MetricsResource(registry))
    root.putChild(b"static", StaticResource())
    return root
