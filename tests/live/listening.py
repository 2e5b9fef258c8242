"""Somebody who listens to the events of a server of ours."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tests.live.child import PATIENCE, Child


class Listener:
    """Follows ``/api/events``; whatever has been heard is in ``events``, oldest first."""

    def __init__(self, server: Child) -> None:
        self._answer = server.open("GET", "/api/events")
        self.events: list[tuple[str, Any]] = []

    def close(self) -> None:
        self._answer.close()

    def next(self) -> tuple[str, Any]:
        """Wait for one more event."""
        name, data = "", ""
        while True:
            line = self._answer.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
            elif not line and data:
                self.events.append((name, json.loads(data)))
                return self.events[-1]
            elif not line and self._answer.isclosed():
                raise AssertionError("the stream has ended")

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Wait for a document that is wanted."""
        asked = time.monotonic()
        while time.monotonic() - asked < PATIENCE:
            try:
                _, document = self.next()
            except TimeoutError:
                break
            if wanted(document):
                return document
        raise AssertionError(f"not heard: {self.events[-3:]}")


def told(kinds: str, node: str | None = None) -> Callable[[Any], bool]:
    """Is an event of one of these kinds, of that node, in a document?"""

    def found(document: Any) -> bool:
        happened = ((each["kind"], each["node"]) for each in document.get("events", ()))
        return any(kind in kinds.split() and of == node for kind, of in happened)

    return found
