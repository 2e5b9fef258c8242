"""The gateway's own pages, in the shapes that the original had."""

from __future__ import annotations

import json
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import Address, BreakerConfig, SizeRange
from ollama_twisted.services import Kind, Service
from ollama_twisted.web.pages import CONTENT_POLICY
from tests.gateway.harness import World, get, post, split, whole


class PageCase(SynchronousTestCase):
    """A gateway with two nodes."""

    def setUp(self) -> None:
        self.world = World("ab")

    def page(self, path: bytes, *fields: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
        client = self.world.client()
        client.send(get(path, *fields, b"Connection: close"))
        first, headers, rest = split(client.read())
        return first[9:12], headers, rest

    def document(self, path: bytes) -> Any:
        _, fields, rest = self.page(path)
        self.assertEqual(fields[b"content-type"], b"application/json; charset=utf-8")
        self.assertEqual(fields[b"cache-control"], b"no-store")
        return json.loads(rest)

    def down(self, *names: str) -> None:
        for name in names:
            for _ in range(3):
                self.world.pool.checked(name, 0.0, False, "connection refused")


class HealthTests(PageCase):
    """``GET /health``."""

    def test_shape(self) -> None:
        """It tells who is healthy, and what each has done."""
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.assertEqual(
            self.document(b"/health"),
            {
                "status": "healthy",
                "healthy_nodes": 2,
                "total_nodes": 2,
                "nodes": {
                    "a": {
                        "healthy": True,
                        "active_connections": 1,
                        "total_requests": 1,
                        "failed_requests": 0,
                    },
                    "b": {
                        "healthy": True,
                        "active_connections": 0,
                        "total_requests": 0,
                        "failed_requests": 0,
                    },
                },
            },
        )

    def test_one_down(self) -> None:
        """One healthy node is enough."""
        self.down("a")
        self.assertEqual(self.page(b"/health")[0], b"200")
        self.assertEqual(self.document(b"/health")["healthy_nodes"], 1)

    def test_all_down(self) -> None:
        """Without any it is 503, so that a load balancer in front of us looks elsewhere."""
        self.down("a", "b")
        self.assertEqual(self.page(b"/health")[0], b"503")
        self.assertEqual(self.document(b"/health")["status"], "degraded")

    def test_query(self) -> None:
        """A query changes nothing."""
        self.assertEqual(self.page(b"/health?x=1")[0], b"200")

    def test_head(self) -> None:
        """HEAD asks for the same without a body."""
        client = self.world.client()
        client.send(get(b"/health", method=b"HEAD"))
        first, _, rest = split(client.read())
        self.assertEqual((first, rest), (b"HTTP/1.1 200 OK", b""))

    def test_method(self) -> None:
        """Nothing can be posted to it."""
        client = self.world.client()
        client.send(post(b"/health"))
        self.assertEqual(client.read()[9:12], b"405")


class NodesTests(PageCase):
    """``GET /api/nodes``."""

    def test_shape(self) -> None:
        """Each node is told as configured and as seen."""
        self.world = World(
            weight=2.0,
            memory_gb=64.0,
            description="big",
            max_in_flight=4,
            labels={"room": "1"},
            ranges=(SizeRange(0.0, 8.0, "small"),),
            headers=(("Authorization", "Bearer secret"),),
            api_key="secret",
        )
        said = self.document(b"/api/nodes")
        self.assertEqual(said["scheduling_strategy"], "round_robin")
        (node,) = said["nodes"]
        stats = node.pop("stats")
        self.assertEqual(
            node,
            {
                "name": "a",
                "type": "local",
                "kind": "ollama",
                "weight": 2.0,
                "enabled": True,
                "version": "0.20.0",
                "models": ["m"],
                "loaded_models": [],
                "hosts": ["a.test"],
                "port": 11434,
                "url": "http://a.test:11434",
                "config": {
                    "memory_gb": 64.0,
                    "description": "big",
                    "max_in_flight": 4,
                    "models": [],
                    "lacks": [],
                    "labels": {"room": "1"},
                    "supported_model_ranges": [
                        {"min_params_b": 0.0, "max_params_b": 8.0, "description": "small"}
                    ],
                },
            },
        )
        self.assertIsInstance(stats.pop("last_health_check"), float)
        self.assertEqual(
            stats,
            {
                "active_connections": 0,
                "transfers": 0,
                "total_requests": 0,
                "failed_requests": 0,
                "last_health_error": "",
                "is_healthy": True,
                "is_ejected": False,
                "is_draining": False,
                "is_drained": False,
                "current_weight": 2.0,
                "effective_weight": 2.0,
                "last_model_sync": None,
            },
        )

    def test_slow_start(self) -> None:
        """How much of its weight a node has that has come back is told as it is now."""
        for draining in (True, False):
            self.world.pool.drain("a", draining, 0)
        seen = []
        for seconds in (0, 5, 5):
            self.world.clock.advance(seconds)
            node = self.document(b"/api/nodes")["nodes"][0]
            seen.append(node["stats"]["effective_weight"] / node["weight"])
        self.assertEqual(seen, [0.1, 0.5, 1.0])

    def test_no_secrets(self) -> None:
        """No key is on any page."""
        self.world = World(
            kind=Kind.EXTERNAL,
            addresses=(Address("https", "a.test", 443, "/v1"),),
            headers=(("Authorization", "Bearer hunter2"),),
            api_key="hunter2",
        )
        for path in (b"/api/nodes", b"/health", b"/metrics"):
            self.assertNotIn(b"hunter2", self.page(path)[2])
        self.assertNotIn(b"hunter2", self.page(b"/", b"Accept: text/html")[2])
        (node,) = self.document(b"/api/nodes")["nodes"]
        self.assertEqual((node["api_url"], "hosts" in node), ("https://a.test/v1", False))

    def test_seen(self) -> None:
        """What has become of a node can be read off it."""
        self.world = World("ab", breaker=BreakerConfig(failures=1))
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node("a").answer(whole(b"{}", b"500 Oops"))
        self.down("b")
        first, second = self.document(b"/api/nodes")["nodes"]
        self.assertEqual(
            [first["stats"][name] for name in ("total_requests", "failed_requests", "is_ejected")],
            [1, 1, True],
        )
        self.assertEqual(
            [second["stats"][name] for name in ("is_healthy", "last_health_error")],
            [False, "connection refused"],
        )


class OtherPageTests(PageCase):
    """The pages for browsers and scrapers."""

    def test_status_page(self) -> None:
        """A browser sees the nodes, and nothing from elsewhere may run in it."""
        self.world.know("a", ("<script>alert(1)</script>",))
        self.down("b")
        self.world.gateway.notice = "these are <demo> nodes"
        status, fields, rest = self.page(b"/", b"Accept: text/html")
        self.assertEqual((status, fields[b"content-type"]), (b"200", b"text/html; charset=utf-8"))
        self.assertEqual(fields[b"content-security-policy"], CONTENT_POLICY)
        for said in (b"http://a.test:11434", b"connection refused", b"these are &lt;demo"):
            self.assertIn(said, rest)
        self.assertIn(b"default-src 'self';", CONTENT_POLICY)
        self.assertNotIn(b"<script>", rest)

    def test_static(self) -> None:
        """Its style sheet is there; nothing is that was not meant to be."""
        status, fields, _ = self.page(b"/static/style.css")
        self.assertEqual((status, fields[b"content-type"]), (b"200", b"text/css; charset=utf-8"))
        for path in (b"/static/status.html", b"/static/%2e%2e", b"/static/", b"/static/x.css"):
            self.assertIn(self.page(path)[0], (b"404", b"400"), path)
        self.assertEqual(self.page(b"/favicon.ico")[0], b"404")
        self.assertEqual(self.world.endpoints["a"].connections, [])

    def test_metrics_forms(self) -> None:
        """A scraper gets the form that it prefers."""
        _, fields, rest = self.page(b"/metrics", b"Accept: application/openmetrics-text")
        self.assertTrue(fields[b"content-type"].startswith(b"application/openmetrics-text"))
        self.assertTrue(list(text_string_to_metric_families(rest.decode())))
        _, fields, _ = self.page(b"/metrics")
        self.assertTrue(fields[b"content-type"].startswith(b"text/plain"))

    def test_other_paths(self) -> None:
        """Every other path is a node's."""
        for path in (b"/healthz", b"/health/", b"/api/nodes/", b"/metricsx", b"/staticx"):
            client = self.world.client()
            before = sum(len(each.connections) for each in self.world.endpoints.values())
            client.send(get(path))
            after = sum(len(each.connections) for each in self.world.endpoints.values())
            self.assertEqual(after, before + 1, path)
            client.leave()

    def test_not_counted(self) -> None:
        """Pages are in no count of requests: a scraper's are not the clients'."""
        self.page(b"/metrics")
        self.page(b"/health")
        self.assertEqual(self.world.records, [])
        self.assertNotIn(b'operation="', self.page(b"/metrics")[2])


class ConfigurationTests(SynchronousTestCase):
    """``GET /debug/config``."""

    def test_secrets(self) -> None:
        """All that is configured, but for what is nobody's business."""
        world = World("a", api_key="hunter2", headers=(("X-Org", "hunter3"),), kind=Kind.EXTERNAL)
        client = world.client()
        client.send(get(b"/debug/config"))
        rest = split(client.read())[2]
        self.assertNotIn(b"hunter", rest)
        document = json.loads(rest)
        (node,) = document["config"]["nodes"]
        self.assertEqual((node["api_key"], node["headers"]), ("(hidden)", [["X-Org", "(hidden)"]]))
        self.assertEqual(node["timeouts"]["connect"], 2.0)
        self.assertEqual((document["nodes_count"], document["warnings"]), (1, []))

    def test_kind(self) -> None:
        """A node's kind is there, and what it lacks of what its kind has."""
        world = World("a", kind=Kind.OPENAI, lacks=frozenset({Service.RESPONSES}))
        client = world.client()
        client.send(get(b"/debug/config"))
        (node,) = json.loads(split(client.read())[2])["config"]["nodes"]
        self.assertEqual((node["kind"], node["lacks"]), ("openai", ["responses"]))
