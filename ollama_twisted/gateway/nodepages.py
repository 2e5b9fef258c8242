"""Below ``/nodes``: what each node says of itself, asked now, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import NoResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from ollama_twisted.config.resolved import Address
from ollama_twisted.gateway.admin import drain_action
from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.lists import Told
from ollama_twisted.gateway.nodeview import url_of
from ollama_twisted.pool.node import Node
from ollama_twisted.services import Service
from ollama_twisted.web.pages import Folder, as_json
from ollama_twisted.web.site import say

_log = Logger()

#: What an operator may do to a node.
_DRAINING = {b"drain": True, b"resume": False}

Document = Callable[[], Coroutine[Any, Any, Any]]


class Unavailable(Exception):
    """There is no document, with the status that says so."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class LiveResource(Resource):
    """A page that is one JSON document, for which nodes are asked first."""

    isLeaf = True

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._document = document

    def render_GET(self, request: Request) -> int:
        asking = Deferred.fromCoroutine(self._answer(request))
        # Who leaves is not answered, and the nodes are not waited for any more.
        request.notifyFinish().addErrback(lambda _: asking.cancel())
        asking.addErrback(self._unforeseen, request)
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> None:
        request.setHeader(b"content-type", b"application/json; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        try:
            answer = as_json(await self._document())
        except Unavailable as error:
            answer = say(request, error.status, str(error))
        _end(request, answer)

    def _unforeseen(self, failure: Failure, request: Request) -> None:
        if failure.check(CancelledError) is None:
            _log.failure("a page failed", failure)
            _end(request, say(request, 500, "internal error"))


def _end(request: Request, answer: bytes) -> None:
    request.setHeader(b"content-length", b"%d" % len(answer))
    request.write(answer)
    request.finish()


class NodesFolder(Resource):
    """``/nodes``, which is a page itself; below it all nodes, and each by its name."""

    def __init__(self, gateway: Gateway, page: Resource) -> None:
        super().__init__()
        self._gateway = gateway
        self._page = page
        self.putChild(b"ps", LiveResource(self._ps))
        self.putChild(b"loaded-models", LiveResource(self._loaded))

    def getChild(self, path: bytes, request: Request) -> Resource:
        name, (below, *rest) = path.decode("utf-8", "replace"), [*(request.postpath or []), b""]
        folder = Folder()
        if below == b"tags":
            folder.putChild(below, LiveResource(lambda: self._tags(name)))
        elif below in _DRAINING:
            folder.putChild(below, drain_action(self._gateway, name, _DRAINING[below]))
        return folder if rest == [b""] else NoResource()

    def render(self, request: Request) -> Any:
        return self._page.render(request)

    async def _ask(self, path: str, *nodes: Node) -> list[Told]:
        lists = self._gateway.lists
        if lists is None:
            raise Unavailable(503, "the gateway has not started yet")
        return await lists.each(path, nodes)

    async def _ps(self) -> dict[str, Any]:
        """Where each node is, its ``/api/ps``, and why there is none."""
        return {
            told.node.name: {
                "url": url_of(self._address_of(told.node)),
                "ps": told.answer,
                "error": told.error or None,
            }
            for told in await self._ask("/api/ps", *self._gateway.pool.nodes.values())
        }

    def _address_of(self, node: Node) -> Address:
        """Where it answered last; it may have left while it was asked."""
        upstream = self._gateway.upstreams.get(node.name)
        return node.config.addresses[0] if upstream is None else upstream.address

    async def _loaded(self) -> dict[str, Any]:
        """The models in each node's memory; none where that is not known."""
        document = {}
        for told in await self._ask("/api/ps", *self._gateway.pool.nodes.values()):
            models = told.answer.get("models") if isinstance(told.answer, dict) else None
            models = models if isinstance(models, list) else []
            document[told.node.name] = {"models": models, "count": len(models)}
        return document

    async def _tags(self, name: str) -> Any:
        node = self._gateway.pool.nodes.get(name)
        if node is None:
            raise Unavailable(404, f"there is no node {name!r}")
        if not node.config.enabled:
            raise Unavailable(400, f"{name} is disabled")
        if Service.NATIVE not in node.offers:
            raise Unavailable(400, f"{name}: {node.config.kind.one} has no /api/tags")
        (told,) = await self._ask("/api/tags", node)
        if told.error:
            raise Unavailable(502, f"{name}: {told.error}")
        return told.answer
