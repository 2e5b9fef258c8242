"""
Server-sent events: what changes is told to everybody who listens, as it happens.

A listener that reads slowly misses what happens meanwhile, and is told the whole picture
again when it has caught up; so nothing piles up for it.  One that does not read at all is
dropped: its browser comes back by itself after ``RETRY``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from ollama_twisted.web.site import say

#: Milliseconds after which a browser that was cut off comes back.
RETRY = 3000

#: How many may listen at a time.
MAX_LISTENERS = 100

_BEAT = b": still here\n\n"


def event(name: str, number: int, document: Any) -> bytes:
    """One event as it crosses the wire."""
    return b"event: %b\nid: %d\ndata: %b\n\n" % (
        name.encode(),
        number,
        msgspec.json.encode(document),
    )


@implementer(IPushProducer)
class _Listener:
    """One client.  The transport pauses it when the client does not read."""

    def __init__(
        self,
        request: Request,
        greeting: Callable[[], bytes],
        left: Callable[[_Listener], None],
    ) -> None:
        self._request = request
        self._greeting = greeting
        self._left = left
        self._paused = False
        #: It has missed something; and has not read since the last beat.
        self._behind = False
        self._silent = False
        self._gone = False
        request.notifyFinish().addBoth(self._ended)
        request.registerProducer(self, True)

    def tell(self, data: bytes) -> None:
        if self._paused:
            self._behind = True
        elif not self._gone:
            self._request.write(data)

    def beat(self) -> None:
        """Say that we are still here; two beats without a read are enough."""
        if not self._paused:
            self.tell(_BEAT)
        elif self._silent:
            self.drop()
        self._silent = self._paused

    def drop(self) -> None:
        """Hang up without waiting for what was written to be read."""
        channel: Any = self._request.channel
        if channel is not None:
            channel.forceAbortClient()

    def close(self) -> None:
        """End it as it should end, or at once if that would have to be waited for."""
        if self._paused:
            self.drop()
        elif not self._gone:
            self._request.unregisterProducer()
            self._request.finish()

    def _ended(self, _: Failure | None) -> None:
        self._gone = True
        self._left(self)

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = self._silent = False
        if self._behind and not self._gone:
            self._behind = False
            self._request.write(self._greeting())

    def stopProducing(self) -> None:
        """The client has left: its request tells so too."""


class Feed:
    """
    Those who listen, and what is told to them.

    ``greeting`` makes what each is told first: all there is to know at that moment.
    """

    def __init__(self, greeting: Callable[[], bytes], limit: int = MAX_LISTENERS) -> None:
        self._greeting = greeting
        self._limit = limit
        self._listeners: set[_Listener] = set()

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def full(self) -> bool:
        return len(self._listeners) >= self._limit

    def join(self, request: Request) -> None:
        """Tell this client from now on."""
        request.write(b"retry: %d\n\n" % RETRY + self._greeting())
        self._listeners.add(_Listener(request, self._greeting, self._listeners.discard))

    def tell(self, data: bytes) -> None:
        """Tell everybody."""
        for listener in tuple(self._listeners):
            listener.tell(data)

    def beat(self) -> None:
        """Say that we are still here, so that nobody in between takes the silence for an end."""
        for listener in tuple(self._listeners):
            listener.beat()

    def close(self) -> None:
        """End every client's stream."""
        for listener in tuple(self._listeners):
            listener.close()


class EventsResource(Resource):
    """``GET /api/events``: the feed."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed

    def render_GET(self, request: Request) -> bytes | int:
        if self._feed.full:
            request.setHeader(b"retry-after", b"10")
            return say(request, 503, "too many are listening already")
        request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        # For nginx, which would hold events back until a buffer is full.
        request.setHeader(b"x-accel-buffering", b"no")
        if request.method == b"HEAD":
            return b""
        self._feed.join(request)
        return NOT_DONE_YET
