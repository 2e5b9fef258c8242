"""However exchanges go, each ends once, is accounted for once, and leaves nothing behind."""

from __future__ import annotations

import gc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits, LineConfig, Timeouts
from ollama_twisted.gateway.body import Body
from ollama_twisted.gateway.exchange import Exchange
from ollama_twisted.gateway.relay import Relay
from ollama_twisted.gateway.task import Signal, Task
from tests.gateway.harness import (
    STREAM,
    Client,
    NodeSide,
    World,
    chunks,
    get,
    post,
    split,
    whole,
)

REQUESTS = (
    post(b"/api/chat"),
    post(b"/api/chat", b'{"model":"m","stream":false}'),
    post(b"/v1/chat/completions", b'{"model":"m","stream":true}'),
    post(b"/api/generate", b'{"model":"m","prompt":"%b"}' % (b"x" * 300)),
    post(b"/api/pull"),
    get(b"/api/version"),
    get(b"/api/version", method=b"HEAD"),
    get(b"/health"),
    b"GET /api/version HTTP/1.0\r\n\r\n",
    b"JUNK\r\n\r\n",
)
ANSWERS = (
    whole(b"{}"),
    whole(b"{}", b"503 Service Unavailable"),
    whole(b"{}", b"500 Internal Server Error"),
    STREAM + chunks(b'{"done":false}\n', end=False),
    chunks(b'{"done":true}\n'),
    b"HTTP/1.0 200 OK\r\n\r\nx\n",
    b"HTTP/1.1 200 OK\r\n",
    b"junk",
    b"",
)


class Play:
    """A gateway, its clients and its nodes, moved by a list of numbers."""

    def __init__(self) -> None:
        self.world = World(
            "ab",
            limits=GatewayLimits(memory_body=100),
            line=LineConfig(max_waiting=3, wait_timeout=3),
            max_in_flight=1,
            timeouts=Timeouts(first_byte=4, loading=4, idle=4),
        )
        self.clients: list[Client] = []

    def nodes(self) -> list[NodeSide]:
        """The connections that are open, in a steady order."""
        return [
            node
            for endpoint in self.world.endpoints.values()
            for node in endpoint.connections
            if node.wire.protocol is not None
        ]

    def step(self, act: str, which: int, kind: int) -> None:
        """One event; without anybody it could happen to, nothing happens."""
        getattr(self, act)(which, kind)

    def asks(self, which: int, kind: int) -> None:
        self.clients.append(self.world.client())
        self.clients[-1].send(REQUESTS[kind % len(REQUESTS)])

    def asks_again(self, which: int, kind: int) -> None:
        for client in self._one(self.clients, which):
            if client.wire.protocol is not None:
                client.send(REQUESTS[kind % len(REQUESTS)])

    def leaves(self, which: int, kind: int) -> None:
        for client in self._one(self.clients, which):
            client.leave()

    def stalls(self, which: int, kind: int) -> None:
        for client in self._one(self.clients, which):
            if client.wire.protocol is not None and not client.hung_up:
                client.stall()

    def reads(self, which: int, kind: int) -> None:
        for client in self._one(self.clients, which):
            if client.wire.protocol is not None and not client.hung_up:
                client.catch_up()

    def answers(self, which: int, kind: int) -> None:
        for node in self._one(self.nodes(), which):
            node.answer(ANSWERS[kind % len(ANSWERS)])

    def breaks(self, which: int, kind: int) -> None:
        for node in self._one(self.nodes(), which):
            node.close(ConnectionLost() if kind % 2 else None)

    def refuses(self, which: int, kind: int) -> None:
        self.world.endpoints["ab"[which % 2]].refuses = kind % 2 > 0

    def goes_down(self, which: int, kind: int) -> None:
        now = self.world.clock.seconds()
        self.world.pool.checked("ab"[which % 2], now, kind % 2 == 0, "no")

    def passes(self, which: int, kind: int) -> None:
        self.world.sweep(kind % 4)

    def _one(self, of: list[Any], which: int) -> list[Any]:
        return [of[which % len(of)]] if of else []

    def end(self) -> None:
        """Everybody leaves."""
        for client in self.clients:
            client.leave()


USUAL = ("asks", "asks", "answers", "answers", "answers")
RARE = ("asks_again", "leaves", "stalls", "reads", "breaks", "refuses", "goes_down", "passes")
EVENTS = st.tuples(st.sampled_from(USUAL + RARE), st.integers(0, 3), st.integers(0, 9))


class InterleavingTests(SynchronousTestCase):
    """Any order of events."""

    def setUp(self) -> None:
        #: The records of the exchanges that were begun.
        self.begun: list[object] = []
        begun, begin = self.begun, Exchange.begin

        def noting(exchange: Exchange) -> None:
            begun.append(exchange.record)
            begin(exchange)

        self.patch(Exchange, "begin", noting)

    @settings(max_examples=400, deadline=None)
    @given(st.lists(EVENTS, max_size=40))
    def test_any(self, events: list[tuple[str, int, int]]) -> None:
        """Places taken are given back, nobody waits, every exchange is accounted for once."""
        play = Play()
        world = play.world
        begun = self.begun
        begun.clear()
        for event in events:
            play.step(*event)
            for node in world.pool.nodes.values():
                self.assertTrue(0 <= node.in_flight <= 1)
        play.end()
        self.assertEqual((world.in_flight(), len(world.pool.line)), (0, 0))
        self.assertEqual(world.gateway.client_connections, 0)
        accounted = [each for each in world.records if each.operation != "refused"]
        self.assertEqual(len(accounted), len(begun))
        self.assertEqual({id(each) for each in accounted}, {id(each) for each in begun})
        # What is open towards the nodes is idle, and known to be.
        idle = sum(upstream.idle_count for upstream in world.gateway.upstreams.values())
        self.assertEqual(len([node for node in play.nodes() if not node.gone]), idle)
        self.assertEqual([node for node in play.nodes() if node.paused and not node.gone], [])
        self.assertEqual(self.flushLoggedErrors(), [])


class OwnFaultTests(SynchronousTestCase):
    """Faults of the gateway's own."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def break_(self, name: str) -> None:
        def broken(*args: object) -> None:
            raise RuntimeError("a bug")

        self.patch(self.world.gateway, name, broken)

    def test_before_answer(self) -> None:
        """Before an answer has begun the client is told, and the log has the traceback."""
        self.break_("head_for")
        self.client.send(post(b"/api/chat"))
        first, fields, rest = split(self.client.read())
        self.assertEqual(
            (first, fields[b"connection"], rest),
            (b"HTTP/1.1 500 Internal Server Error", b"close", b'{"error": "internal error"}'),
        )
        self.assertEqual(self.client.hung_up, True)
        (record,) = self.world.records
        self.assertEqual((record.status, record.failure), (500, "internal_error"))
        self.assertEqual(self.world.in_flight(), 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_as_answer_begins(self) -> None:
        """The node's connection is not kept: nobody would read the rest of its answer."""
        self.break_("label")
        self.client.send(post(b"/api/chat"))
        self.world.node().answer(STREAM)
        self.assertEqual(self.world.node().wire.aborted, True)
        self.assertEqual(split(self.client.read())[0], b"HTTP/1.1 500 Internal Server Error")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_after_answer(self) -> None:
        """Afterwards its connection is cut."""
        self.break_("refresh")
        self.client.send(post(b"/api/pull"))
        self.world.node().answer(STREAM + chunks(b"{}\n"))
        self.assertEqual(self.client.wire.aborted, True)
        self.assertEqual(self.world.records[0].failure, "internal_error")
        self.assertEqual(self.world.in_flight(), 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_in_accounts(self) -> None:
        """Even one in the accounts leaves nobody waiting."""
        self.break_("account")
        self.client.send(post(b"/api/chat"))
        self.world.node().answer(whole(b"{}"))
        self.assertEqual(self.client.wire.aborted, True)
        self.assertEqual(self.world.in_flight(), 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class CollectorTests(SynchronousTestCase):
    """Memory: what an exchange was made of goes as it ends, without the garbage collector."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

    def left(self) -> list[str]:
        """Which parts of exchanges are still there, once the last answer was read."""
        self.client.read()
        parts = (Exchange, Task, Signal, Relay, Body)
        return [type(each).__name__ for each in gc.get_objects() if isinstance(each, parts)]

    def test_answered(self) -> None:
        """Of exchanges that were answered nothing is left."""
        before = self.left()
        for request, answer in (
            (get(b"/api/status"), whole(b"{}")),
            (post(b"/api/chat"), STREAM + chunks(b'{"done":true}\n')),
        ):
            self.client.send(request)
            self.world.node().answer(answer)
        self.assertEqual((len(self.world.records), self.left()), (2, before))
