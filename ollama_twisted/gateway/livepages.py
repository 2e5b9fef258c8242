"""What the gateway tells of itself as it happens: how it is, what has changed, how it was."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from twisted.web.http import CACHED
from twisted.web.resource import Resource
from twisted.web.server import Request

from ollama_twisted.gateway.core import Gateway
from ollama_twisted.web.events import EventsResource


class EncodedResource(Resource):
    """A page that is one JSON document, which is had encoded."""

    isLeaf = True

    def __init__(self, document: Callable[[Request], bytes]) -> None:
        super().__init__()
        self._document = document

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        return self._document(request)


def add_live_pages(api: Resource, gateway: Gateway) -> None:
    """``/api/topology``, ``/api/events`` and ``/api/history``."""
    live = gateway.live

    def topology(request: Request) -> bytes:
        # Numbers begin anew when the gateway does; the tag must not.
        tag = f'"{live.started}-{live.number}"'.encode()
        return b"" if request.setETag(tag) is CACHED else live.snapshot()

    def history(request: Request) -> bytes:
        return msgspec.json.encode(live.history())

    api.putChild(b"topology", EncodedResource(topology))
    api.putChild(b"events", EventsResource(live.feed))
    api.putChild(b"history", EncodedResource(history))
