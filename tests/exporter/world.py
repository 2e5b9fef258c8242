"""What an exporter might know, made up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry

from ollama_twisted.exporter.collector import ExporterCollector
from ollama_twisted.exporter.core import Exporter
from ollama_twisted.exporter.settings import Peer, Settings, Watched
from ollama_twisted.exporter.view import ApiView, ProcessFacts, View
from ollama_twisted.probe.connection import Connections, State
from ollama_twisted.probe.snapshot import (
    Method,
    ProbeReport,
    Quality,
    Reason,
    Snapshot,
    Traffic,
)
from ollama_twisted.web.loaded import Model

MODEL = Model("llama3.2:3b", 3_000, 2_500, 1_900_000_000.0)
UP = ApiView(True, "0.12.0", (MODEL,))
DOWN = ApiView(False, error="connection refused")


def connections(
    port: int = 11434, listening: bool = True, rtt: float | None = 0.001, **peers: int
) -> Connections:
    """Established connections by address; a name's underscores are dots."""
    by_address = {name.strip("_").replace("_", "."): number for name, number in peers.items()}
    states = dict.fromkeys(State, 0)
    states[State.ESTABLISHED] = sum(by_address.values())
    states[State.LISTEN] = int(listening)
    return Connections(port, states, by_address, rtt)


def traffic(sent: int | None = 100, received: int | None = 10, **more: Any) -> Traffic:
    """What went over a port, measured exactly if at all."""
    method = None if sent is None else Method.SS_EVENTS
    quality = None if sent is None else Quality.EXACT
    known: dict[str, Any] = {"opened": 3, "closed": 1, "method": method, "quality": quality}
    return Traffic(**{**known, "sent": sent, "received": received, **more})


def report(name: str = "ss", success: bool = True, **more: Any) -> ProbeReport:
    """A tool's last run."""
    failures = dict.fromkeys(Reason, 0)
    return ProbeReport(name, success, 0.017, **{"exit_code": 0, "failures": failures, **more})


def snapshot(*seen: Connections, time: float = 1000.0, **more: Any) -> Snapshot:
    """A look that went well."""
    known = {
        "at": time,
        "time": time,
        "source": "ss",
        "connections": {each.port: each for each in seen},
        "traffic": {each.port: traffic() for each in seen},
        "probes": {"ss": report(last_success=time)},
        "sees_others": True,
    }
    return Snapshot(**{**known, **more})


NOTHING = Snapshot(
    at=5.0,
    time=1005.0,
    probes={"ss": report(success=False, exit_code=255, detail="it failed")},
    hint="Install iproute2.",
)


class Said:
    """What the Ollamas said of themselves, and what their processes use."""

    def __init__(self) -> None:
        self.views: dict[str, ApiView] = {}
        self.facts: dict[str, ProcessFacts] = {}


class World:
    """An exporter and its metrics."""

    def __init__(
        self,
        *peers: Peer,
        watched: Iterable[Watched] = (Watched("node1", 11434),),
        own: Iterable[str] = (),
        **settings: Any,
    ) -> None:
        self.said = Said()
        self.settings = Settings(watched=tuple(watched), peers=peers, **settings)
        self.exporter = Exporter(self.settings, "box", own, self.said, self.said)
        self.registry = CollectorRegistry()
        self.registry.register(
            ExporterCollector(self.exporter.view, lambda: 1.0, {"version": "test"})
        )

    @property
    def view(self) -> View:
        return self.exporter.view()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"ollama_{name}", labels)

    def series(self, name: str) -> dict[tuple[str, ...], float]:
        """All series of a name, by the values of their labels."""
        return {
            tuple(sample.labels.values()): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == f"ollama_{name}"
        }


ROUTER = Peer("router", True, ("10.0.0.5",))
NODE2 = Peer("node2", False, ("10.0.0.6", "node2.lan"))
