"""What is counted, in which series, and that Prometheus agrees with its form."""

from __future__ import annotations

import subprocess
from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gauges import NodeView, PoolView
from ollama_twisted.metrics import GatewayMetrics
from ollama_twisted.record import Record
from ollama_twisted.wire.stream import Final
from tests import parts
from tests.gateway.harness import STREAM, World, chunks, get, post, split, whole

VIEW = PoolView(
    nodes=(
        NodeView("a", True, True, False, 1.5, 3, 2),
        NodeView('b"\\\n', False, False, True, 1.0, 0, 0),
    ),
    waiting=7,
    client_connections=9,
    log_lines_dropped=4,
)
CHAT = Record(
    operation="chat",
    method=b"POST",
    path=b"/api/chat",
    client=b"127.0.0.1",
    started=100.0,
    received=50,
    model="m",
    streamed=True,
    status=200,
    node="a",
    attempts=2,
    retries=(("b", "unreachable"),),
    waited=0.5,
    first_at=101.0,
    ended=103.0,
    relayed=700,
    final=Final(complete=True, prompt_tokens=11, generated_tokens=21, load=2.5),
)


class MetricsTests(SynchronousTestCase):
    """Exchanges as they are counted."""

    def setUp(self) -> None:
        self.metrics = GatewayMetrics(lambda: VIEW, "1.2.3")
        self.registry = CollectorRegistry()
        self.registry.register(self.metrics)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"ollama_gateway_{name}", labels)

    def test_counters(self) -> None:
        """One exchange is one request, with its bytes and tokens, and an attempt for each node."""
        self.metrics.observe(CHAT, "m")
        each = {"operation": "chat", "model": "m"}
        self.assertEqual(self.sample("requests_total", code="200", **each), 1)
        self.assertEqual(self.sample("prompt_tokens_total", **each), 11)
        self.assertEqual(self.sample("generation_tokens_total", **each), 21)
        self.assertEqual(self.sample("bytes_received_total"), 50)
        self.assertEqual(self.sample("bytes_sent_total"), 700)
        self.assertEqual(self.sample("upstream_attempts_total", node="a"), 1)
        self.assertEqual(self.sample("upstream_attempts_total", node="b"), 1)
        self.assertEqual(self.sample("upstream_retries_total", node="b", reason="unreachable"), 1)

    def test_times(self) -> None:
        """Its times are told by operation, model and node."""
        self.metrics.observe(CHAT, "m")
        each = {"operation": "chat", "model": "m", "node": "a"}
        self.assertEqual(self.sample("request_duration_seconds_sum", **each), 3)
        self.assertEqual(self.sample("time_to_first_token_seconds_sum", **each), 1)
        self.assertEqual(self.sample("time_per_output_token_seconds_sum", **each), 0.1)
        self.assertEqual(self.sample("model_load_duration_seconds_sum", model="m", node="a"), 2.5)
        self.assertEqual(self.sample("queue_wait_seconds_sum"), 0.5)

    def test_buckets(self) -> None:
        """Buckets are cumulative, and a value that is a bound is below it."""
        for duration in (0.01, 0.015, 0.02, 10_000.0):
            record = Record("show", b"POST", b"/", b"", 0.0, node="a", ended=duration, attempts=1)
            self.metrics.observe(record, "")
        found = [
            self.sample(
                "request_duration_seconds_bucket", operation="show", model="", node="a", le=bound
            )
            for bound in ("0.01", "0.02", "0.04", "655.36", "+Inf")
        ]
        self.assertEqual(found, [1, 3, 3, 3, 4])

    def test_short_load(self) -> None:
        """A model that was in memory was not loaded."""
        for load in (None, 0.0, 0.05):
            final = Final(complete=True, load=load)
            record = Record("chat", b"", b"", b"", 0.0, node="a", attempts=1, final=final)
            self.metrics.observe(record, "m")
        self.assertIsNone(self.sample("model_load_duration_seconds_count", model="m", node="a"))

    def test_one_token(self) -> None:
        """One token has no time per token after the first."""
        final = Final(complete=True, generated_tokens=1)
        record = Record(
            "chat", b"", b"", b"", 0.0, streamed=True, node="a", first_at=1.0, final=final
        )
        self.metrics.observe(record, "m")
        each = {"operation": "chat", "model": "m", "node": "a"}
        self.assertEqual(self.sample("time_to_first_token_seconds_count", **each), 1)
        self.assertIsNone(self.sample("time_per_output_token_seconds_count", **each))

    def test_left(self) -> None:
        """A client that left is a count of its own, and no request that was answered."""
        self.metrics.observe(Record("chat", b"", b"", b"", 0.0, failure="client_left"), "m")
        self.assertEqual(self.sample("client_disconnects_total", operation="chat", model="m"), 1)
        self.assertIsNone(self.sample("requests_total", operation="chat", model="m", code="0"))

    def test_gauges(self) -> None:
        """What holds at the moment is read when somebody asks."""
        self.assertEqual(
            [self.sample(name, node="a") for name in ("node_up", "node_ready", "node_ejected")],
            [1, 1, 0],
        )
        self.assertEqual(self.sample("node_weight", node="a"), 1.5)
        self.assertEqual(self.sample("requests_in_flight", node="a"), 3)
        self.assertEqual(self.sample("upstream_idle_connections", node="a"), 2)
        self.assertEqual(
            self.sample("edge_requests_in_flight", id="gateway->a", source="gateway", target="a"),
            3,
        )
        self.assertEqual(self.sample("queue_length"), 7)
        self.assertEqual(self.sample("client_connections"), 9)
        self.assertEqual(self.sample("access_log_lines_dropped_total"), 4)
        self.assertEqual(self.sample("build_info", version="1.2.3"), 1)

    def test_described(self) -> None:
        """Every metric says what it is, in a sentence."""
        for metric in self.metrics.collect():
            assert isinstance(metric, Metric)
            self.assertTrue(metric.documentation.endswith("."), metric.name)

    def test_promtool(self) -> None:
        """Prometheus's own tool finds nothing to say against the page."""
        self.metrics.observe(CHAT, 'm"\\\n')
        self.metrics.observe(Record("chat", b"", b"", b"", 0.0, failure="client_left"), "m")
        self.metrics.observe(replace(CHAT, audio=8.0, asked_at=101.0), "tiny")
        self.metrics.checked("a", 0.1)
        check(self, generate_latest(self.registry))


class SceneTests(SynchronousTestCase):
    """The page of a gateway that has seen something."""

    def test_known_models(self) -> None:
        """A model that a node has is told by its name, the tag filled in."""
        world = World(models=("m", "llama3:latest"))
        for asked, told in (("m", "m"), ("llama3", "llama3:latest"), ("llama3:latest", None)):
            world.client().send(post(b"/api/chat", b'{"model":"%b"}' % asked.encode()))
            world.node().answer(whole(b"{}"))
            each = {"operation": "chat", "model": told or "llama3:latest", "code": "200"}
            self.assertEqual(world.sample("requests_total", **each), 1 if told else 2)

    def test_invented_models(self) -> None:
        """Ten thousand names that nobody has are one series."""
        world = World()
        client = world.client()
        for number in range(10_000):
            client.send(post(b"/api/chat", b'{"model":"invented-%d"}' % number))
            world.node().answer(whole(b"{}", b"404 Not Found"))
            client.read()
            world.node().asked()
        self.assertEqual(
            world.sample("requests_total", operation="chat", model="other", code="404"), 10_000
        )
        page = generate_latest(world.registry)
        self.assertNotIn(b"invented", page)
        self.assertLess(len(page.splitlines()), 400)

    def test_many_models(self) -> None:
        """Nor does a node that lists thousands of names make more series than a bound."""
        world = World(models=tuple(f"model-{number}" for number in range(3000)))
        client = world.client()
        for number in range(0, 3000, 3):
            client.send(post(b"/api/chat", b'{"model":"model-%d"}' % number))
            world.node().answer(whole(b"{}"))
            client.read()
        labels = {
            sample.labels["model"]
            for metric in world.registry.collect()
            for sample in metric.samples
            if "model" in sample.labels
        }
        self.assertLess(len(labels), 502)
        self.assertIn("other", labels)

    def test_odd_requests(self) -> None:
        """Paths, methods and codes that are invented make no series of their own."""
        world = World()
        client = world.client()
        for number in range(50):
            client.send(get(b"/x%d" % number, method=b"M%d" % number))
            world.node().answer(whole(b"{}"))
        self.assertEqual(
            world.sample("requests_total", operation="other", model="", code="200"), 50
        )

    def test_promtool(self) -> None:
        """The page after all kinds of events is in order too."""
        world = World("ab", max_in_flight=1)
        client = world.client()
        client.send(post(b"/api/chat"))
        world.node("a").answer(
            STREAM
            + chunks(b'{"done":true,"eval_count":5,"prompt_eval_count":3,"load_duration":9}\n')
        )
        client.send(post(b"/api/chat", b'{"model":"\\"\\\\\\n"}'))
        world.node("b").close()
        leaves = world.client()
        leaves.send(post(b"/api/chat"))
        leaves.leave()
        world.client().send(b"JUNK\r\n\r\n")
        asking = world.client()
        asking.send(get(b"/metrics"))
        _, fields, page = split(asking.read())
        if b"transfer-encoding" in fields:
            _, _, page = page.partition(b"\r\n")
            page = page.rpartition(b"\r\n0\r\n\r\n")[0]
        check(self, page)


def check(case: SynchronousTestCase, page: bytes) -> None:
    """Have promtool look at a page."""
    promtool = parts.executable("promtool")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False
    )
    case.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, b"", b""))
