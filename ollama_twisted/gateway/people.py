"""What the gateway's pages show to people before, or without, any script."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from twisted.web.server import Request
from twisted.web.template import Element, renderer, tags

from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.nodeview import configuration
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.preview import Preview, Verdict
from ollama_twisted.pulse.shape import Model, Server
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


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _rate(value: float | None, unit: str = "") -> str:
    return "" if value is None else f"{value:g}{unit}"


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
        self._newest = gateway.live.newest()
        self._servers = [each for each in self._newest.nodes if isinstance(each, Server)]
        channel: Any = request.channel
        self._may_manage = gateway.may_manage(channel.peer)

    def _names(self) -> list[str]:
        """The models of all nodes."""
        return sorted({name for server in self._servers for name in server.models})

    @renderer
    def allowed(self, request: Any, tag: Any) -> Any:
        return tag(**{"data-manage": "yes" if self._may_manage else "no"})


class Dashboard(Content):
    """The pool at a glance."""

    TEMPLATE = "dashboard.html"

    @renderer
    def notice(self, request: Any, tag: Any) -> Any:
        return self._newest.gateway.notice

    @renderer
    def strategy(self, request: Any, tag: Any) -> Any:
        return tag(self._newest.gateway.strategy)

    @renderer
    def source(self, request: Any, tag: Any) -> Any:
        return self._gateway.config.source

    @renderer
    def waiting(self, request: Any, tag: Any) -> Any:
        return tag(str(self._newest.gateway.waiting))

    @renderer
    def nodes(self, request: Any, tag: Any) -> Iterator[Any]:
        for server in self._servers:
            yield tag.clone().fillSlots(
                name=server.title,
                address=server.url,
                state=server.state,
                error=server.error,
                in_flight=str(server.in_flight),
                requests=_rate(server.requests_per_second),
                tokens=_rate(server.tokens_per_second),
                first_token=_rate(server.first_token_seconds, " s"),
                failed=str(server.failed_requests),
                total=str(server.total_requests),
                loaded=_listed(each.name for each in server.loaded),
            )

    @renderer
    def models(self, request: Any, tag: Any) -> Iterator[Any]:
        loaded = {server.title: {each.name for each in server.loaded} for server in self._servers}
        used = {each.title: each for each in self._newest.nodes if isinstance(each, Model)}
        for name in self._names():
            use = used.get(name)
            yield tag.clone().fillSlots(
                name=name,
                nodes=_listed(each.title for each in self._servers if name in each.models),
                loaded=_listed(node for node, models in loaded.items() if name in models),
                in_flight=str(use.in_flight) if use is not None else "",
                tokens=_rate(use.tokens_per_second) if use is not None else "",
                first_token=_rate(use.first_token_seconds, " s") if use is not None else "",
            )


class Nodes(Content):
    """Each node: where it is, how it is, what it has."""

    TEMPLATE = "nodes.html"

    @renderer
    def nodes(self, request: Any, tag: Any) -> Iterator[Any]:
        for server in self._servers:
            yield tag.clone().fillSlots(
                name=server.title,
                state=server.state,
                why=server.error,
                address=server.url,
                kind=server.type,
                version=server.version or "",
                in_flight=str(server.in_flight),
                total=str(server.total_requests),
                failed=str(server.failed_requests),
                loaded=_listed(each.name for each in server.loaded) or "nothing",
                models=_listed(server.models) or "nothing, or not told yet",
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
        return [tag.clone()(value=name) for name in self._names()]

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
