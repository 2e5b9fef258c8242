"""What the gateway's pages show to people before, or without, any script."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from twisted.web.server import Request
from twisted.web.template import Element, renderer, tags

from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.nodeview import configuration, url_of
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.preview import Preview, Verdict
from ollama_twisted.web.shell import Frame, Link, template

FRAME = Frame(
    "ollama-gateway",
    (
        Link("/", "Dashboard"),
        Link("/nodes", "Nodes"),
        Link("/topology", "Topology"),
        Link("/routing", "Routing"),
        Link("/config", "Configuration"),
    ),
    (
        Link("/health", "health"),
        Link("/api/nodes", "nodes"),
        Link("/api/topology", "topology"),
        Link("/api/tags", "models"),
        Link("/metrics", "metrics"),
    ),
)


def state_of(node: Node, now: float) -> tuple[str, str]:
    """A node's state in a word, and why it is so."""
    if not node.config.enabled:
        return "disabled", ""
    if not node.health.healthy:
        return "down", node.last_check_error
    if node.breaker.ejected(now):
        return "ejected", ""
    return ("draining" if node.draining else "healthy"), ""


def _models_of(gateway: Gateway) -> list[str]:
    """The names of all models that nodes have."""
    known = (node.models for node in gateway.pool.nodes.values())
    return sorted({name for models in known if models is not None for name in models.names})


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


class Content(Element):
    """
    What stands in the frame of one page.

    ``allowed`` tells its script whether it may offer what only some may do; whoever
    does it is asked once more.
    """

    TEMPLATE = ""

    def __init__(self, gateway: Gateway, request: Request) -> None:
        super().__init__(loader=template(self.TEMPLATE))
        self._gateway = gateway
        channel: Any = request.channel
        self._may_manage = gateway.may_manage(channel.peer)

    @renderer
    def allowed(self, request: Any, tag: Any) -> Any:
        return tag(**{"data-manage": "yes" if self._may_manage else "no"})


class Dashboard(Content):
    """The pool at a glance."""

    TEMPLATE = "dashboard.html"

    @renderer
    def notice(self, request: Any, tag: Any) -> Any:
        return self._gateway.notice

    @renderer
    def strategy(self, request: Any, tag: Any) -> Any:
        return tag(self._gateway.config.strategy)

    @renderer
    def source(self, request: Any, tag: Any) -> Any:
        return self._gateway.config.source

    @renderer
    def waiting(self, request: Any, tag: Any) -> Any:
        return tag(str(len(self._gateway.pool.line)))

    @renderer
    def nodes(self, request: Any, tag: Any) -> Iterator[Any]:
        now = self._gateway.seconds()
        for node in self._gateway.pool.nodes.values():
            state, why = state_of(node, now)
            loaded = node.models.loaded_names if node.models is not None else ()
            yield tag.clone().fillSlots(
                name=node.name,
                address=url_of(node.config.addresses[0]),
                kind=state,
                error=why,
                in_flight=str(node.in_flight),
                total=str(node.total_requests),
                failed=str(node.failed_requests),
                loaded=_listed(loaded),
            )

    @renderer
    def models(self, request: Any, tag: Any) -> Iterator[Any]:
        known = {
            node.name: node.models
            for node in self._gateway.pool.nodes.values()
            if node.models is not None
        }
        for model in _models_of(self._gateway):
            yield tag.clone().fillSlots(
                name=model,
                nodes=", ".join(name for name, models in known.items() if model in models.names),
                loaded=", ".join(name for name, models in known.items() if models.is_loaded(model)),
            )


class Nodes(Content):
    """Each node: where it is, how it is, what it has."""

    TEMPLATE = "nodes.html"

    @renderer
    def nodes(self, request: Any, tag: Any) -> Iterator[Any]:
        now = self._gateway.seconds()
        for node in self._gateway.pool.nodes.values():
            state, why = state_of(node, now)
            models = node.models
            yield tag.clone().fillSlots(
                name=node.name,
                state=state,
                why=why,
                address=", ".join(map(url_of, node.config.addresses)),
                version=node.version or "not known",
                in_flight=str(node.in_flight),
                total=str(node.total_requests),
                failed=str(node.failed_requests),
                loaded=_listed(models.loaded_names) if models is not None else "not known",
                models=_listed(models.names) if models is not None else "not known",
            )


class Routing(Content):
    """Where a model's requests would go now, and why not elsewhere."""

    TEMPLATE = "routing.html"

    def __init__(self, gateway: Gateway, request: Request) -> None:
        super().__init__(gateway, request)
        asked = (request.args or {}).get(b"model", [b""])[0]
        self._model = asked.decode("utf-8", "replace").strip()

    @renderer
    def model(self, request: Any, tag: Any) -> Any:
        return tag(value=self._model)

    @renderer
    def names(self, request: Any, tag: Any) -> Any:
        return [tag.clone()(value=name) for name in _models_of(self._gateway)]

    @renderer
    def answer(self, request: Any, tag: Any) -> Any:
        if not self._model:
            return ""
        gateway = self._gateway
        preview = gateway.pool.preview(Want(self._model), gateway.seconds())
        return tag.fillSlots(
            verdict=_headline(preview),
            why=preview.why,
            rows=[
                tags.tr(
                    tags.th(node.name, scope="row"),
                    tags.td("no" if refusal is not None else "yes"),
                    tags.td(str(refusal) if refusal is not None else ""),
                )
                for node, refusal in preview.judged
            ],
        )


def _headline(preview: Preview) -> str:
    if preview.verdict is Verdict.SEND:
        return f"It would go to {' or '.join(node.name for node in preview.best)}"
    if preview.verdict is Verdict.WAIT:
        return "It would wait in line"
    return "It would be refused"


class Configuration(Content):
    """What is configured, and how another configuration would come to be used."""

    TEMPLATE = "config.html"

    @renderer
    def source(self, request: Any, tag: Any) -> Any:
        return tag(self._gateway.config.source)

    @renderer
    def file(self, request: Any, tag: Any) -> Any:
        return tag(self._gateway.config.source)

    @renderer
    def warnings(self, request: Any, tag: Any) -> Any:
        return [tag.clone()(each) for each in self._gateway.config.warnings]

    @renderer
    def configuration(self, request: Any, tag: Any) -> Any:
        return json.dumps(configuration(self._gateway.config), indent=2, ensure_ascii=False)

    @renderer
    def command(self, request: Any, tag: Any) -> Any:
        host = (request.getHeader(b"host") or b"localhost").decode("latin-1")
        scheme = "https" if request.isSecure() else "http"
        return tag(f"curl -X POST {scheme}://{host}/api/config/reload")
