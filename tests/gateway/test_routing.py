"""Why requests go where they go: told beforehand, in answers and in the log, always the same."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase
from zstandard import ZstdCompressor

from ollama_twisted.config.resolved import SizeRange
from ollama_twisted.gateway.logline import line
from tests.gateway.harness import World, get, post, split, whole


class RoutingCase(SynchronousTestCase):
    """Three nodes; one has the model ``m``."""

    def setUp(self) -> None:
        self.world = World("abc", max_in_flight=1)
        self.world.know("b", ("n",))
        for _ in range(3):
            self.world.pool.checked("c", 0.0, False, "connection refused")

    def told(self, request: bytes, status: bytes = b"200 OK") -> Any:
        client = self.world.client()
        client.send(request)
        first, fields, rest = split(client.read())
        self.assertEqual(first, b"HTTP/1.1 " + status)
        self.assertEqual(fields[b"content-type"], b"application/json; charset=utf-8")
        self.assertEqual(sum(len(each.connections) for each in self.world.endpoints.values()), 0)
        return json.loads(rest)

    def query(self, model: str) -> Any:
        return self.told(get(b"/api/routing/query?model_name=" + quote(model).encode()))


class QueryTests(RoutingCase):
    """``GET /api/routing/query``."""

    def test_shape(self) -> None:
        """All that the original told, and what would be decided now."""
        told = self.query("m:8b")
        self.assertEqual(
            {name for name in told if name != "decision"},
            {
                "model_name",
                "base_name",
                "model_size_b",
                "size_detection",
                "candidate_nodes",
                "rejected_nodes",
                "fallback_nodes",
                "scheduling_strategy",
                "will_use_fallback",
            },
        )
        self.assertEqual(
            (told["model_name"], told["base_name"], told["model_size_b"]), ("m:8b", "m", 8.0)
        )
        self.assertEqual(told["size_detection"]["method"], "tag")
        self.assertFalse(told["size_detection"]["default_used"])

    def test_reasons(self) -> None:
        """Who may, who may not, and why."""
        told = self.query("M:latest")
        (node,) = told["candidate_nodes"]
        self.assertEqual(node["name"], "a")
        self.assertEqual((node["has_model"], node["reasons"]), (True, []))
        self.assertEqual((node["hosts"], node["port"]), (["a.test"], 11434))
        self.assertEqual(
            [(each["name"], each["reason"], each["reasons"]) for each in told["rejected_nodes"]],
            [
                ("b", "model absent", ["it does not have the model"]),
                ("c", "unhealthy", ["down (connection refused)"]),
            ],
        )
        self.assertEqual(
            told["decision"],
            {
                "verdict": "send",
                "nodes": ["a"],
                "why": "it was chosen longest ago",
                "waiting": 0,
            },
        )

    def test_fallback(self) -> None:
        """A model that nobody has is asked of those whom its size fits."""
        self.world.know("c", ())
        self.world.know("c", ())
        told = self.query("nobody-has")
        self.assertEqual((told["candidate_nodes"], told["will_use_fallback"]), ([], True))
        self.assertEqual([each["name"] for each in told["fallback_nodes"]], ["a", "b", "c"])

    def test_full(self) -> None:
        """A node that is full will be waited for."""
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node("a").asked()
        self.world.endpoints["a"].connections.clear()
        told = self.query("m")
        self.assertEqual(told["decision"]["verdict"], "wait in line")
        self.assertEqual(told["rejected_nodes"][0]["reasons"], ["1 requests in flight"])

    def test_nobody(self) -> None:
        """Where nobody may, it would be refused."""
        self.world = World("a", enabled=False)
        decision = self.query("m")["decision"]
        self.assertEqual((decision["verdict"], decision["nodes"]), ("refuse", []))

    def test_missing(self) -> None:
        """Without a model there is nothing to tell."""
        told = self.told(get(b"/api/routing/query"), b"400 Bad Request")
        self.assertEqual(told, {"error": "model_name is missing"})

    def test_as_decided(self) -> None:
        """The request that comes next goes where it was said to go."""
        world = World("abc", strategy="weighted_round_robin")
        for _ in range(5):
            client = world.client()
            client.send(get(b"/api/routing/query?model_name=m"))
            (foretold,) = json.loads(split(client.read())[2])["decision"]["nodes"]
            client.send(post(b"/api/chat"))
            world.node(foretold).answer(whole(b"{}"))
            self.assertEqual(split(client.read())[1][b"x-ollama-gateway-node"], foretold.encode())


class WholeRequestTests(RoutingCase):
    """``POST /api/routing/query``."""

    def test_body(self) -> None:
        """The model is found where a node would find it."""
        body = b'{"MODEL": "x", "model": "n", "stream": false}'
        told = self.told(post(b"/api/routing/query", body))
        self.assertEqual([each["name"] for each in told["candidate_nodes"]], ["b"])
        self.assertEqual(
            told["request"],
            {
                "method": "POST",
                "path": "/api/chat",
                "operation": "chat",
                "streams": False,
                "guarded": False,
            },
        )

    def test_path(self) -> None:
        """And on the route that is named."""
        told = self.told(
            post(b"/api/routing/query?path=/api/delete&method=delete", b'{"name": "n"}')
        )
        self.assertEqual((told["model_name"], told["request"]["guarded"]), ("n", True))
        told = self.told(post(b"/api/routing/query?path=/api/../x"), b"400 Bad Request")
        self.assertIn("error", told)

    def test_form(self) -> None:
        """A form, and a body that is compressed, are read as well."""
        form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nn\r\n--x--\r\n'
        path = b"/api/routing/query?path=/v1/audio/transcriptions"
        told = self.told(post(path, form, b"Content-Type: multipart/form-data; boundary=x"))
        self.assertEqual(told["model_name"], "n")
        path = b"/api/routing/query?path=/v1/chat/completions"
        packed = ZstdCompressor().compress(b'{"model": "n"}')
        self.assertEqual(
            self.told(post(path, packed, b"Content-Encoding: zstd"))["model_name"], "n"
        )

    def test_no_model(self) -> None:
        """A request without a model goes to any node."""
        told = self.told(post(b"/api/routing/query", b"{}"))
        self.assertEqual(told["model_name"], None)
        self.assertEqual([each["name"] for each in told["candidate_nodes"]], ["a", "b"])


class RulesTests(RoutingCase):
    """``GET /api/routing/rules``."""

    def test_shape(self) -> None:
        """The original's fields."""
        told = self.told(get(b"/api/routing/rules"))
        self.assertEqual(
            set(told),
            {
                "nodes",
                "model_patterns",
                "model_mappings",
                "default_model_size_b",
                "scheduling_strategy",
            },
        )
        self.assertEqual(
            [each["available_models"] for each in told["nodes"]], [["m"], ["n"], ["m"]]
        )


class AnswerTests(SynchronousTestCase):
    """What an answer and the log say."""

    def test_retries(self) -> None:
        """Who was given up on, and why, is in the answer's head and in the log."""
        world = World("ab")
        world.endpoints["a"].refuses = True
        client = world.client()
        client.send(post(b"/api/chat"))
        world.node("b").answer(whole(b"{}", b"200 OK", b"X-Ollama-Gateway-Retries: lies"))
        fields = split(client.read())[1]
        self.assertEqual(fields[b"x-ollama-gateway-node"], b"b")
        self.assertEqual(fields[b"x-ollama-gateway-retries"], b"a: unreachable")
        self.assertEqual(line(world.records[0], 0.0).retries, "a: unreachable")

    def test_explained(self) -> None:
        """Who asks is told why, as it was when the choice was made."""
        world = World("abc", max_in_flight=1)
        world.know("b", ("n",))
        client = world.client()
        client.send(post(b"/api/chat", b'{"model":"m"}', b"X-Ollama-Gateway-Explain: 1"))
        world.know("b", ("m",))
        world.node("a").answer(whole(b"{}"))
        self.assertEqual(
            split(client.read())[1][b"x-ollama-gateway-explain"],
            b"round_robin chose a among a, c; b: it does not have the model",
        )
        self.assertEqual(line(world.records[0], 0.0).passed_over, "b: model absent")

    def test_unasked(self) -> None:
        """Who does not ask is not told."""
        world = World()
        client = world.client()
        client.send(post(b"/api/chat"))
        world.node().answer(whole(b"{}"))
        fields = split(client.read())[1]
        self.assertEqual(
            [name for name in fields if name.startswith(b"x-ollama-gateway")],
            [b"x-ollama-gateway-node"],
        )

    def test_refused(self) -> None:
        """A refusal of the gateway's own has its reason in a word too."""
        world = World(ranges=(SizeRange(0, 1),))
        client = world.client()
        client.send(post(b"/api/chat", b'{"model":"m:70b"}'))
        fields = split(client.read())[1]
        self.assertEqual(fields[b"x-ollama-gateway-reason"], b"no_node")
        self.assertEqual(fields[b"retry-after"], b"1")
        self.assertEqual(
            world.records[0].detail, "no node can answer (a: 70B is outside its size ranges)"
        )
