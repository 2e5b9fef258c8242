"""Nobody is sent more than it reads, and nothing piles up in between."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits
from tests.gateway.harness import STREAM, World, chunks, post, whole

TOKEN = chunks(b'{"done":false}\n', end=False)


class BackpressureTests(SynchronousTestCase):
    """A client that does not keep up with its node."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()
        self.client.send(post(b"/api/chat"))
        self.node = self.world.node()
        self.node.answer(STREAM + TOKEN)

    def test_pause(self) -> None:
        """While the client's transport is full, the node is not read."""
        self.client.stall()
        self.assertEqual(self.node.paused, True)

    def test_resume(self) -> None:
        """Once it is empty again, the node is read on."""
        self.client.stall()
        self.client.catch_up()
        self.assertEqual(self.node.paused, False)

    def test_full_before_answer(self) -> None:
        """An answer that begins while the client is not reading is paused from its start."""
        self.node.answer(b"0\r\n\r\n")
        self.client.send(post(b"/api/chat"))
        self.client.stall()
        self.node.answer(STREAM + TOKEN)
        self.assertEqual(self.node.paused, True)
        self.client.catch_up()
        self.assertEqual(self.node.paused, False)

    def test_produced_by_channel(self) -> None:
        """It is the transport that decides: the channel is its producer, a streaming one."""
        self.assertIs(self.client.wire.producer, self.client.channel)
        self.assertEqual(self.client.wire.streaming, True)

    def test_leaves_while_paused(self) -> None:
        """A client that leaves while its node is paused frees the place."""
        self.client.stall()
        self.client.leave()
        self.assertEqual((self.node.wire.aborted, self.world.in_flight()), (True, 0))

    def test_other_client(self) -> None:
        """A slow client slows down nobody else."""
        self.client.stall()
        other = self.world.client()
        other.send(post(b"/api/chat"))
        self.world.node().answer(whole(b"{}"))
        self.assertTrue(other.read().endswith(b"{}"))


class UploadTests(SynchronousTestCase):
    """A node that does not keep up with the client's body."""

    def setUp(self) -> None:
        self.world = World(limits=GatewayLimits(memory_body=1000))
        self.client = self.world.client()
        self.body = b"x" * 200_000
        self.client.send(post(b"/api/chat", self.body))
        self.node = self.world.node()

    def test_piece_by_piece(self) -> None:
        """A large body is sent as fast as the node takes it, a piece at a time."""
        sent = self.node.asked()
        while self.node.wire.producer is not None:
            self.node.wire.producer.resumeProducing()
            piece = self.node.asked()
            self.assertLessEqual(len(piece), 2**16)
            sent += piece
        self.assertEqual(sent.partition(b"\r\n\r\n")[2], self.body)

    def test_early_answer(self) -> None:
        """A node that answers before it has read all is heard; the rest is not sent."""
        self.node.wire.producer.resumeProducing()
        self.node.answer(whole(b'{"error":"no"}', b"400 Bad Request"))
        self.assertIn(b"400 Bad Request", self.client.read())
        self.assertEqual(self.node.wire.aborted, True)
        self.assertEqual((self.client.hung_up, self.world.in_flight()), (False, 0))
        self.assertEqual(self.world.gateway.upstreams["a"].idle_count, 0)
