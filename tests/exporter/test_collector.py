"""Metrics of what is known; and none of what is not."""

from __future__ import annotations

import subprocess

from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.exporter.settings import Watched
from ollama_twisted.exporter.view import ProcessFacts
from ollama_twisted.probe.snapshot import Method, Quality, Reason
from tests import parts
from tests.exporter.world import (
    DOWN,
    NODE2,
    NOTHING,
    ROUTER,
    UP,
    World,
    connections,
    report,
    snapshot,
    traffic,
)


def full() -> World:
    """An exporter that knows all there may be to know."""
    world = World(ROUTER, NODE2)
    world.said.views["node1"] = UP
    world.said.facts = {"server": ProcessFacts(1, 1000, 2.5, 20)}
    seen = connections(_10_0_0_5=2, _127_0_0_1=1)
    world.exporter.looked(snapshot(seen, traffic={11434: traffic(retransmitted=0)}))
    return world


class KnownTests(SynchronousTestCase):
    """What was seen."""

    def test_originals(self) -> None:
        """
        The original's four metrics have its names and labels.
        """
        world = full()
        self.assertEqual(world.sample("connections", node="node1"), 3)
        self.assertEqual(world.sample("bytes_sent_total", node="node1"), 100)
        self.assertEqual(world.sample("bytes_recv_total", node="node1"), 10)
        edge = {"id": "node1->router", "source": "node1", "target": "router"}
        self.assertEqual(world.sample("node_to_router", **edge), 2)

    def test_states(self) -> None:
        """
        Every state has a series, so that rates and sums need no guessing.
        """
        states = full().series("connections_by_state")
        self.assertEqual(len(states), 13)
        self.assertEqual(states["node1", "established"], 3)
        self.assertEqual(states["node1", "close_wait"], 0)

    def test_peers(self) -> None:
        """
        Configured peers are named, all others are of this machine or simply others.
        """
        self.assertEqual(
            full().series("connections_by_peer"),
            {
                ("node1", "router"): 2,
                ("node1", "node2"): 0,
                ("node1", "local"): 1,
                ("node1", "other"): 0,
            },
        )

    def test_no_addresses(self) -> None:
        """
        No stranger's address gets into a label.
        """
        world = World()
        world.exporter.looked(snapshot(connections(_203_0_113_7=1)))
        self.assertNotIn("203.0.113.7", generate_latest(world.registry).decode())

    def test_source(self) -> None:
        """
        How bytes are counted is said once for each node.
        """
        self.assertEqual(full().series("bytes_source_info"), {("node1", "ss_events", "exact"): 1})
        world = World()
        how = traffic(method=Method.ESTIMATE, quality=Quality.ESTIMATED)
        world.exporter.looked(snapshot(connections(), traffic={11434: how}))
        self.assertEqual(world.series("bytes_source_info"), {("node1", "estimate", "estimated"): 1})

    def test_no_router(self) -> None:
        """
        As long as no router is named, whoever is connected stands for one.
        """
        world = World()
        world.exporter.looked(snapshot(connections(_203_0_113_7=1, _127_0_0_1=1)))
        self.assertEqual(world.series("node_to_router"), {("node1->router", "node1", "router"): 2})

    def test_graph(self) -> None:
        """
        Both ends of each edge are among the graph's nodes, or the panel would break.
        """
        world = full()
        ends = {labels[0] for labels in world.series("graph_node")}
        for _, source, target in world.series("node_to_router"):
            self.assertTrue({source, target} <= ends)
        self.assertEqual(world.series("graph_node")["node1", "node1", "node"], 1)

    def test_models(self) -> None:
        """
        Each model in memory has its size, its part in the GPU, and its end.
        """
        world = full()
        labels = {"node": "node1", "model": "llama3.2:3b"}
        names = ("loaded", "size_bytes", "vram_bytes", "expires_timestamp_seconds")
        self.assertEqual(
            [world.sample(f"model_{name}", **labels) for name in names],
            [1, 3000, 2500, 1_900_000_000],
        )

    def test_failures(self) -> None:
        """
        Every cause of failure has a series from the first run on.
        """
        failures = full().series("exporter_probe_failures_total")
        self.assertEqual(failures, {("ss", each.value): 0 for each in Reason})

    def test_several(self) -> None:
        """
        Several Ollamas on one machine are told apart by name.
        """
        world = World(watched=(Watched("a", 1), Watched("b", 2)))
        world.exporter.looked(snapshot(connections(1, _127_0_0_1=1), connections(2)))
        self.assertEqual(world.series("connections"), {("a",): 1, ("b",): 0})


class UnknownTests(SynchronousTestCase):
    """What was not seen is absent; never a 0 that nobody counted."""

    def test_before(self) -> None:
        """
        Before the first look there is nothing to say of connections, bytes or probes.
        """
        world = World()
        for name in ("connections", "bytes_sent_total", "up", "listening", "node_to_router"):
            self.assertEqual(world.series(name), {}, name)
        self.assertEqual(world.series("exporter_probe_success"), {})

    def test_failed(self) -> None:
        """
        When every probe has failed, what was known before is not shown as if it still were.
        """
        world = full()
        world.exporter.looked(NOTHING)
        for name in ("connections", "bytes_recv_total", "connections_by_state", "node_to_router"):
            self.assertEqual(world.series(name), {}, name)
        self.assertEqual(world.series("exporter_probe_success"), {("ss",): 0})
        self.assertEqual(world.series("exporter_probe_exit_code"), {("ss",): 255})

    def test_no_bytes(self) -> None:
        """
        Where bytes cannot be measured there is no byte counter, and connections all the same.
        """
        world = World()
        world.exporter.looked(snapshot(connections(rtt=None), traffic={11434: traffic(None, None)}))
        for name in ("bytes_sent_total", "bytes_recv_total", "bytes_source_info", "rtt_seconds"):
            self.assertEqual(world.series(name), {}, name)
        self.assertEqual(world.sample("connections", node="node1"), 0)

    def test_down(self) -> None:
        """
        An Ollama that is down is 0; its version and models are not known.
        """
        world = World()
        world.said.views["node1"] = DOWN
        self.assertEqual(world.sample("up", node="node1"), 0)
        self.assertEqual(world.series("version_info"), {})
        self.assertEqual(world.series("model_loaded"), {})

    def test_probe_not_run(self) -> None:
        """
        A probe that is no child process has no exit code.
        """
        world = World()
        proc = report("proc", exit_code=None)
        world.exporter.looked(snapshot(connections(), probes={"proc": proc}))
        self.assertEqual(world.series("exporter_probe_exit_code"), {})
        self.assertEqual(world.series("exporter_probe_last_success_timestamp_seconds"), {})


class FormTests(SynchronousTestCase):
    """What Prometheus's own tools say."""

    def test_promtool(self) -> None:
        """
        promtool finds nothing to say about the metrics.
        """
        done = subprocess.run(
            [parts.executable("promtool"), "check", "metrics"],
            input=generate_latest(full().registry),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stdout.decode()), (0, ""))

    def test_open_metrics(self) -> None:
        """
        They are sound OpenMetrics as well.
        """
        text = open_metrics(full().registry).decode()
        names = {each.name for each in text_string_to_metric_families(text)}
        self.assertIn("ollama_bytes_sent", names)
