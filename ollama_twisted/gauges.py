"""What is measured of a gateway at one moment: read when somebody scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as the gauges show it."""

    name: str
    up: bool
    ready: bool
    ejected: bool
    weight: float
    in_flight: int
    idle_connections: int


@dataclass(frozen=True, slots=True)
class PoolView:
    """What is read from the running gateway at each scrape."""

    nodes: tuple[NodeView, ...]
    waiting: int
    client_connections: int
    log_lines_dropped: int
    #: Was the configuration that was read last one that could be used?
    reload_successful: bool = True
    #: When one was last taken over, in Unix time.
    reloaded_at: float = 0.0


def gauges(view: PoolView, version: str) -> Iterable[Metric]:
    """A gateway at this moment."""

    def gauge(name: str, text: str, value: Callable[[NodeView], float]) -> Metric:
        family = GaugeMetricFamily(f"ollama_gateway_{name}", text, labels=["node"])
        for node in view.nodes:
            family.add_metric([node.name], value(node))
        return family

    yield gauge("node_up", "1 if the node's checks pass.", lambda node: node.up)
    yield gauge(
        "node_ready",
        "1 if the node may be chosen: up, not draining, not ejected.",
        lambda node: node.ready,
    )
    yield gauge("node_ejected", "1 while failures keep the node out.", lambda node: node.ejected)
    yield gauge("node_weight", "Configured weight of the node.", lambda node: node.weight)
    yield gauge(
        "requests_in_flight", "Requests that the node works on.", lambda node: node.in_flight
    )
    yield gauge(
        "upstream_idle_connections",
        "Open connections to the node that wait for a request.",
        lambda node: node.idle_connections,
    )
    edges = GaugeMetricFamily(
        "ollama_gateway_edge_requests_in_flight",
        "Requests in flight per edge; labels are NodeGraph field names.",
        labels=["id", "source", "target"],
    )
    for node in view.nodes:
        edges.add_metric([f"gateway->{node.name}", "gateway", node.name], node.in_flight)
    yield edges
    yield GaugeMetricFamily(
        "ollama_gateway_queue_length", "Requests that wait for a node.", value=view.waiting
    )
    yield GaugeMetricFamily(
        "ollama_gateway_client_connections",
        "Open connections of clients.",
        value=view.client_connections,
    )
    yield CounterMetricFamily(
        "ollama_gateway_access_log_lines_dropped",
        "Access log lines that could not be written.",
        value=view.log_lines_dropped,
    )
    yield GaugeMetricFamily(
        "ollama_gateway_config_last_reload_successful",
        "1 if the configuration that was read last could be used.",
        value=view.reload_successful,
    )
    yield GaugeMetricFamily(
        "ollama_gateway_config_last_reload_success_timestamp_seconds",
        "When a configuration was last taken over.",
        value=view.reloaded_at,
    )
    build = InfoMetricFamily("ollama_gateway_build", "Build of the gateway.")
    build.add_metric([], {"version": version})
    yield build
