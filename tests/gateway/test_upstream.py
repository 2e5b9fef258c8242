"""Connections to nodes: made once, used again, replaced when they turn out to be closed."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import ConnectionsConfig
from tests.gateway.harness import (
    STREAM,
    Client,
    NodeSide,
    World,
    chunks,
    get,
    message,
    post,
    split,
    whole,
)

VERSION = whole(b'{"version":"0.12.0"}')


class ReuseTests(SynchronousTestCase):
    """Connections that wait for the next request."""

    def setUp(self) -> None:
        self.world = World(connections=ConnectionsConfig(idle=2, idle_seconds=60))
        self.connections = self.world.endpoints["a"].connections

    def ask(self) -> Client:
        client = self.world.client()
        client.send(get(b"/api/version"))
        return client

    def idle(self, count: int) -> list[NodeSide]:
        """So many connections that have each carried an answer, in that order."""
        for _ in range(count):
            self.ask()
        for node in self.connections[-count:]:
            node.asked()
            node.answer(VERSION)
        return self.connections[-count:]

    def test_reused(self) -> None:
        """The next request takes the connection of the one before, whoever asks."""
        self.idle(1)
        self.ask()
        self.assertEqual(len(self.connections), 1)
        self.assertIn(b"GET /api/version", self.connections[0].asked())

    def test_written_again(self) -> None:
        """What a node is sent tells who asks, for what, and what is configured by then."""
        asked = []
        for host, target in [("10.0.0.1", b"/a"), ("10.0.0.1", b"/a"), ("10.0.0.1", b"/b")]:
            self.world.client(host).send(get(target))
            asked.append(self.world.node().asked())
            self.world.node().answer(VERSION)
        (node,) = self.world.config.nodes
        node = replace(node, headers=(("X-Team", "ours"),))
        for config in (self.world.config, replace(self.world.config, nodes=(node,))):
            self.world.gateway.replace(config)
            self.world.client("10.0.0.2").send(get(b"/b"))
            asked.append(self.world.node().asked())
            self.world.node().answer(VERSION)
        self.assertEqual(len(self.connections), 1)
        self.assertEqual(asked[0], asked[1])
        self.assertEqual(
            [
                [line in each for line in (b"GET /a ", b"-For: 10.0.0.1\r\n", b"X-Team: ours\r\n")]
                for each in asked[1:]
            ],
            [
                [True, True, False],
                [False, True, False],
                [False, False, False],
                [False, False, True],
            ],
        )

    def test_last_first(self) -> None:
        """Of several, the one that was used last is used next."""
        first, second = self.idle(2)
        self.ask()
        self.assertEqual((first.asked(), second.asked() != b""), (b"", True))

    def test_busy(self) -> None:
        """A connection carries one request at a time."""
        self.ask()
        self.ask()
        self.assertEqual(len(self.connections), 2)

    def test_bounded(self) -> None:
        """No more are kept than may wait."""
        nodes = self.idle(3)
        self.assertEqual([node.gone for node in nodes], [False, False, True])
        self.assertEqual(self.world.gateway.upstreams["a"].idle_count, 2)

    def test_aged(self) -> None:
        """What has waited for too long is closed, and what was used meanwhile is not."""
        old, used = self.idle(2)
        self.world.sweep(50)
        self.ask()
        used.answer(VERSION)
        self.world.sweep(15)
        self.assertEqual((old.gone, used.gone), (True, False))

    def test_node_closes(self) -> None:
        """A connection that the node closes while it waits is forgotten."""
        (node,) = self.idle(1)
        node.close()
        self.assertEqual(self.world.gateway.upstreams["a"].idle_count, 0)

    def test_node_speaks_unasked(self) -> None:
        """A connection on which the node speaks unasked is closed, and never used again."""
        (node,) = self.idle(1)
        node.answer(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        client = self.ask()
        self.assertEqual((node.gone, node.asked()), (True, b""))
        self.assertEqual(len(self.connections), 2)
        self.connections[1].answer(VERSION)
        self.assertEqual(split(client.read())[0], b"HTTP/1.1 200 OK")

    def test_node_says_close(self) -> None:
        """A node that announces the end of a connection is believed."""
        self.ask()
        self.connections[0].answer(whole(b"{}", b"200 OK", b"Connection: foo, Close"))
        self.assertEqual(self.connections[0].gone, True)
        self.assertEqual(self.world.gateway.upstreams["a"].idle_count, 0)

    def test_more_than_the_answer(self) -> None:
        """Bytes after an answer belong to none: they go to nobody, and the connection ends."""
        client = self.ask()
        self.connections[0].answer(VERSION + b"HTTP/1.1 200 OK\r\nX-Evil: 1\r\n\r\n")
        self.assertNotIn(b"Evil", client.read())
        self.assertEqual(self.connections[0].gone, True)
        self.assertEqual(client.hung_up, False)

    def test_not_paused(self) -> None:
        """A connection that was paused for a slow client is not paused for the next one."""
        slow = self.world.client()
        slow.send(post(b"/api/chat"))
        (node,) = self.connections
        node.answer(STREAM + chunks(b'{"done":false}\n', end=False))
        slow.stall()
        self.assertEqual(node.paused, True)
        # What was on its way when the pause came.
        node.answer(chunks(b'{"done":true}\n'))
        quick = self.ask()
        self.assertEqual((len(self.connections), node.paused), (1, False))
        node.answer(VERSION)
        self.assertEqual(split(quick.read())[0], b"HTTP/1.1 200 OK")

    def test_closed_with_gateway(self) -> None:
        """When the gateway ends, idle connections are closed, and busy ones after their answer."""
        (waiting,) = self.idle(1)
        self.ask()
        self.ask()
        working = self.connections[-1]
        self.world.gateway.close()
        self.assertEqual(working.gone, False)
        waiting.answer(VERSION)
        working.answer(VERSION)
        self.assertEqual((waiting.gone, working.gone), (True, True))


class StaleTests(SynchronousTestCase):
    """A connection that the node had closed before the request on it arrived."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()
        self.client.send(post(b"/api/chat"))
        self.stale = self.world.node()
        self.stale.answer(whole(b"{}"))
        self.stale.asked()
        self.client.read()

    def test_replaced(self) -> None:
        """It is replaced by a new one to the same node, and the same request sent there."""
        self.client.send(post(b"/api/chat"))
        asked = self.stale.asked()
        self.stale.close()
        fresh = self.world.node()
        self.assertIsNot(fresh, self.stale)
        self.assertEqual(fresh.asked(), asked)
        fresh.answer(whole(b'{"n":2}'))
        self.assertEqual(split(self.client.read())[2], b'{"n":2}')

    def test_not_counted(self) -> None:
        """It is no failure of the node, and no attempt of its own."""
        self.client.send(post(b"/api/chat"))
        self.stale.close()
        self.world.node().answer(whole(b"{}"))
        record = self.world.records[-1]
        self.assertEqual((record.attempts, record.retries, record.failure), (1, (), ""))
        self.assertEqual(self.world.pool.nodes["a"].failed_requests, 0)

    def test_answer_had_begun(self) -> None:
        """A connection that breaks after a byte came back was not stale."""
        self.client.send(post(b"/api/chat"))
        self.stale.answer(b"HTTP/1.1 2")
        self.stale.close()
        self.assertIn("closed the connection without an answer", message(self.client.read()))
        self.assertEqual(self.world.pool.nodes["a"].failed_requests, 1)

    def test_managing(self) -> None:
        """A request that must not be repeated never meets a connection that may be stale."""
        self.client.send(post(b"/api/pull"))
        self.assertEqual(self.stale.asked(), b"")
        self.assertEqual(len(self.world.endpoints["a"].connections), 2)

    def test_twice(self) -> None:
        """The new connection is not stale, whatever becomes of it."""
        self.client.send(post(b"/api/chat"))
        self.stale.close()
        self.world.node().close()
        self.assertEqual(len(self.world.endpoints["a"].connections), 2)
        self.assertEqual(split(self.client.read())[0], b"HTTP/1.1 502 Bad Gateway")
