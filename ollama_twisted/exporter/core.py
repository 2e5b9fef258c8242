"""What the parts of a running exporter have in common: what is known, and who is told."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from twisted.logger import Logger

from ollama_twisted.exporter.peers import PeerBook
from ollama_twisted.exporter.settings import Settings
from ollama_twisted.exporter.topology import Topology
from ollama_twisted.exporter.view import ApiView, NodeView, ProcessFacts, View
from ollama_twisted.probe.snapshot import Quality, Snapshot
from ollama_twisted.web.events import Feed, event

#: Without news for so many intervals, and this long, what is shown is old.
STALE_INTERVALS, STALE_SECONDS = 5, 30.0


class Answers(Protocol):
    """Who knows what the Ollamas say of themselves."""

    views: dict[str, ApiView]


class Resources(Protocol):
    """Who knows what Ollama's processes use."""

    facts: dict[str, ProcessFacts]


class Exporter:
    """One exporter: its newest view, and the feed of those who watch it change."""

    _log = Logger()

    def __init__(
        self,
        settings: Settings,
        hostname: str,
        own_addresses: Iterable[str],
        answers: Answers,
        resources: Resources,
    ) -> None:
        self.settings = settings
        #: In Unix time; it tells one run from the next.
        self.started = int(time.time())
        self.peers = PeerBook(settings.peers, own_addresses)
        self.topology = Topology()
        self.feed = Feed(self._greeting)
        self.snapshot = Snapshot()
        self._hostname = hostname
        self._answers = answers
        self._resources = resources
        self._counts: Mapping[int, Mapping[str, int]] = {}
        self._bytes: Mapping[int, Mapping[str, tuple[int, int]]] = {}
        self._said: tuple[object, ...] = ()

    def view(self) -> View:
        """All that is known now; it costs next to nothing, however many are connected."""
        snapshot = self.snapshot
        return View(
            nodes=tuple(
                NodeView(
                    each.name,
                    each.port,
                    snapshot.connections.get(each.port),
                    self._counts.get(each.port),
                    snapshot.traffic.get(each.port),
                    self._bytes.get(each.port),
                    self._answers.views.get(each.name),
                )
                for each in self.settings.watched
            ),
            routers=self.peers.routers,
            hostname=self._hostname,
            time=snapshot.time,
            probes=snapshot.probes,
            source=snapshot.source,
            sees_others=snapshot.sees_others,
            hint=snapshot.hint,
            processes=self._resources.facts,
        )

    def looked(self, snapshot: Snapshot) -> None:
        """The sockets were looked at: count them, and tell who watches what has changed."""
        self.snapshot = snapshot
        self._counts = {
            port: self.peers.count(each.peers) for port, each in snapshot.connections.items()
        }
        self._bytes = {
            port: self.peers.bytes(each.peers)
            for port, each in snapshot.traffic.items()
            if each.sent is not None and each.quality is not Quality.ESTIMATED
        }
        self._say(snapshot)
        changed = self.topology.update(self.view())
        if changed is not None and len(self.feed):
            self.feed.tell(event("delta", self.topology.number, changed))

    def stale(self, now: float) -> bool:
        """Is what is known old?  ``now`` is of the clock that snapshots are dated with."""
        if not self.snapshot.time:
            return True
        return now - self.snapshot.at > max(STALE_SECONDS, STALE_INTERVALS * self.settings.interval)

    def _greeting(self) -> bytes:
        return event("snapshot", self.topology.number, self.topology.document)

    def _say(self, snapshot: Snapshot) -> None:
        """One line in the log for each change of how we know what we know."""
        qualities = {each.quality for each in snapshot.traffic.values() if each.quality}
        quality = next((each for each in reversed(Quality) if each in qualities), None)
        said = (snapshot.source, quality, snapshot.hint)
        if said == self._said:
            return
        self._said = said
        if snapshot.source is None:
            self._log.warn("nothing could be measured: {hint}", hint=snapshot.hint)
        else:
            self._log.info(
                "connections come from {source}, bytes are {quality}; {hint}",
                source=snapshot.source,
                quality=quality.value if quality is not None else "not measured",
                hint=snapshot.hint or "all is well",
            )
