"""
Every metric that is published: its name, its help, its labels, its buckets.

Names follow OpenTelemetry's conventions for generative AI where they have one
(``gen_ai.server.time_to_first_token`` and its like).  Gauges are read from the
pool when somebody scrapes; counters and histograms are touched once an exchange,
never once a chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)

from ollama_twisted.record import Record
from ollama_twisted.wire.stream import Final

#: What a model nobody has is called, so that an outsider's inventions stay one series.
OTHER = "other"

# OpenTelemetry's advice for gen_ai.server.request.duration, time_to_first_token,
# time_per_output_token and gen_ai.client.token.usage, longer and shorter at the ends.
DURATION = tuple(0.01 * 2**power for power in range(17))
FIRST_TOKEN = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5)
FIRST_TOKEN += (10.0, 20.0, 40.0, 80.0, 160.0, 640.0)
PER_TOKEN = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS = tuple(4.0**power for power in range(11))

#: Shorter than this, Ollama only looked the model up; longer, it read it from disk.
LOADED = 0.1


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


class _Series:
    """The series of one operation, model and node, looked up once and kept."""

    __slots__ = (
        "attempts",
        "duration",
        "first_token",
        "generated",
        "input",
        "load",
        "output",
        "per_token",
        "prompt",
    )
    attempts: Any
    duration: Any
    first_token: Any
    generated: Any
    input: Any
    load: Any
    output: Any
    per_token: Any
    prompt: Any


class GatewayMetrics:
    """The gateway's metrics, in a registry that is handed in."""

    def __init__(
        self, registry: CollectorRegistry, view: Callable[[], PoolView], version: str
    ) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"ollama_gateway_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(
                f"ollama_gateway_{name}", text, labels, registry=registry, buckets=tuple(buckets)
            )

        each = ("operation", "model")
        self._requests = counter("requests_total", "Requests answered, by status.", *each, "code")
        self._failures = counter(
            "request_failures_total",
            "Requests that got no whole answer, by cause.",
            *each,
            "reason",
        )
        self._left = counter("client_disconnects_total", "Requests given up by the client.", *each)
        self._prompt = counter("prompt_tokens_total", "Input tokens processed.", *each)
        self._generated = counter("generation_tokens_total", "Output tokens produced.", *each)
        self._attempts = counter(
            "upstream_attempts_total", "Attempts sent to nodes, retries included.", "node"
        )
        self._retries = counter(
            "upstream_retries_total",
            "Attempts after which another node was asked, by the node that failed.",
            "node",
            "reason",
        )
        self._sent = counter("bytes_sent_total", "Body bytes sent to clients.")
        self._received = counter("bytes_received_total", "Body bytes received from clients.")
        self._duration = histogram(
            "request_duration_seconds",
            "From a request's last byte to its answer's (gen_ai.server.request.duration).",
            DURATION,
            *each,
            "node",
        )
        self._first_token = histogram(
            "time_to_first_token_seconds",
            "From a request to the first byte of its streamed answer"
            " (gen_ai.server.time_to_first_token).",
            FIRST_TOKEN,
            *each,
            "node",
        )
        self._per_token = histogram(
            "time_per_output_token_seconds",
            "Per output token after the first (gen_ai.server.time_per_output_token).",
            PER_TOKEN,
            *each,
            "node",
        )
        self._tokens = histogram(
            "request_tokens",
            "Tokens per request (gen_ai.client.token.usage).",
            TOKENS,
            *each,
            "token_type",
        )
        self._load = histogram(
            "model_load_duration_seconds",
            "Load time that Ollama reports (load_duration), where a model was read from disk.",
            DURATION,
            "model",
            "node",
        )
        self._waited = histogram(
            "queue_wait_seconds", "Time that a request waited in line for a node.", DURATION
        )
        self._checks = histogram(
            "health_check_duration_seconds", "Duration of health checks.", DURATION, "node"
        )
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._codes: dict[tuple[str, str, int], Any] = {}
        registry.register(_PoolCollector(view, version))

    def observe(self, record: Record, model: str) -> None:
        """Count one exchange that has ended; ``model`` is what its model is called here."""
        operation, node = record.operation, record.node
        if record.failure == "client_left":
            self._left.labels(operation, model).inc()
        else:
            if record.failure:
                self._failures.labels(operation, model, record.failure).inc()
            code = self._codes.get(key := (operation, model, record.status))
            if code is None:
                code = self._codes[key] = self._requests.labels(operation, model, record.status)
            code.inc()
        if record.received:
            self._received.inc(record.received)
        if record.relayed:
            self._sent.inc(record.relayed)
        if record.waited is not None:
            self._waited.observe(record.waited)
        for failed, reason in record.retries:
            self._retries.labels(failed, reason).inc()
            self._attempts.labels(failed).inc()
        if node:
            series = self._of(operation, model, node)
            series.attempts.inc(record.attempts - len(record.retries))
            series.duration.observe(record.ended - record.started)
            if record.final is not None:
                self._observe_final(record, record.final, series)

    def _observe_final(self, record: Record, final: Final, series: _Series) -> None:
        streamed = record.streamed and record.first_at > 0
        if streamed:
            series.first_token.observe(record.first_at - record.started)
        if final.prompt_tokens is not None:
            series.prompt.inc(final.prompt_tokens)
            series.input.observe(final.prompt_tokens)
        if final.generated_tokens is not None:
            series.generated.inc(final.generated_tokens)
            series.output.observe(final.generated_tokens)
            if streamed and final.generated_tokens > 1:
                rest = record.ended - record.first_at
                series.per_token.observe(rest / (final.generated_tokens - 1))
        if final.load is not None and final.load >= LOADED:
            series.load.observe(final.load)

    def checked(self, node: str, seconds: float) -> None:
        """Count one health check."""
        self._checks.labels(node).observe(seconds)

    def _of(self, operation: str, model: str, node: str) -> _Series:
        key = (operation, model, node)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
            series.duration = self._duration.labels(*key)
            series.first_token = self._first_token.labels(*key)
            series.per_token = self._per_token.labels(*key)
            series.prompt = self._prompt.labels(operation, model)
            series.generated = self._generated.labels(operation, model)
            series.input = self._tokens.labels(operation, model, "input")
            series.output = self._tokens.labels(operation, model, "output")
            series.load = self._load.labels(model, node)
            series.attempts = self._attempts.labels(node)
        return series


class _PoolCollector:
    """Gauges, read from the pool as it is at the moment of the scrape."""

    def __init__(self, view: Callable[[], PoolView], version: str) -> None:
        self._view = view
        self._version = version

    def collect(self) -> Iterable[Metric]:
        view = self._view()

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
        yield gauge(
            "node_ejected", "1 while failures keep the node out.", lambda node: node.ejected
        )
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
        build = InfoMetricFamily("ollama_gateway_build", "Build of the gateway.")
        build.add_metric([], {"version": self._version})
        yield build
