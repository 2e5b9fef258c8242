"""A gateway that has just been started, and clients who are there before its nodes are known."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import HealthConfig, LineConfig
from tests.gateway.harness import Client, World, get, message, post, split, whole


class StartingCase(SynchronousTestCase):
    """Two nodes; nothing is known of either."""

    health = HealthConfig(start_period=20.0)
    line = LineConfig(wait_timeout=10.0)

    def setUp(self) -> None:
        self.world = World("ab", line=self.line, known=False, health=self.health)
        self.pool = self.world.pool

    def asks(self, request: bytes) -> Client:
        client = self.world.client()
        client.send(request)
        return client

    def connections(self) -> int:
        return sum(len(each.connections) for each in self.world.endpoints.values())

    def up(self, name: str, *models: str) -> None:
        self.world.know(name, models)

    def refuses(self, name: str) -> None:
        self.pool.checked(name, self.world.clock.seconds(), False, "connection refused")


class RequestTests(StartingCase):
    """Whoever asks a model."""

    def test_waits(self) -> None:
        """
        A request waits until a node is known that can serve it, and is answered by that.
        """
        client = self.asks(post(b"/api/chat"))
        self.refuses("a")
        self.world.sweep(3)
        self.assertEqual((client.read(), self.connections(), len(self.pool.line)), (b"", 0, 1))
        self.up("b", "m")
        self.world.node("b").answer(whole(b"{}"))
        self.assertEqual(client.read()[9:12], b"200")
        self.assertEqual(self.world.records[0].waited, 3.0)

    def test_told_apart(self) -> None:
        """
        Each waits for a node that has its own model.
        """
        one, other = self.asks(post(b"/api/chat", b'{"model":"x"}')), self.asks(post(b"/api/chat"))
        self.up("a", "m")
        self.world.node("a").answer(whole(b"{}"))
        self.assertEqual((other.read()[9:12], one.read()), (b"200", b""))
        self.up("b", "x")
        self.world.node("b").answer(whole(b"{}"))
        self.assertEqual(one.read()[9:12], b"200")

    def test_limit(self) -> None:
        """
        Nobody waits for ever: then one is told what is wrong with each node.
        """
        client = self.asks(post(b"/api/chat"))
        self.refuses("a")
        self.world.sweep(12)
        answer = client.read()
        self.assertEqual(answer[9:12], b"503")
        self.assertEqual(
            message(answer),
            "no node can answer (a: starting (connection refused); b: starting (not checked yet))",
        )
        self.assertIn(b"retry-after", split(answer)[1])
        self.assertEqual(len(self.pool.line), 0)

    def test_in_vain(self) -> None:
        """
        When none of them will come, one need not wait any longer.
        """
        client = self.asks(post(b"/api/chat"))
        for name in "ab":
            self.pool.given_up(name, 1.0, "it has ended by SIGKILL")
        self.world.sweep(1)
        self.assertIn("a: down (it has ended by SIGKILL)", message(client.read()))

    def test_leaves(self) -> None:
        """
        Who leaves meanwhile is not waited with: nothing is left of it, and no node is asked.
        """
        client = self.asks(post(b"/api/chat"))
        client.leave()
        self.assertEqual((len(self.pool.line), self.world.site.busy), (0, 0))
        self.up("a", "m")
        self.assertEqual((self.connections(), self.world.in_flight()), (0, 0))

    def test_health(self) -> None:
        """
        Whoever asks how the gateway is gets no better answer than there is.
        """
        for expected in (b"503", b"200"):
            client = self.asks(get(b"/health"))
            answer = client.read()
            self.assertEqual(answer[9:12], expected)
            self.assertEqual(json.loads(split(answer)[2])["healthy_nodes"], int(expected == b"200"))
            self.up("a", "m")


class NoLineTests(StartingCase):
    """Where nobody may wait."""

    line = LineConfig(max_waiting=0)

    def test_told(self) -> None:
        """
        One is told at once, and what is true: no node is busy.
        """
        client = self.asks(post(b"/api/chat"))
        self.assertIn("a: starting (not checked yet)", message(client.read()))


class ModelsTests(StartingCase):
    """Whoever asks about models, or changes them."""

    def test_show(self) -> None:
        """
        The node that has the model is asked about it, once it is known.
        """
        client = self.asks(post(b"/api/show", b'{"model":"x"}'))
        self.up("a", "m")
        self.assertEqual(self.connections(), 0)
        self.up("b", "x")
        self.assertIn(b"POST /api/show", self.world.node("b").asked())
        self.world.node("b").answer(whole(b"{}"))
        self.assertEqual(client.read()[9:12], b"200")
        self.assertEqual(self.pool.nodes["b"].busy, False)

    def test_limit(self) -> None:
        """
        That has its limit as well.
        """
        client = self.asks(post(b"/api/pull", b'{"model":"x"}'))
        self.world.sweep(12)
        self.assertIn("a: starting (not checked yet)", message(client.read()))
        self.assertEqual(self.connections(), 0)

    def test_named(self) -> None:
        """
        A node that is named is asked, whatever is known of it.
        """
        client = self.asks(post(b"/api/pull", b'{"model":"x"}', b"X-Ollama-Gateway-Nodes: b"))
        self.world.node("b").answer(whole(b'{"status":"success"}\n'))
        self.assertEqual(client.read()[9:12], b"200")

    def test_leaves(self) -> None:
        """
        Who leaves meanwhile leaves nothing behind.
        """
        client = self.asks(post(b"/api/delete", b'{"model":"x"}').replace(b"POST", b"DELETE"))
        self.assertEqual(len(self.pool.line), 1)
        client.leave()
        self.up("a", "x")
        self.assertEqual((self.connections(), len(self.pool.line)), (0, 0))
