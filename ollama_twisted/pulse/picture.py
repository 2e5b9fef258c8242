"""The newest snapshot of the gateway, and what has changed since the one before."""

from __future__ import annotations

from msgspec import UNSET

from ollama_twisted.pulse.document import Drawing, state
from ollama_twisted.pulse.events import EventLog
from ollama_twisted.pulse.shape import Delta, Edge, Event, Gone, Node, Snapshot, State
from ollama_twisted.pulse.tally import Tallies
from ollama_twisted.pulse.view import View
from ollama_twisted.web.changes import changes


class Picture:
    """What is told to those who look; its number grows with every change."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._drawing = Drawing()
        self._nodes: dict[str, Node] = {}
        self._links: dict[str, Edge] = {}
        self._state: State | None = None
        self._date = ""
        self._untold: list[Event] = []
        self.log = EventLog()
        self.number = 0

    def look(self, view: View) -> None:
        """Find out what has happened; to be drawn later, if anybody wants it."""
        self._untold += self.log.look(view, self._tallies.take_news())
        # Of more than are kept, the oldest are never told.
        del self._untold[: -len(self.log.events) or None]

    def say(self, date: str, kind: str, node: str | None, text: str) -> None:
        """Something has happened that cannot be seen by looking at the nodes."""
        self._untold.append(self.log.add(date, kind, node, text))

    def draw(self, view: View) -> Delta | None:
        """Take in what there is now; what has changed, or ``None`` if nothing has."""
        self.look(view)
        nodes, links = self._drawing.draw(view)
        now = state(view)
        changed_nodes, gone_nodes = changes(self._nodes, nodes)
        changed_links, gone_links = changes(self._links, links)
        turned = now != self._state
        events, self._untold = self._untold, []
        if not (turned or events or changed_nodes or changed_links or gone_nodes or gone_links):
            return None
        self.number += 1
        self._nodes, self._links, self._state, self._date = nodes, links, now, view.date
        return Delta(
            seq=self.number,
            time=view.date,
            gateway=now if turned else UNSET,
            nodes=changed_nodes,
            links=changed_links,
            removed=Gone(gone_nodes, gone_links),
            events=events or UNSET,
        )

    def snapshot(self) -> Snapshot:
        """All that was drawn last."""
        assert self._state is not None
        return Snapshot(
            seq=self.number,
            time=self._date,
            gateway=self._state,
            nodes=[*self._nodes.values()],
            links=[*self._links.values()],
            events=[*self.log.events],
        )
