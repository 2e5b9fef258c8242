"""What keeps a request's body, and what serves the request: its route tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ollama_twisted.gateway.body import NO_BODY, Body
from ollama_twisted.gateway.exchange import Exchange
from ollama_twisted.gateway.hearing import Hearing
from ollama_twisted.gateway.managing import Managing
from ollama_twisted.gateway.recording import Recording
from ollama_twisted.gateway.upload import Upload
from ollama_twisted.wire.head import RequestHead
from ollama_twisted.wire.routes import ModelIn, Route
from ollama_twisted.wire.unloading import LONGEST, unloads

if TYPE_CHECKING:
    from ollama_twisted.gateway.channel import Channel

# Looking a member up by its enum costs ten times as much as by this name.
_MULTIPART = ModelIn.MULTIPART


def body_for(route: Route, head: RequestHead, channel: Channel) -> Body | Upload:
    """
    Where the body of this request goes.

    @raise BadRequest: it says itself that it is longer than it may be.
    """
    if not (head.length or head.chunked or route.passes) and route.model_in is not _MULTIPART:
        return NO_BODY
    limits = channel.site.limits
    if route.passes:
        return Upload(head, limits, channel, channel.site.seconds)
    if route.model_in is _MULTIPART:
        return Recording(head, limits)
    return Body(limits.memory_body, head, limits.max_body)


def exchange_for(route: Route, body: Body | Upload) -> type[Exchange]:
    """What serves the request, whose body is here unless its route lets it pass."""
    if route.many:
        return Managing
    if route.unloads and isinstance(body, Body) and body.size <= LONGEST:
        # Letting a model go is for all nodes that hold it.
        return Managing if unloads(route, body.whole()) else Exchange
    return Hearing if route.model_in is _MULTIPART else Exchange
