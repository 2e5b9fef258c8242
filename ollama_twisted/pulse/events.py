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
#: A node that fails request after request is told of no more often than that, in seconds.
CALM = 10.0
#: Of one node's models no more than so many are named at a time.
MOST_NAMED = 20


class _Standing(NamedTuple):
    down: bool
    ejected: bool
    draining: bool
    drained: bool
    loaded: tuple[str, ...] | None


class EventLog:
    """The last events, and how each node was when it was last looked at."""

    def __init__(self) -> None:
        self._known: dict[str, _Standing] = {}
        #: Failures that were not told yet, and when each node was last told of.
        self._failed: dict[str, tuple[int, str]] = {}
        self._failed_at: dict[str, float] = {}
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
        for name, (count, reason) in failed.items():
            self._failed[name] = (self._failed.get(name, (0, ""))[0] + count, reason)
        known, self._known = self._known, {}
        found = []
        for seen in view.nodes:
            name = seen.node.name
            now = self._known[name] = _standing(seen, view.now)
            for kind, text in _turned(seen, known.get(name), now):
                found.append(self.add(view.date, kind, name, text))
            if name in self._failed and view.now - self._failed_at.get(name, -CALM) >= CALM:
                self._failed_at[name] = view.now
                text = f"{name} failed {_requests(*self._failed.pop(name))}"
                found.append(self.add(view.date, "failure", name, text))
        self._forget()
        return found

    def _forget(self) -> None:
        for gone in {*self._failed, *self._failed_at} - self._known.keys():
            self._failed.pop(gone, None)
            self._failed_at.pop(gone, None)


def _requests(count: int, reason: str) -> str:
    return f"{'a request' if count == 1 else f'{count} requests'}: {reason}"


def _standing(seen: Seen, now: float) -> _Standing:
    node = seen.node
    loaded = node.models.loaded_names if node.models is not None else None
    ejected = node.breaker.ejected(now)
    return _Standing(node.health.down, ejected, node.draining, node.drained, loaded)


def _turned(seen: Seen, was: _Standing | None, now: _Standing) -> Iterable[tuple[str, str]]:
    """The turns that a node has taken; of one that is new, only what is wrong with it."""
    node = seen.node
    name = node.name
    was = was or _Standing(False, False, False, False, None)
    if was.down != now.down:
        if now.down:
            why = f": {plain(node.last_check_error)}" if node.last_check_error else ""
            yield "down", f"{name} is down{why}"
        else:
            yield "up", f"{name} is up"
    if was.ejected != now.ejected:
        if now.ejected:
            why = "it cannot be reached" if node.breaker.unreachable else "it failed in a row"
            yield "ejected", f"{name} is ejected: {why}"
        elif not now.down:
            # One that is down gets none all the same.
            yield "readmitted", f"{name} is given requests again"
    if was.draining != now.draining:
        if now.draining:
            yield "draining", f"{name} gets no new requests; it works on {node.busy}"
        else:
            yield "resumed", f"{name} gets requests again"
    if now.drained and not was.drained:
        yield "drained", f"{name} works on nothing any more"
    if was.loaded is not None and now.loaded is not None and was.loaded != now.loaded:
        for each in sorted({*now.loaded} - {*was.loaded})[:MOST_NAMED]:
            yield "model_loaded", f"{plain(each, LONGEST_NAME)} was loaded on {name}"
        for each in sorted({*was.loaded} - {*now.loaded})[:MOST_NAMED]:
            yield "model_unloaded", f"{plain(each, LONGEST_NAME)} was unloaded from {name}"
