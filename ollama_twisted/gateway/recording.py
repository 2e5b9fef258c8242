"""A request's body that carries audio: a form, read while it comes and kept like any other body."""

from __future__ import annotations

from collections.abc import Callable

from ollama_twisted.audio import seconds_of
from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.gateway.body import Body
from ollama_twisted.wire.ask import Ask
from ollama_twisted.wire.form import Form
from ollama_twisted.wire.head import RequestHead
from ollama_twisted.wire.routes import Route


class Recording(Body):
    """
    The form of a request to transcribe or to translate.

    It may be much longer than other bodies.  When its last byte is here, what it asks
    for is known: nobody must look into it again.
    """

    limited_by = "gateway.max_audio"

    __slots__ = ("_form",)

    def __init__(self, head: RequestHead, limits: GatewayLimits) -> None:
        super().__init__(limits.memory_body, head, limits.max_audio)
        self._form = Form(head.lower.get(b"content-type", b""))

    def add(self, data: bytes) -> None:
        super().add(data)
        self._form.feed(data)

    def ask(self, route: Route, head: RequestHead, looks: bool) -> Ask:
        return Ask(self._form.model, self._form.stream)

    def lasting(self) -> Callable[[], float | None]:
        """
        What tells how long the audio lasts, if that is known.

        It takes a moment, may be called where blocking is allowed, and still works when
        the body was closed.
        """
        place = self._form.file
        if place is None:
            return lambda: None
        try:
            data, (start, stop) = self.whole(), place
        except OSError:
            return lambda: None  # no room to map it, which is nothing to its client
        return lambda: seconds_of(data, start, stop)
