"""Requests that wait for a place, first come, first served."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import LineConfig
from tests.gateway.harness import Client, World, message, post, split, whole


def chat(model: bytes) -> bytes:
    """A request for a model."""
    return post(b"/api/chat", b'{"model":"%b"}' % model)


class TurnTests(SynchronousTestCase):
    """One node that works on one request at a time."""

    def setUp(self) -> None:
        self.world = World(max_in_flight=1, line=LineConfig(max_waiting=2))
        self.first = self.asks()

    def asks(self, model: bytes = b"m") -> Client:
        client = self.world.client()
        client.send(chat(model))
        return client

    def answers(self, body: bytes = b"{}") -> None:
        self.world.node().answer(whole(body))

    def test_waits(self) -> None:
        """Who finds no place waits, and is served when there is one."""
        second = self.asks()
        self.assertEqual((len(self.world.pool.line), self.world.in_flight()), (1, 1))
        self.answers()
        self.answers(b"2")
        self.assertEqual(split(second.read())[2], b"2")
        self.assertEqual(self.world.in_flight(), 0)

    def test_in_order(self) -> None:
        """Those who wait are served in the order in which they came."""
        second, third = self.asks(), self.asks()
        self.answers()
        self.answers(b"2")
        self.assertEqual((split(second.read())[2], third.read()), (b"2", b""))
        self.answers(b"3")
        self.assertEqual(split(third.read())[2], b"3")

    def test_full(self) -> None:
        """The line is bounded: 503 at once, and come again soon."""
        self.asks()
        self.asks()
        answer = self.asks().read()
        first, fields, _ = split(answer)
        self.assertEqual(first, b"HTTP/1.1 503 Service Unavailable")
        self.assertEqual(fields[b"retry-after"], b"1")
        self.assertEqual(
            message(answer), "every node is busy, and the line of those who wait is full"
        )
        self.assertEqual(self.world.records[0].failure, "line_full")

    def test_no_overtaking(self) -> None:
        """Who comes when a place has just become free does not overtake those who wait."""
        second = self.asks()
        # The answer ends in the same turn in which somebody new asks.
        self.first.send(chat(b"m"))
        self.answers()
        self.answers(b"2")
        self.assertEqual(split(second.read())[2], b"2")
        self.answers(b"1")
        self.assertTrue(self.first.read().endswith(b"\r\n\r\n1"))

    def test_shown(self) -> None:
        """The line's length and its waits are in the metrics."""
        self.asks()
        self.assertEqual(self.world.sample("queue_length"), 1)
        self.world.clock.advance(3)
        self.answers()
        self.answers()
        self.assertEqual(self.world.sample("queue_length"), 0)
        self.assertEqual(self.world.sample("queue_wait_seconds_sum"), 3)
        self.assertEqual(self.world.sample("queue_wait_seconds_count"), 1)

    def test_nobody_left(self) -> None:
        """When the last node that may serve goes down, those who wait are told within a second."""
        waiting = self.asks()
        for _ in range(3):
            self.world.pool.checked("a", 0, False, "connection refused")
        self.world.sweep(1)
        answer = waiting.read()
        self.assertEqual(split(answer)[0], b"HTTP/1.1 503 Service Unavailable")
        self.assertEqual(message(answer), "no node can answer (a: down (connection refused))")
        self.assertEqual(len(self.world.pool.line), 0)

    def test_failure_frees(self) -> None:
        """A node's failure frees its place for the next in line as well."""
        self.asks()
        self.world.node().close()
        self.assertEqual((len(self.world.pool.line), self.world.in_flight()), (0, 1))

    def test_next_fails_too(self) -> None:
        """Many who wait for a node that refuses everybody are all answered."""
        world = World(max_in_flight=1, line=LineConfig(max_waiting=5000))
        world.client().send(chat(b"m"))
        clients = [world.client() for _ in range(3000)]
        for client in clients:
            client.send(chat(b"m"))
        self.assertEqual(len(world.pool.line), 3000)
        world.endpoints["a"].refuses = True
        world.node().close()
        self.assertEqual({client.read()[:12] for client in clients}, {b"HTTP/1.1 503"})
        self.assertEqual((world.in_flight(), len(world.pool.line)), (0, 0))


class ModelTests(SynchronousTestCase):
    """Nodes that have different models."""

    def test_not_behind_others(self) -> None:
        """Nobody waits behind one who wants another node."""
        world = World("ab", max_in_flight=1)
        world.know("a", ("x",))
        world.know("b", ("y",))
        for model in (b"x", b"x", b"y"):
            world.client().send(chat(model))
        self.assertEqual((len(world.pool.line), world.in_flight()), (1, 2))
