"""What clients see of several nodes, one of which hangs."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

QUICK = ("--load-time", "0", "--first-token-delay", "0")


class ListTests(SynchronousTestCase):
    """Two nodes with one model in common, behind a gateway."""

    def setUp(self) -> None:
        self.nodes = {}
        for name, models, version in (
            ("one", ("llama3:8b", "phi3:3.8b"), "0.13.0"),
            ("two", ("llama3:8b",), "0.12.3"),
        ):
            options = [word for model in models for word in ("--model", model)]
            node = SimulatedNode(*QUICK, *options, "--ollama-version", version)
            self.addCleanup(node.stop)
            self.nodes[name] = node
        ports = {name: node.port for name, node in self.nodes.items()}
        # Checked too seldom to find out within this test that a node hangs.
        health = {"interval": 30, "timeout": 5}
        # By turns, so that both nodes load what both have.
        self.gateway = RunningGateway(ports, health=health, strategy="round_robin")
        self.addCleanup(self.gateway.stop)
        self.gateway.until_healthy(*self.nodes)

    def get(self, path: str) -> Any:
        return self.gateway.get("GET", path)

    def test_who_has_what(self) -> None:
        """All lists tell which node has which model."""
        tags = {each["name"]: each["nodes"] for each in self.get("/api/tags")["models"]}
        self.assertEqual(tags, {"llama3:8b": ["one", "two"], "phi3:3.8b": ["one"]})
        ids = {each["id"]: each["nodes"] for each in self.get("/v1/models")["data"]}
        self.assertEqual(ids, tags)
        self.assertEqual(self.get("/v1/models/phi3:3.8b")["nodes"], ["one"])
        self.assertEqual(
            self.get("/api/version"),
            {"version": "0.12.3", "nodes": {"one": "0.13.0", "two": "0.12.3"}},
        )
        for _ in range(2):
            self.gateway.get("POST", "/api/generate", {"model": "llama3:8b", "stream": False})
        loaded = sorted(each["node"] for each in self.get("/api/ps")["models"])
        self.assertEqual(loaded, ["one", "two"])
        self.assertEqual(self.get("/nodes/loaded-models")["two"]["count"], 1)

    def test_node_that_hangs(self) -> None:
        """Its models are told all the same, without waiting for it."""
        process = self.nodes["two"].process.pid
        os.kill(process, signal.SIGSTOP)
        self.addCleanup(os.kill, process, signal.SIGCONT)
        for path, key in (("/api/tags", "models"), ("/v1/models", "data")):
            began = time.monotonic()
            with self.gateway.open("GET", path) as answer:
                missing = answer.headers["X-Ollama-Gateway-Missing"]
            self.assertLess(time.monotonic() - began, 2)
            self.assertEqual(missing, "two: no answer within 0.5 s")
            self.assertIn("two", self.get(path)[key][0]["nodes"])

    def test_foretold(self) -> None:
        """A request goes where it was said to go, by the reasons that were told."""
        ask = {"model": "phi3:3.8b", "prompt": "hi", "stream": False}
        told = self.gateway.get("POST", "/api/routing/query?path=/api/generate", ask)
        self.assertEqual(told["decision"]["nodes"], ["one"])
        ((name, reason),) = [(each["name"], each["reason"]) for each in told["rejected_nodes"]]
        self.assertEqual((name, reason), ("two", "model absent"))
        self.gateway.get("POST", "/api/generate", ask)
        (line,) = self.gateway.logged(1)
        self.assertEqual((line["node"], line["passed_over"]), ("one", "two: model absent"))
