"""Who may change something here: an operator, never a page of somebody else's in a browser."""

from __future__ import annotations

from typing import Any

from twisted.web.server import Request

from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.permit import why_not

#: What browsers say of a request that a page of another site has made them send.
_FOREIGN = frozenset({"cross-site", "same-site"})


class NotAllowed(Exception):
    """It is refused, with the status that says so.  ``str()`` is for people."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def see_operator(gateway: Gateway, request: Request) -> None:
    """
    Let pass whoever may change the models on the nodes, too.

    Cookies are never looked at; still a browser's address may be one that is allowed,
    so what a foreign page makes it send is told by the fields that no page can set.

    @raise NotAllowed: anybody else.
    """
    channel: Any = request.channel
    shown = (request.getHeader("authorization") or "").encode("latin-1", "replace")
    if not gateway.may_manage(channel.peer, shown):
        raise NotAllowed(403, why_not(gateway.limits, "changing the gateway"))
    origin, host = (request.getHeader(name) for name in ("origin", "host"))
    foreign = origin is not None and origin.partition("://")[2].lower() != (host or "").lower()
    if foreign or request.getHeader("sec-fetch-site") in _FOREIGN:
        raise NotAllowed(403, "a page of another site may not change anything here")
    assert request.content is not None
    size = request.content.seek(0, 2)
    request.content.seek(0)
    kind = (request.getHeader("content-type") or "").partition(";")[0].strip().lower()
    if size and kind != "application/json":
        raise NotAllowed(415, "a body here must be JSON: Content-Type: application/json")
