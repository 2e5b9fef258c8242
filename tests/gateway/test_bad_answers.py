"""Nodes that do not speak HTTP as they should: no client ever sees what they say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.connection import MAX_INTERIM
from ollama_twisted.wire.framing import ChunkedBody
from ollama_twisted.wire.head import MAX_HEAD, read_answer
from tests.gateway.harness import STREAM, World, chunks, message, pieces, post, split, whole
from tests.wire.heads import mutated

BAD = (
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x15\x03\x01\x00\x02\x02F",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1 99 Low\r\n\r\n",
    b"HTTP/1.1 2000 High\r\n\r\n",
    b"HTTP/1.1 +20 Signed\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: evil=1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 201 + b"\r\n",
)


class BadAnswerTests(SynchronousTestCase):
    """Answers whose head cannot be trusted."""

    def test_alone(self) -> None:
        """Without another node it is a 502 of ours, in which nothing of theirs is."""
        for bad in BAD:
            world = World()
            client = world.client()
            client.send(post(b"/api/chat"))
            world.node().answer(bad)
            answer = client.read()
            self.assertEqual(split(answer)[0], b"HTTP/1.1 502 Bad Gateway", bad)
            self.assertIn("no node could answer (a: its answer is", message(answer))
            self.assertNotIn(b"evil", answer)
            self.assertEqual((world.node().wire.aborted, world.in_flight()), (True, 0))
            self.assertEqual(world.pool.nodes["a"].failed_requests, 1)
            self.assertEqual((world.records[0].failure, client.hung_up), ("bad_answer", False))

    def test_another_node(self) -> None:
        """Another node is asked, as after any other failure."""
        for bad in BAD:
            world = World("ab")
            client = world.client()
            client.send(post(b"/api/chat"))
            world.node("a").answer(bad)
            world.node("b").answer(whole(b"{}"))
            self.assertTrue(client.read().endswith(b"\r\n\r\n{}"), bad)

    def test_endless_head(self) -> None:
        """A head that does not end is given up on, and not kept."""
        world = World()
        client = world.client()
        client.send(post(b"/api/chat"))
        node = world.node()
        node.answer(b"HTTP/1.1 200 OK\r\n")
        for _ in range(MAX_HEAD // 1000 + 1):
            node.answer(b"X-Filler: " + b"x" * 988 + b"\r\n")
        self.assertEqual(node.wire.aborted, True)
        self.assertIn("the head of its answer is too long", message(client.read()))

    def test_junk_at_once(self) -> None:
        """What cannot become an HTTP answer is not waited for."""
        for junk in (b"X", b"HTTP/2", b"http/1.1", b"220 smtp"):
            world = World()
            client = world.client()
            client.send(post(b"/api/chat"))
            world.node().answer(junk)
            self.assertIn("its answer is not HTTP/1", message(client.read()))

    def test_nothing_follows(self) -> None:
        """What comes after a bad head is not read."""
        world = World()
        client = world.client()
        client.send(post(b"/api/chat"))
        node = world.node()
        connection = node.connection
        node.answer(BAD[0])
        client.read()
        connection.dataReceived(whole(b"{}"))
        self.assertEqual(client.read(), b"")


class InterimTests(SynchronousTestCase):
    """Answers before the answer."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()
        self.client.send(post(b"/api/chat"))
        self.node = self.world.node()

    def test_dropped(self) -> None:
        """They are not passed on: the client has asked for none."""
        self.node.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.node.answer(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + whole(b"{}"))
        self.assertTrue(self.client.read().startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_many(self) -> None:
        """Too many of them are no answer."""
        self.node.answer(b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_INTERIM)
        self.assertEqual(self.node.wire.aborted, False)
        self.node.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(self.node.wire.aborted, True)
        self.assertIn(b"502 Bad Gateway", self.client.read())

    def test_per_answer(self) -> None:
        """They are counted anew for each request."""
        for _ in range(3):
            self.node.answer(b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_INTERIM + whole(b"{}"))
            self.assertTrue(self.client.read().startswith(b"HTTP/1.1 200 OK\r\n"))
            self.client.send(post(b"/api/chat"))


class PoisonTests(SynchronousTestCase):
    """One node's answer never becomes part of somebody else's."""

    GOOD = b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}"
    STREAMED = STREAM + chunks(b"{}\n", b'{"done":true}\n')

    def told(self, parts: list[bytes]) -> None:
        world = World()
        first = world.client()
        first.send(post(b"/api/chat"))
        node = world.node()
        for part in parts:
            node.answer(part)
        node.close()
        self.strictly(first.read())
        second = world.client()
        second.send(post(b"/api/chat"))
        world.node().answer(whole(b'"second"'))
        self.assertEqual(split(second.read())[2], b'"second"')
        self.assertEqual((world.in_flight(), len(world.records)), (0, 2))

    def strictly(self, answer: bytes) -> None:
        """One answer, whose head is read without a doubt and whose body does not run over."""
        block, _, rest = answer.partition(b"\r\n\r\n")
        head = read_answer(block)
        if head.chunked:
            self.assertEqual(ChunkedBody().feed(rest).rest, b"")
        else:
            self.assertLessEqual(len(rest), head.length or 0)

    @settings(max_examples=300)
    @given(mutated(GOOD) | mutated(STREAMED), st.lists(st.integers(1, 200), max_size=4))
    def test_damaged(self, answer: bytes, cuts: list[int]) -> None:
        """Of a damaged answer the client gets one that is in order, or is plainly cut."""
        self.told(pieces(answer, cuts))
