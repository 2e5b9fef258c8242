"""Everything that an exporter knows, as Prometheus wants it.  What is not known is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from ollama_twisted.exporter.families import NODE, counter, gauge
from ollama_twisted.exporter.servermetrics import api_families, process_families
from ollama_twisted.exporter.view import View, edges
from ollama_twisted.probe.connection import State
from ollama_twisted.probe.snapshot import ProbeReport, Reason, Traffic


class ExporterCollector:
    """
    A collector for a Prometheus registry.

    ``view`` tells what is known, ``seconds`` is a clock to time the collecting with,
    ``build`` names this build.
    """

    def __init__(
        self, view: Callable[[], View], seconds: Callable[[], float], build: Mapping[str, str]
    ) -> None:
        self._view = view
        self._seconds = seconds
        self._build = dict(build)

    def collect(self) -> Iterable[Metric]:
        started = self._seconds()
        view = self._view()
        yield from _connections(view)
        yield from _bytes(view)
        yield from _graph(view)
        yield from api_families(view)
        yield from process_families(view.processes)
        yield from _probes(view)
        build = InfoMetricFamily("ollama_exporter_build", "Build of the exporter.")
        build.add_metric([], self._build)
        yield build
        yield GaugeMetricFamily(
            "ollama_exporter_scrape_duration_seconds",
            "Time to collect all of this page, from what was last seen.",
            value=self._seconds() - started,
        )


def _connections(view: View) -> Iterable[Metric]:
    seen = [(node.name, node.connections) for node in view.nodes if node.connections is not None]
    yield gauge(
        "ollama_connections",
        "Established TCP connections to the Ollama port, each counted once.",
        NODE,
        (((name,), each.established) for name, each in seen),
    )
    yield gauge(
        "ollama_connections_by_state",
        "TCP connections to the Ollama port by state; listen counts listening sockets.",
        (*NODE, "state"),
        (((name, state.value), each.states[state]) for name, each in seen for state in State),
    )
    yield gauge(
        "ollama_connections_by_peer",
        "Established connections by configured peer; local is this machine, other all the rest.",
        (*NODE, "peer"),
        (
            ((node.name, peer), number)
            for node in view.nodes
            for peer, number in (node.peers or {}).items()
        ),
    )
    yield gauge(
        "ollama_listening",
        "1 if a socket listens on the Ollama port.",
        NODE,
        (((name,), each.listening) for name, each in seen),
    )
    yield gauge(
        "ollama_rtt_seconds",
        "Smoothed TCP round-trip time, mean over the established connections.",
        NODE,
        (((name,), each.rtt) for name, each in seen),
    )


def _bytes(view: View) -> Iterable[Metric]:
    def each(name: str, text: str, value: Callable[[Traffic], float | None]) -> Metric:
        known = ((node.name, node.traffic) for node in view.nodes if node.traffic is not None)
        return counter(name, text, NODE, (((node,), value(it)) for node, it in known))

    yield each(
        "ollama_bytes_sent",
        "Payload bytes from Ollama to its clients (answers), measured or estimated as"
        " ollama_bytes_source_info says.",
        lambda traffic: traffic.sent,
    )
    yield each(
        "ollama_bytes_recv",
        "Payload bytes from clients to Ollama (questions), measured or estimated as"
        " ollama_bytes_source_info says.",
        lambda traffic: traffic.received,
    )
    yield each(
        "ollama_retransmitted_bytes",
        "Payload bytes that TCP sent to Ollama's clients again.",
        lambda traffic: traffic.retransmitted,
    )
    yield each(
        "ollama_bytes_unaccounted_connections",
        "Connections of which some bytes were not counted.",
        lambda traffic: traffic.unaccounted,
    )
    yield each(
        "ollama_connections_opened",
        "Connections to the Ollama port seen since the exporter started.",
        lambda traffic: traffic.opened,
    )
    yield each(
        "ollama_connections_closed",
        "Connections to the Ollama port seen to end since the exporter started.",
        lambda traffic: traffic.closed,
    )
    source = InfoMetricFamily(
        "ollama_bytes_source",
        "How bytes are counted: method is ss_events, ss_poll, netstat_poll or estimate (opened"
        " connections times EXPORTER_BYTES_PER_CONNECTION); quality is exact, lower_bound or"
        " estimated.",
        labels=NODE,
    )
    for node in view.nodes:
        traffic = node.traffic
        if traffic is not None and traffic.method is not None and traffic.quality is not None:
            how = {"method": traffic.method.value, "quality": traffic.quality.value}
            source.add_metric([node.name], how)
    yield source


def _graph(view: View) -> Iterable[Metric]:
    ends: dict[str, tuple[str, float]] = {
        node.name: ("node", node.api is not None and node.api.up) for node in view.nodes
    }
    links = []
    for node in view.nodes:
        for router, number in (edges(view, node) or {}).items():
            links.append(((f"{node.name}->{router}", node.name, router), number))
            connected = ends.get(router, ("", 0.0))[1] or number > 0
            ends.setdefault(router, ("router", 0.0))
            if ends[router][0] == "router":
                ends[router] = ("router", connected)
    yield gauge(
        "ollama_node_to_router",
        "Established connections between a node and a router (whoever is connected, if no router"
        " is configured); labels are NodeGraph field names.",
        ("id", "source", "target"),
        links,
    )
    yield gauge(
        "ollama_graph_node",
        "Ends of the edges for NodeGraph: 1 for a node that is up or a router that is connected.",
        ("id", "title", "subtitle"),
        (((name, name, role), value) for name, (role, value) in ends.items()),
    )


def _probes(view: View) -> Iterable[Metric]:
    def each(name: str, text: str, value: Callable[[ProbeReport], float | None]) -> Metric:
        series = (((probe,), value(report)) for probe, report in view.probes.items())
        return gauge(f"ollama_exporter_probe_{name}", text, ("probe",), series)

    yield each("success", "1 if the last run of this probe worked.", lambda it: it.success)
    yield each(
        "duration_seconds", "Duration of the last run of this probe.", lambda it: it.duration
    )
    yield each(
        "exit_code",
        "Exit status of the last run of this probe; -1 if it was killed.",
        lambda it: it.exit_code,
    )
    yield each(
        "last_success_timestamp_seconds",
        "Unix time of the last good run of this probe.",
        lambda it: it.last_success,
    )
    yield counter(
        "ollama_exporter_probe_failures",
        "Failed runs of this probe, by cause.",
        ("probe", "reason"),
        (
            ((probe, reason.value), report.failures.get(reason, 0))
            for probe, report in view.probes.items()
            for reason in Reason
        ),
    )
    yield gauge(
        "ollama_exporter_sees_other_users",
        "1 if the sockets of other users are among those seen, 0 if Ollama's may be missing.",
        (),
        () if view.sees_others is None else [((), view.sees_others)],
    )
    yield gauge(
        "ollama_exporter_snapshot_timestamp_seconds",
        "Unix time of the last look at the sockets, whose result this page shows.",
        (),
        [((), view.time)] if view.time else (),
    )
