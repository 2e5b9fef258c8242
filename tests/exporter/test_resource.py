"""The exporter's pages, asked over HTTP."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.exporter.resource import site
from ollama_twisted.web.pages import CONTENT_POLICY
from tests.exporter.world import NOTHING, ROUTER, UP, World, connections, report, snapshot
from tests.web.harness import Answer, Visitor

ORIGIN = b"https://grafana.example"


class PageTests(SynchronousTestCase):
    """Each page."""

    def setUp(self) -> None:
        self.world = World(ROUTER, origins=(ORIGIN.decode(),))
        self.now = 1000.0
        self.site = site(self.world.exporter, self.world.registry, lambda: self.now)

    def get(self, path: bytes, **fields: bytes) -> Answer:
        return Visitor(self.site).get(path, **fields)

    def json(self, path: bytes) -> Any:
        return json.loads(self.get(path).body)

    def look(self, **peers: int) -> None:
        self.world.exporter.looked(snapshot(connections(**peers)))

    def test_metrics(self) -> None:
        """
        ``/metrics`` tells what was last seen.
        """
        self.look(_10_0_0_5=2)
        self.assertIn(b'ollama_connections{node="node1"} 2.0', self.get(b"/metrics").body)

    def test_health(self) -> None:
        """
        ``/health`` is 503 until something was seen, when nothing can be, and when that was long
        ago; an Ollama that is down is not the exporter's illness.
        """
        self.assertEqual(self.get(b"/health").status, 503)
        self.look()
        self.assertEqual(self.get(b"/health").status, 200)
        self.assertEqual(self.json(b"/health")["nodes"]["node1"]["connections"], 0)
        self.now += 60
        self.assertEqual(self.json(b"/health")["stale"], True)
        self.now = 5.0
        self.world.exporter.looked(NOTHING)
        answer = self.get(b"/health")
        self.assertEqual(answer.status, 503)
        self.assertEqual(json.loads(answer.body)["hint"], "Install iproute2.")

    def test_topology(self) -> None:
        """
        ``/api/topology`` is never cached, and its tag is its number in this run.
        """
        self.look(_10_0_0_5=1)
        answer = self.get(b"/api/topology")
        self.assertEqual(answer.field(b"cache-control"), b"no-store")
        tag = b'"%d-1"' % self.world.exporter.started
        self.assertEqual(answer.field(b"etag"), tag)
        self.assertEqual(json.loads(answer.body)["seq"], 1)

    def test_not_changed(self) -> None:
        """
        Who has the newest topology is told no more than that.
        """
        self.look(_10_0_0_5=1)
        known = self.get(b"/api/topology").field(b"etag") or b""
        answer = self.get(b"/api/topology", if_none_match=known)
        self.assertEqual((answer.status, answer.body), (304, b""))
        self.world.exporter.started += 1
        self.assertEqual(self.get(b"/api/topology", if_none_match=known).status, 200)

    def test_events(self) -> None:
        """
        ``/api/events`` begins with the snapshot and goes on with what changes, and only that.
        """
        self.look(_10_0_0_5=1)
        visitor = Visitor(self.site)
        self.assertIn(b"event: snapshot\nid: 1\n", visitor.get(b"/api/events").body)
        self.look(_10_0_0_5=1)
        self.assertEqual(visitor.take(), b"")
        self.look(_10_0_0_5=2)
        told = visitor.take()
        self.assertIn(b"event: delta\nid: 2\n", told)
        self.assertIn(b'"connections":2', told)

    def test_graph(self) -> None:
        """
        Grafana finds health, fields and data, whatever else it puts into its query.
        """
        self.look(_10_0_0_5=1)
        self.assertEqual(self.get(b"/api/health").status, 200)
        self.assertIn("nodes_fields", self.json(b"/api/graph/fields"))
        data = self.json(b"/api/graph/data?from=1&to=2&x=y")
        ends = {each["id"] for each in data["nodes"]}
        self.assertEqual([each["id"] for each in data["edges"]], ["node1->router"])
        self.assertEqual(ends, {"node1", "router"})

    def test_landing(self) -> None:
        """
        ``/`` shows people what is watched, how it is known, and what to do about it.
        """
        self.world.said.views["node1"] = UP
        failing = report("ss", success=False, detail="<timed out>")
        self.world.exporter.looked(
            snapshot(connections(_10_0_0_5=1234), probes={"ss": failing}, hint="Do <this>.")
        )
        page = self.get(b"/").body.decode()
        for each in ("node1", "1,234", "exact", "llama3.2:3b", "Do &lt;this&gt;.", "&lt;timed out"):
            self.assertIn(each, page)

    def test_landing_empty(self) -> None:
        """
        It does so before anything is known, too.
        """
        answer = self.get(b"/")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.field(b"content-security-policy"), CONTENT_POLICY)

    def test_cors(self) -> None:
        """
        Listed origins may read the metrics and the API, not the pages for people.
        """
        self.look()
        allow = b"access-control-allow-origin"
        for path in (b"/metrics", b"/api/topology", b"/api/none"):
            self.assertEqual(self.get(path, origin=ORIGIN).field(allow), ORIGIN, path)
        for path in (b"/", b"/health"):
            self.assertEqual(self.get(path, origin=ORIGIN).field(allow), None, path)

    def test_unknown(self) -> None:
        """
        There is nothing else.
        """
        for path in (b"/api", b"/api/", b"/api/tags", b"/metrics/x", b"/static", b"/x"):
            self.assertEqual(self.get(path).status, 404, path)
