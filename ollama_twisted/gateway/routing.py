"""Why a request goes where it goes: told without sending anything, by the code that decides."""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from ollama_twisted.config.targets import read_targets
from ollama_twisted.gateway.choice import Choice
from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.failures import Refused
from ollama_twisted.gateway.nodeview import kind_of, place_of, settings_of
from ollama_twisted.gateway.operations import foretold
from ollama_twisted.pool.eligibility import Refusal, Want, fits
from ollama_twisted.pool.models import ModelName, size_of, split_tag
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.preview import Preview
from ollama_twisted.web.pages import Folder, JsonResource, as_json
from ollama_twisted.web.site import say
from ollama_twisted.wire.ask import read_ask, streams
from ollama_twisted.wire.routes import Route, find, safe_path
from ollama_twisted.wire.unloading import unloads

#: What a body is taken for, unless ``path`` names another route.
USUAL_PATH = "/api/chat"


class RoutingQuery(Resource):
    """
    ``/api/routing/query``: where would this go now?

    GET asks for a model (``model_name``); POST is given the body of a request, and
    with ``path``, and ``method``, the route that it is meant for.
    """

    isLeaf = True

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    def render_GET(self, request: Request) -> bytes:
        name = _argument(request, b"model_name")
        if not name:
            return say(request, 400, "model_name is missing")
        return self._told(request, Want(name), {})

    def render_POST(self, request: Request) -> bytes:
        path = (_argument(request, b"path") or USUAL_PATH).encode()
        if not safe_path(path):
            return say(request, 400, "the path is not in its plain form")
        method = (_argument(request, b"method") or "POST").upper()
        route = find(method.encode(), path)
        headers = request.requestHeaders
        content_type, coding = (
            (headers.getRawHeaders(name) or [b""])[0]
            for name in (b"content-type", b"content-encoding")
        )
        assert request.content is not None
        body, looks = request.content.read(), self._gateway.pool.looks
        ask = read_ask(route, path, content_type, body, coding, looks)
        asked = {
            "method": method,
            "path": path.decode(),
            "operation": route.operation,
            "streams": streams(route, ask),
            "guarded": route.manages,
        }
        want = self._gateway.want_of(route, ask)
        more: dict[str, Any] = {"request": asked}
        if route.many or (route.unloads and unloads(route, body)):
            named = request.getHeader(b"x-ollama-gateway-nodes") or b""
            more["decision"] = self._of_many(route, want, named.decode("utf-8", "replace"))
        return self._told(request, want, more)

    def _of_many(self, route: Route, want: Want, named: str) -> dict[str, Any]:
        """Where a request would go that may be for several nodes; it waits in no line."""
        try:
            targets = read_targets(named) if named else None
            nodes = foretold(route, Choice(self._gateway, targets, want.model), want)
        except (Refused, ValueError) as refused:
            return {"verdict": "refuse", "nodes": [], "why": str(refused), "waiting": 0}
        if nodes is None:
            why = "what the nodes hold is asked when it comes"
            return {"verdict": "send", "nodes": [], "why": why, "waiting": 0}
        why = "named" if named else "by what it is about"
        names = [node.name for node in nodes]
        return {"verdict": "send", "nodes": names, "why": why, "waiting": 0}

    def _told(self, request: Request, want: Want, more: dict[str, Any]) -> bytes:
        request.setHeader(b"content-type", b"application/json; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        preview = self._gateway.pool.preview(want, self._gateway.seconds())
        return as_json({**explained(self._gateway, preview), **more})


def _argument(request: Request, name: bytes) -> str:
    values = (request.args or {}).get(name, [b""])
    text: str = values[0].decode("utf-8", "replace").strip()
    return text


def explained(gateway: Gateway, preview: Preview) -> dict[str, Any]:
    """A preview as it is told: the original's fields, and what would be decided now."""
    model = preview.want.model
    may: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    for node, refusal in preview.judged:
        told = _node(gateway, node, model, refusal)
        (may if refusal is None else rejected).append(told)
    fallback = preview.fallback
    return {
        "model_name": model,
        **(_size(gateway, model) if model is not None else {}),
        "candidate_nodes": [] if fallback else may,
        "rejected_nodes": rejected,
        "fallback_nodes": [{**each, "reason": "nobody has the model"} for each in may]
        if fallback
        else [],
        "scheduling_strategy": gateway.config.strategy,
        "will_use_fallback": fallback,
        "decision": {
            "verdict": preview.verdict.value,
            "nodes": [node.name for node in preview.best],
            "why": preview.why,
            "waiting": len(gateway.pool.line),
        },
    }


def _size(gateway: Gateway, model: str) -> dict[str, Any]:
    sizes = gateway.config.sizes
    found = size_of(model, sizes)
    return {
        "base_name": split_tag(model)[0],
        "model_size_b": found.size_b,
        "size_detection": {
            "method": found.method,
            "matched": found.matched,
            "patterns_matched": [found.matched] if found.method == "pattern" else [],
            "mapping_matched": found.size_b if found.method == "mapping" else None,
            "default_used": found.method == "default",
        },
    }


def _node(
    gateway: Gateway, node: Node, model: str | None, refusal: Refusal | None
) -> dict[str, Any]:
    config, models = node.config, node.models
    told = _described(node)
    told["in_flight"] = node.in_flight
    if model is not None:
        size = size_of(model, gateway.config.sizes).size_b
        # None while the node has not told.
        told["has_model"] = None if models is None else models.has(ModelName.parse(model))
        told["has_loaded"] = None if models is None else models.is_loaded(model)
        told["suitable_for_size"] = not config.ranges or any(
            fits(each, size) for each in config.ranges
        )
    told["reason"] = refusal.reason.value if refusal is not None else None
    told["reasons"] = [str(refusal)] if refusal is not None else []
    return told


def _described(node: Node) -> dict[str, Any]:
    config = node.config
    return {
        "name": config.name,
        **kind_of(config),
        "enabled": config.enabled,
        "healthy": config.enabled and node.health.healthy,
        "weight": config.weight,
        "config": settings_of(config),
        **place_of(config),
    }


def rules(gateway: Gateway) -> dict[str, Any]:
    """``/api/routing/rules``: all that a decision is made from, but for the moment's load."""
    config = gateway.config
    return {
        "nodes": [
            {
                **_described(node),
                "available_models": sorted(node.models.names) if node.models is not None else [],
            }
            for node in gateway.pool.nodes.values()
        ],
        "model_patterns": dict(config.sizes.patterns),
        "model_mappings": dict(config.sizes.mapping),
        "default_model_size_b": config.sizes.default,
        "scheduling_strategy": config.strategy,
    }


def routing_pages(gateway: Gateway) -> Resource:
    """What is below ``/api/routing``."""
    folder = Folder()
    folder.putChild(b"query", RoutingQuery(gateway))
    folder.putChild(b"rules", JsonResource(lambda request: rules(gateway)))
    return folder
