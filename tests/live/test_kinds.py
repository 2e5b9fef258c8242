"""Nodes that are no Ollama: a real llama.cpp server, alone and beside a simulated Ollama."""

from __future__ import annotations

import json
import time
from functools import cache
from http.client import IncompleteRead
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.child import PATIENCE
from tests.live.clients.conversation import Conversations, held, in_python
from tests.live.gateways import RunningGateway
from tests.live.llama_server import LlamaServer
from tests.live.simulated import SimulatedNode

MODEL, OLLAMAS = "SmolLM2-135M", "llama3:8b"
HELLO = [{"role": "user", "content": "Say hello."}]
NODE = ("--model", OLLAMAS, "--answer-tokens", "5", "--load-time", "0")


def llama(port: int, **said: Any) -> dict[str, Any]:
    """The server as a node's configuration has it."""
    return {"name": "llama", "type": "openai", "url": f"http://127.0.0.1:{port}", **said}


def chat(model: str, **said: Any) -> dict[str, Any]:
    """The body of a short conversation."""
    return {"model": model, "messages": HELLO, "max_tokens": 8, "temperature": 0, **said}


@cache
def both() -> tuple[Conversations, Conversations]:
    """What clients hear from the server itself, and what they hear through the gateway."""
    command = in_python("llama_conversations.py")
    server = LlamaServer(MODEL)
    try:
        gateway = RunningGateway({}, nodes=(llama(server.port),))
        try:
            gateway.until_healthy("llama")
            urls = f"http://127.0.0.1:{server.port}", gateway.url
            direct, passed = (held(command, url, MODEL) for url in urls)
            return direct, passed
        finally:
            gateway.stop()
    finally:
        server.stop()


class ClientTests(SynchronousTestCase):
    """``openai`` and ``anthropic`` for Python, through a gateway in front of llama.cpp's server."""

    def setUp(self) -> None:
        self.direct, self.passed = both()

    def test_same(self) -> None:
        """They hear what the server itself says."""
        self.assertEqual(self.passed, self.direct)

    def test_whole(self) -> None:
        """It is a real answer of the model that was asked for, cut where it was to be cut."""
        model, text, reason = self.passed["chat"]
        self.assertEqual((model, reason), (MODEL, "length"))
        self.assertTrue(text.strip())
        for name in ("completion", "responses", "messages"):
            self.assertEqual(self.passed[name][0], MODEL)
            self.assertTrue(self.passed[name][1].strip(), name)

    def test_streamed(self) -> None:
        """Streamed, it comes in pieces that make up the same."""
        pieces, reasons = self.passed["stream"]
        self.assertGreater(len(pieces), 3)
        self.assertEqual(("".join(pieces), reasons), (self.passed["chat"][1], ["length"]))

    def test_listed(self) -> None:
        """Its model is listed by its own name."""
        self.assertEqual(self.passed["models"], [MODEL])

    def test_errors(self) -> None:
        """What it refuses it refuses in its own words."""
        status, text = self.passed["no_such_path"]
        self.assertEqual(status, 501)
        self.assertIn("--embeddings", text)


class Mixed:
    """A llama.cpp server and a simulated Ollama behind one gateway."""

    def __init__(self) -> None:
        self.server = LlamaServer(MODEL)
        self.ollama = SimulatedNode(*NODE)
        self.gateway = RunningGateway(
            {"ollama": self.ollama.port},
            nodes=(llama(self.server.port),),
            breaker={"cooldown": 0.2},
        )
        self.gateway.until_healthy("ollama", "llama")

    def stop(self) -> None:
        for each in (self.gateway, self.ollama, self.server):
            each.stop()

    def ask(self, path: str, body: Any) -> tuple[int, str | None, Any]:
        """The status, who answered, and what."""
        with self.gateway.open("POST", path, body) as answer:
            node = answer.getheader("X-Ollama-Gateway-Node")
            return answer.status, node, json.loads(answer.read())


@cache
def told() -> dict[str, Any]:
    """What the gateway in front of both answers to each of some questions."""
    mixed = Mixed()
    try:
        openai = "/v1/chat/completions"
        return {
            "both": [mixed.ask(openai, chat(each)) for each in (MODEL, OLLAMAS) * 2],
            "native": mixed.ask("/api/chat", chat(OLLAMAS, stream=False)),
            "wrong path": mixed.ask("/api/chat", chat(MODEL)),
            "unknown": [mixed.ask(openai, chat("nobody-has")) for _ in range(4)],
            "models": mixed.gateway.get("GET", "/v1/models")["data"],
            "tags": mixed.gateway.get("GET", "/api/tags")["models"],
            "nodes": mixed.gateway.get("GET", "/api/nodes")["nodes"],
            "query": mixed.gateway.get("GET", f"/api/routing/query?model_name={OLLAMAS}"),
        }
    finally:
        mixed.stop()


class MixedTests(SynchronousTestCase):
    """Which of the two is asked, and what is told of both."""

    def test_where(self) -> None:
        """Each model is asked for where it is."""
        found = [(status, node, answer["model"]) for status, node, answer in told()["both"]]
        self.assertEqual(found, [(200, "llama", MODEL), (200, "ollama", OLLAMAS)] * 2)
        self.assertEqual(told()["native"][:2], (200, "ollama"))

    def test_lists(self) -> None:
        """OpenAI's list has both, Ollama's only its own."""
        self.assertEqual(
            {each["id"]: each["nodes"] for each in told()["models"]},
            {MODEL: ["llama"], OLLAMAS: ["ollama"]},
        )
        self.assertEqual([each["name"] for each in told()["tags"]], [OLLAMAS])

    def test_wrong_path(self) -> None:
        """Who asks for the server's model in Ollama's words is told the path that works."""
        status, node, answer = told()["wrong path"]
        self.assertEqual((status, node), (404, None))
        self.assertEqual(
            answer["error"],
            "no node can answer (ollama: it does not have the model; "
            "llama: an openai node has no /api/chat); llama can be asked on /v1/chat/completions",
        )

    def test_unknown_model(self) -> None:
        """A model that nobody has is not found, however glad llama.cpp were to answer for it."""
        for status, node, answer in told()["unknown"]:
            self.assertEqual((status, node), (404, "ollama"))
            self.assertIn("nobody-has", answer["error"]["message"])

    def test_shown(self) -> None:
        """The pages tell its kind."""
        nodes = {each["name"]: each for each in told()["nodes"]}
        kinds = {name: (each["kind"], each["models"]) for name, each in nodes.items()}
        self.assertEqual(kinds, {"ollama": ("ollama", [OLLAMAS]), "llama": ("openai", [MODEL])})
        self.assertEqual(nodes["llama"]["loaded_models"], [MODEL])
        (rejected,) = told()["query"]["rejected_nodes"]
        self.assertEqual((rejected["name"], rejected["reason"]), ("llama", "kind"))


class KilledTests(SynchronousTestCase):
    """The server ends in the middle of an answer."""

    def test_killed(self) -> None:
        """An answer is cut when the server dies; when it is back, it is asked again."""
        mixed = Mixed()
        self.addCleanup(mixed.stop)
        body = chat(MODEL, stream=True, max_tokens=2000, ignore_eos=True)
        with mixed.gateway.open("POST", "/v1/chat/completions", body) as answer:
            self.assertEqual(answer.status, 200)
            first = answer.readline()
            mixed.server.stop()
            with self.assertRaises(IncompleteRead) as cut:
                answer.read()
            rest = (first + cut.exception.partial).decode()
        event = rest.rstrip("\n").rpartition("\n\n")[2]
        self.assertIn("llama could not finish this answer", event)
        self.assertNotIn("[DONE]", rest)
        status, node, refused = mixed.ask("/v1/chat/completions", chat(MODEL))
        self.assertEqual((status, node), (503, None))
        self.assertIn("llama", refused["error"]["message"])
        self.assertEqual(mixed.ask("/api/chat", chat(OLLAMAS, stream=False))[0], 200)
        mixed.server = LlamaServer(MODEL, mixed.server.port)
        mixed.gateway.until_healthy("llama")
        until = time.monotonic() + PATIENCE
        while mixed.ask("/v1/chat/completions", chat(MODEL))[0] != 200:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)


class KeyTests(SynchronousTestCase):
    """A llama.cpp server that wants a key."""

    def test_key(self) -> None:
        """It gets the one that is configured, in place of what the client sent."""
        server = LlamaServer(MODEL, key="its-key")
        self.addCleanup(server.stop)
        gateway = RunningGateway({}, nodes=(llama(server.port, api_key="its-key"),))
        self.addCleanup(gateway.stop)
        gateway.until_healthy("llama")
        theirs = {"Authorization": "Bearer another"}
        with gateway.open("POST", "/v1/chat/completions", chat(MODEL), **theirs) as answer:
            self.assertEqual(answer.status, 200)
