"""Pages that are one document each: JSON, metrics, and the files of the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.web.http import CACHED
from twisted.web.resource import NoResource, Resource
from twisted.web.server import Request

from ollama_twisted.resources import shipped

#: What a page may load: nothing that does not come from this server.  Nor may a page of
#: another server show it in a frame, to have somebody press its buttons unawares.
CONTENT_POLICY = b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"


def as_json(document: Any) -> bytes:
    """A document as it is sent; half a character, which a node may have told, is escaped."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")


class Folder(Resource):
    """A part of a path that has pages below it and is none itself."""

    def render(self, request: Request) -> bytes:
        missing: bytes = NoResource().render(request)
        return missing


class JsonResource(Resource):
    """
    A page that is one JSON document, made anew for each request.

    The document may set a status, and a header, on the request it is given.
    """

    def __init__(self, document: Callable[[Request], Any]) -> None:
        super().__init__()
        self._document = document

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        return as_json(self._document(request))


class MetricsResource(Resource):
    """``GET /metrics``: the metrics of one registry, in the format the scraper prefers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        encode, content_type = choose_encoder(request.getHeader("accept") or "")
        request.setHeader(b"content-type", content_type.encode("ascii"))
        return encode(self._registry)


class StaticResource(Resource):
    """``GET /static/...``: the package's own files, those in folders too, by a fixed list."""

    isLeaf = True
    _TYPES = {
        ".css": b"text/css; charset=utf-8",
        ".js": b"text/javascript; charset=utf-8",
        ".svg": b"image/svg+xml",
    }

    def render_GET(self, request: Request) -> bytes:
        name = b"/".join(request.postpath or []).decode("latin-1")
        root = shipped("static")
        for each in root.rglob("*"):
            kind = self._TYPES.get(each.suffix)
            if kind is not None and each.relative_to(root).as_posix() == name:
                content = each.read_bytes()
                request.setHeader(b"content-type", kind)
                tag = blake2b(content, digest_size=8).hexdigest().encode()
                if request.setETag(b'"%b"' % tag) is CACHED:
                    return b""
                return content
        missing: bytes = NoResource().render(request)
        return missing
