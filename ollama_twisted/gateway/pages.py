"""The gateway's own pages: is it well, which nodes has it, what does it measure."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.template import Element, XMLString, renderElement, renderer

from ollama_twisted import __version__
from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.nodepages import NodesFolder
from ollama_twisted.gateway.nodeview import configuration, place_of, settings_of, url_of
from ollama_twisted.gateway.routing import routing_pages
from ollama_twisted.pool.node import Node
from ollama_twisted.resources import shipped
from ollama_twisted.web.pages import Folder, MetricsResource, StaticResource, as_json


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
        healthy = sum(node.health.healthy for node in nodes)
        if not healthy:
            request.setResponseCode(503)
        return {
            "status": "healthy" if healthy else "degraded",
            "healthy_nodes": healthy,
            "total_nodes": len(nodes),
            "nodes": {
                node.config.name: {
                    "healthy": node.health.healthy,
                    "active_connections": node.in_flight,
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
        return {
            "scheduling_strategy": gateway.config.strategy,
            "nodes": [self._node(node) for node in gateway.pool.nodes.values()],
        }

    def _node(self, node: Node) -> dict[str, Any]:
        config, gateway = node.config, self._gateway
        now = gateway.seconds()
        return {
            "name": config.name,
            "type": config.type,
            "weight": config.weight,
            "enabled": config.enabled,
            "stats": {
                "active_connections": node.in_flight,
                "total_requests": node.total_requests,
                "failed_requests": node.failed_requests,
                "last_health_check": gateway.wall_time(node.last_check),
                "last_health_error": node.last_check_error,
                "is_healthy": config.enabled and node.health.healthy,
                "is_ejected": node.breaker.ejected(now),
                "current_weight": config.weight,
                "effective_weight": config.weight,
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


class StatusElement(Element):
    """The status page: what is served, by which nodes, since when they are well."""

    def __init__(self, gateway: Gateway) -> None:
        template = shipped("static", "status.html").read_text(encoding="utf-8")
        super().__init__(loader=XMLString(template))
        self._gateway = gateway

    @renderer
    def version(self, request: Any, tag: Any) -> Any:
        return tag(__version__)

    @renderer
    def notice(self, request: Any, tag: Any) -> Any:
        return tag(self._gateway.notice) if self._gateway.notice else ""

    @renderer
    def strategy(self, request: Any, tag: Any) -> Any:
        return tag(self._gateway.config.strategy)

    @renderer
    def source(self, request: Any, tag: Any) -> Any:
        return tag(self._gateway.config.source)

    @renderer
    def waiting(self, request: Any, tag: Any) -> Any:
        return tag(str(len(self._gateway.pool.line)))

    @renderer
    def nodes(self, request: Any, tag: Any) -> Any:
        now = self._gateway.seconds()
        return [self._row(tag.clone(), node, now) for node in self._gateway.pool.nodes.values()]

    def _row(self, tag: Any, node: Node, now: float) -> Any:
        config = node.config
        if not config.enabled:
            state = "disabled"
        elif not node.health.healthy:
            state = f"down: {node.last_check_error}" if node.last_check_error else "down"
        elif node.breaker.ejected(now):
            state = "ejected"
        else:
            state = "healthy"
        models = ", ".join(sorted(node.models.names)) if node.models is not None else "not known"
        return tag.fillSlots(
            name=config.name,
            address=url_of(config.addresses[0]),
            state=state,
            kind=state.partition(":")[0],
            in_flight=str(node.in_flight),
            total=str(node.total_requests),
            failed=str(node.failed_requests),
            models=models,
        )


class StatusResource(Resource):
    """``GET /`` for a browser."""

    isLeaf = True

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    def render_GET(self, request: Request) -> int:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        request.setHeader(b"content-security-policy", b"default-src 'self'")
        request.setHeader(b"refresh", b"5")
        renderElement(request, StatusElement(self._gateway), doctype=b"<!DOCTYPE html>")
        return NOT_DONE_YET


def pages(gateway: Gateway, registry: CollectorRegistry) -> Resource:
    """The tree of the gateway's pages."""
    root = Resource()
    api = Resource()
    api.putChild(b"nodes", NodesResource(gateway))
    api.putChild(b"routing", routing_pages(gateway))
    debug = Folder()
    debug.putChild(b"config", ConfigResource(gateway))
    root.putChild(b"", StatusResource(gateway))
    root.putChild(b"health", HealthResource(gateway))
    root.putChild(b"api", api)
    root.putChild(b"nodes", NodesFolder(gateway))
    root.putChild(b"debug", debug)
    root.putChild(b"metrics", MetricsResource(registry))
    root.putChild(b"static", StaticResource())
    return root
