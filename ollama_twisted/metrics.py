"""
Every metric that the gateway publishes: its name, its help, its labels, its buckets.

Names follow OpenTelemetry's conventions for generative AI where they have one
(``gen_ai.server.time_to_first_token`` and its like).  Numbers are counted once an
exchange, as plain numbers, and become Prometheus's types when somebody scrapes; the
gauges (see ``gauges``) are read from the pool at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric

from ollama_twisted.gauges import PoolView, gauges
from ollama_twisted.record import Record
from ollama_twisted.series import Count, Distribution, Observed
from ollama_twisted.wire.stream import Final

#: What a model nobody has is called, so that an outsider's inventions stay one series.
OTHER = "other"

#: Shorter than this, Ollama only looked the model up; longer, it read it from disk.
LOADED = 0.1

# OpenTelemetry's advice for gen_ai.server.request.duration, time_to_first_token,
# time_per_output_token and gen_ai.client.token.usage, longer and shorter at the ends.
_DURATION = tuple(round(0.01 * 2**power, 2) for power in range(17))
_FIRST_TOKEN: tuple[float, ...] = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75)
_FIRST_TOKEN += (1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0)
_PER_TOKEN: tuple[float, ...] = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2)
_PER_TOKEN += (0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS = tuple(4.0**power for power in range(11))

_TRANSCRIPTION = tuple(0.25 * 2**power for power in range(15))
_REAL_TIME: tuple[float, ...] = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3)
_REAL_TIME += (0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0)

_EACH = ("operation", "model")
_HEARD = ("model", "node")


class _Alike:
    """Requests that a node answered whole at once, which say no more than this of themselves."""

    __slots__ = ("attempts", "duration", "received", "requests", "sent")

    def __init__(self, duration: Observed) -> None:
        self.requests = self.attempts = self.received = self.sent = 0
        self.duration = duration


class GatewayMetrics:
    """What has been counted, and a collector of it for a Prometheus registry."""

    def __init__(self, view: Callable[[], PoolView], version: str) -> None:
        self._view = view
        self._version = version
        #: Not to look into five counts each time: bounded as they are, and emptied by a scrape.
        self._alike: dict[tuple[str, str, str, int], _Alike] = {}
        self._requests = Count("requests", "Requests answered, by status.", (*_EACH, "code"))
        self._failures = Count(
            "request_failures", "Requests without a whole answer, by cause.", (*_EACH, "reason")
        )
        self._left = Count("client_disconnects", "Requests given up by the client.", _EACH)
        self._prompt = Count("prompt_tokens", "Input tokens processed.", _EACH)
        self._generated = Count("generation_tokens", "Output tokens produced.", _EACH)
        self._attempts = Count(
            "upstream_attempts", "Attempts sent to nodes, retries included.", ("node",)
        )
        self._retries = Count(
            "upstream_retries",
            "Attempts after which another node was asked, by the node that failed.",
            ("node", "reason"),
        )
        self._spent = Count(
            "upstream_retries_refused",
            "Attempts after which no other node was asked, because too many requests were being"
            " asked again (gateway.retry_percent), by the node that failed.",
            ("node", "reason"),
        )
        self._sent = Count("bytes_sent", "Body bytes sent to clients.")
        self._received = Count("bytes_received", "Body bytes received from clients.")
        self._duration = Distribution(
            "request_duration_seconds",
            "From a request's last byte to its answer's (gen_ai.server.request.duration).",
            _DURATION,
            *_EACH,
            "node",
        )
        self._first_token = Distribution(
            "time_to_first_token_seconds",
            "From a request to the first byte of its streamed answer"
            " (gen_ai.server.time_to_first_token).",
            _FIRST_TOKEN,
            *_EACH,
            "node",
        )
        self._per_token = Distribution(
            "time_per_output_token_seconds",
            "Per output token after the first (gen_ai.server.time_per_output_token).",
            _PER_TOKEN,
            *_EACH,
            "node",
        )
        self._tokens = Distribution(
            "request_tokens",
            "Tokens per request (gen_ai.client.token.usage).",
            _TOKENS,
            *_EACH,
            "token_type",
        )
        self._load = Distribution(
            "model_load_duration_seconds",
            "Load time that Ollama reports (load_duration), where a model was read from disk.",
            _DURATION,
            "model",
            "node",
        )
        self._audio = Count(
            "audio_seconds", "Seconds of audio that were transcribed or translated.", _HEARD
        )
        self._heard = Distribution(
            "transcription_duration_seconds",
            "From sending a recording to a node to the end of its answer.",
            _TRANSCRIPTION,
            *_HEARD,
        )
        self._pace = Distribution(
            "transcription_real_time_factor",
            "The same for each second of audio, where it is known how long that lasts.",
            _REAL_TIME,
            *_HEARD,
        )
        self._waited = Distribution(
            "queue_wait_seconds", "Time that a request waited in line for a node.", _DURATION
        )
        self._checks = Distribution(
            "health_check_duration_seconds", "Duration of health checks.", _DURATION, "node"
        )

    def observe(self, record: Record, model: str) -> None:
        """Count one exchange that has ended; ``model`` is what its model is called here."""
        node = record.node
        if (
            not node
            or record.failure
            or record.final is not None
            or record.retries
            or record.not_retried is not None
            or record.nodes
            or record.waited is not None
            or record.asked_at is not None
        ):
            self._observe(record, model)
            return
        key = record.operation, model, node, record.status
        alike = self._alike.get(key) or self._new(key)
        alike.requests += 1
        alike.attempts += record.attempts
        alike.received += record.received
        alike.sent += record.relayed
        alike.duration.observe(record.ended - record.started)

    def _new(self, key: tuple[str, str, str, int]) -> _Alike:
        alike = self._alike[key] = _Alike(self._duration.of(*key[:3]))
        return alike

    def _tell_apart(self) -> None:
        """Count where it is published what was counted together."""
        alike, self._alike = self._alike, {}
        for (operation, model, node, status), each in alike.items():
            self._requests.of[operation, model, str(status)] += each.requests
            self._attempts.of[node,] += each.attempts
            self._received.of[()] += each.received
            self._sent.of[()] += each.sent

    def _observe(self, record: Record, model: str) -> None:
        operation, node = record.operation, record.node
        if record.failure == "client_left":
            self._left.of[operation, model] += 1
        else:
            self._requests.of[operation, model, str(record.status)] += 1
            if record.failure:
                self._failures.of[operation, model, record.failure] += 1
        self._received.of[()] += record.received
        self._sent.of[()] += record.relayed
        if record.waited is not None:
            self._waited.of().observe(record.waited)
        for failed, reason in record.retries:
            self._retries.of[failed, reason] += 1
            self._attempts.of[failed,] += 1
        if record.not_retried is not None:
            self._spent.of[record.not_retried] += 1
        for name in record.nodes:
            self._attempts.of[name,] += 1
        if node:
            self._attempts.of[node,] += record.attempts - len(record.retries)
            self._duration.of(operation, model, node).observe(record.ended - record.started)
            if record.final is not None:
                self._observe_final(record, record.final, model)
            if record.asked_at is not None and record.status == 200 and not record.failure:
                self._observe_audio(record, record.ended - record.asked_at, model)

    def _observe_final(self, record: Record, final: Final, model: str) -> None:
        operation, node = record.operation, record.node
        streamed = record.streamed and record.first_at > 0
        if streamed:
            first = record.first_at - record.started
            self._first_token.of(operation, model, node).observe(first)
        if final.prompt_tokens is not None:
            self._prompt.of[operation, model] += final.prompt_tokens
            self._tokens.of(operation, model, "input").observe(final.prompt_tokens)
        if final.generated_tokens is not None:
            self._generated.of[operation, model] += final.generated_tokens
            self._tokens.of(operation, model, "output").observe(final.generated_tokens)
            if streamed and final.generated_tokens > 1:
                each = (record.ended - record.first_at) / (final.generated_tokens - 1)
                self._per_token.of(operation, model, node).observe(each)
        if final.load is not None and final.load >= LOADED:
            self._load.of(model, node).observe(final.load)

    def _observe_audio(self, record: Record, took: float, model: str) -> None:
        self._heard.of(model, record.node).observe(took)
        if record.audio:
            self._audio.of[model, record.node] += record.audio
            self._pace.of(model, record.node).observe(took / record.audio)

    def checked(self, node: str, seconds: float) -> None:
        """Count one health check."""
        self._checks.of(node).observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """Everything, as Prometheus's client library wants it."""
        self._tell_apart()
        for each in vars(self).values():
            if isinstance(each, (Count, Distribution)):
                yield each.family()
        yield from gauges(self._view(), self._version)
