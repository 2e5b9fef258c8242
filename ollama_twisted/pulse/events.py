"""What an operator wants to know of, found by comparing how the nodes are with how they were."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ollama_twisted.pulse.document import LONGEST_NAME
from ollama_twisted.pulse.shape import Event
from ollama_twisted.pulse.tally import plain
from ollama_twisted.pulse.view import Seen, View

#: So many are remembered.
KEPT = 100
#: Of one node's models no more than so many are named at a time.
MOST_NAMED = 20


class _Standing(NamedTuple):
    healthy: bool
    ejected: bool
    draining: bool
    loaded: tuple[str, ...] | None


class EventLog:
    """The last events, and how each node was when it was last looked at."""

    def __init__(self) -> None:
        self._known: dict[str, _Standing] = {}
        self._count = 0
        self.events: deque[Event] = deque(maxlen=KEPT)

    def add(self, date: str, kind: str, node: str | None, text: str) -> Event:
        """Something has happened."""
        self._count += 1
        event = Event(self._count, date, kind, node, text)
        self.events.append(event)
        return event

    def look(self, view: View, failed: Mapping[str, tuple[int, str]]) -> list[Event]:
        """
        What has happened since the last look.

        ``failed``: how many requests of which node have failed since, and how the last did.
        """
        known, self._known = self._known, {}
        found = []
        for seen in view.nodes:
            name = seen.node.name
            now = self._known[name] = _standing(seen, view.now)
            for kind, text in _turned(seen, known.get(name), now):
                found.append(self.add(view.date, kind, name, text))
            count, reason = failed.get(name, (0, ""))
            if count:
                requests = "a request" if count == 1 else f"{count} requests"
                found.append(
                    self.add(view.date, "failure", name, f"{name} failed {requests}: {reason}")
                )
        return found


def _standing(seen: Seen, now: float) -> _Standing:
    node = seen.node
    loaded = node.models.loaded_names if node.models is not None else None
    return _Standing(node.health.healthy, node.breaker.ejected(now), node.draining, loaded)


def _turned(seen: Seen, was: _Standing | None, now: _Standing) -> Iterable[tuple[str, str]]:
    """The turns that a node has taken; of one that is new, only what is wrong with it."""
    node = seen.node
    name = node.name
    was = was or _Standing(True, False, False, None)
    if was.healthy != now.healthy and node.health.checked:
        if now.healthy:
            yield "up", f"{name} is up"
        else:
            why = f": {plain(node.last_check_error)}" if node.last_check_error else ""
            yield "down", f"{name} is down{why}"
    if was.ejected != now.ejected:
        if now.ejected:
            why = "it cannot be reached" if node.breaker.unreachable else "it failed in a row"
            yield "ejected", f"{name} is ejected: {why}"
        else:
            yield "readmitted", f"{name} is given requests again"
    if was.draining != now.draining:
        if now.draining:
            yield "draining", f"{name} gets no new requests; it works on {node.in_flight}"
        else:
            yield "resumed", f"{name} gets requests again"
    if was.loaded is not None and now.loaded is not None and was.loaded != now.loaded:
        for each in sorted({*now.loaded} - {*was.loaded})[:MOST_NAMED]:
            yield "model_loaded", f"{plain(each, LONGEST_NAME)} was loaded on {name}"
        for each in sorted({*was.loaded} - {*now.loaded})[:MOST_NAMED]:
            yield "model_unloaded", f"{plain(each, LONGEST_NAME)} was unloaded from {name}"
