"""Clients that leave: at once nobody works for them any more."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.checks import Checker
from ollama_twisted.gateway.lists import NodeLists
from tests.gateway.harness import STREAM, Client, World, chunks, get, post, whole


class DepartureTests(SynchronousTestCase):
    """A client that leaves, at each phase of its request."""

    def asks(self, world: World) -> Client:
        client = world.client()
        client.send(post(b"/api/chat"))
        return client

    def abandoned(self, world: World) -> None:
        """Nothing is left of it but one line in the accounts."""
        self.assertEqual((world.in_flight(), len(world.pool.line)), (0, 0))
        self.assertEqual([record.failure for record in world.records], ["client_left"])
        self.assertEqual(world.sample("client_disconnects_total", operation="chat", model="m"), 1)
        self.assertEqual([node.failed_requests for node in world.pool.nodes.values()], [0])
        self.assertEqual(world.gateway.client_connections, 0)

    def test_before_request(self) -> None:
        """One that leaves without a word is no exchange."""
        world = World()
        client = world.client()
        client.send(b"POST /api/ch")
        client.leave()
        self.assertEqual((world.records, world.gateway.client_connections), ([], 0))

    def test_within_body(self) -> None:
        """One that leaves before its request is whole costs no node anything."""
        world = World()
        client = world.client()
        client.send(post(b"/api/chat")[:-3])
        client.leave()
        self.assertEqual((world.endpoints["a"].connections, world.records), ([], []))

    def test_in_line(self) -> None:
        """One that waits for a place leaves the line."""
        world = World(max_in_flight=1)
        self.asks(world)
        waiting = self.asks(world)
        self.assertEqual(len(world.pool.line), 1)
        waiting.leave()
        self.assertEqual(len(world.pool.line), 0)
        self.assertEqual([record.failure for record in world.records], ["client_left"])
        world.node().answer(whole(b"{}"))
        self.assertEqual((world.in_flight(), len(world.endpoints["a"].connections)), (0, 1))

    def test_connecting(self) -> None:
        """One that leaves while a node is being connected to gives the connection up."""
        world = World()
        world.endpoints["a"].pending = pending = []
        client = self.asks(world)
        client.leave()
        self.assertEqual([each.called for each in pending], [True])
        self.abandoned(world)

    def test_before_first_byte(self) -> None:
        """One that leaves before the answer begins has the node's connection aborted."""
        world = World()
        client = self.asks(world)
        client.leave()
        self.assertEqual(world.node().wire.aborted, True)
        self.abandoned(world)

    def test_mid_body(self) -> None:
        """One that leaves in mid-answer has the node's connection aborted."""
        world = World()
        client = self.asks(world)
        world.node().answer(STREAM + chunks(b"{}\n", end=False))
        client.leave(ConnectionLost())
        self.assertEqual(world.node().wire.aborted, True)
        self.abandoned(world)

    def test_having_pipelined(self) -> None:
        """One that has sent 40 KB of further requests is missed as soon as any other."""
        world = World()
        client = self.asks(world)
        world.node().answer(STREAM + chunks(b"{}\n", end=False))
        client.send(get(b"/x", b"X-Filler: " + b"x" * 4000) * 10)
        self.assertEqual(client.wire.producerState, "producing")
        client.leave()
        self.assertEqual(world.node().wire.aborted, True)
        self.abandoned(world)

    def test_merged_list(self) -> None:
        """One that leaves while the nodes are asked for their models ends that as well."""
        world = World()
        stopped: list[Any] = []

        class Silent:
            async def json(self, *asked: Any) -> Any:
                return await Deferred(stopped.append)

        checker = Checker(world.gateway, Silent(), Random(1))  # type: ignore[arg-type]
        world.gateway.lists = NodeLists(world.gateway, Silent(), checker)  # type: ignore[arg-type]
        client = world.client()
        client.send(get(b"/api/tags"))
        client.leave()
        self.assertEqual(len(stopped), 1)
        self.assertEqual([record.failure for record in world.records], ["client_left"])

    def test_place_for_next(self) -> None:
        """The place of one who leaves goes to the next in line at once."""
        world = World(max_in_flight=1)
        first = self.asks(world)
        self.asks(world)
        first.leave()
        self.assertEqual(len(world.endpoints["a"].connections), 2)
        self.assertIn(b"POST /api/chat", world.node().asked())
        self.assertEqual(world.in_flight(), 1)

    def test_late_answer(self) -> None:
        """What the node still says is heard by nobody."""
        world = World()
        client = self.asks(world)
        node = world.node()
        connection = node.connection
        client.leave()
        connection.dataReceived(whole(b"{}"))
        self.assertEqual(client.read(), b"")
        self.abandoned(world)

    def test_after_answer(self) -> None:
        """One that leaves between two requests is no exchange of its own."""
        world = World()
        client = self.asks(world)
        world.node().answer(whole(b"{}"))
        client.leave()
        self.assertEqual([record.failure for record in world.records], [""])
