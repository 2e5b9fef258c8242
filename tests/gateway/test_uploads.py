"""Bodies that are passed on as they come: begun with the head, paced by the node, sent once."""

from __future__ import annotations

import select
import socket

from hypothesis import given
from hypothesis import strategies as some
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits, Timeouts
from ollama_twisted.gateway.departure import has_left
from ollama_twisted.wire.framing import ChunkedBody
from tests.gateway.harness import World, chunks, get, message, pieces, post, split, whole

PATH = b"/api/blobs/sha256:1"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


def begun(length: int | None, *fields: bytes) -> bytes:
    """The head of an upload of so many bytes, or of one in chunks."""
    framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return b"\r\n".join(
        [b"POST %b HTTP/1.1" % PATH, b"Host: localhost", *fields, framing, b"", b""]
    )


class UploadCase(SynchronousTestCase):
    """One node, and one client that uploads."""

    def setUp(self) -> None:
        self.world = World(timeouts=Timeouts(first_byte=20, loading=20))
        self.client = self.world.client()

    def status(self) -> bytes:
        return split(self.client.read())[0][9:12]


class PassingTests(UploadCase):
    """An upload on its way."""

    def test_begins_with_head(self) -> None:
        """The node is asked when the head is here, and gets each part as it comes."""
        self.client.send(begun(6))
        asked = self.world.node().asked()
        self.assertEqual(split(asked)[0], b"POST /api/blobs/sha256:1 HTTP/1.1")
        self.assertEqual(split(asked)[1][b"content-length"], b"6")
        for part in (b"abc", b"def"):
            self.client.send(part)
            self.assertEqual(self.world.node().asked(), part)
        self.world.node().answer(CREATED)
        self.assertEqual(self.status(), b"201")
        self.assertEqual((self.client.hung_up, self.world.records[0].received), (False, 6))

    @given(some.binary(max_size=80), some.lists(some.integers(1, 200), max_size=8), some.booleans())
    def test_split_anywhere(self, body: bytes, cuts: list[int], chunked: bool) -> None:
        """However it comes, the node gets its bytes, framed as the client did, and no others."""
        world = World()
        client = world.client()
        framed = chunks(*([body] if body else [])) if chunked else body
        sent = begun(None if chunked else len(body)) + framed + get(b"/next")
        for piece in pieces(sent, [each for each in cuts if each < len(sent)]):
            client.send(piece)
        asked = world.node().asked()
        _, fields, got = split(asked)
        if chunked:
            self.assertEqual(fields[b"transfer-encoding"], b"chunked")
            fed = ChunkedBody().feed(got)
            self.assertEqual((fed.payload, fed.ended, fed.rest), (body, True, b""))
        else:
            self.assertEqual((fields[b"content-length"], got), (b"%d" % len(body), body))
        world.node().answer(CREATED)
        self.assertIn(b"GET /next", world.node().asked())

    def test_empty(self) -> None:
        """One without a body is a request like others."""
        self.client.send(b"POST /api/blobs/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.world.node().answer(whole(b"{}", b"400 Bad Request"))
        self.assertEqual((self.status(), self.client.hung_up), (b"400", False))

    def test_paused(self) -> None:
        """A node that does not take it pauses the client, and no limit of time runs for that."""
        self.client.send(begun(10) + b"ab")
        self.world.node().wire.producer.pauseProducing()
        self.assertEqual(self.client.wire.producerState, "paused")
        self.world.sweep(15)
        self.world.node().wire.producer.resumeProducing()
        self.assertEqual(self.client.wire.producerState, "producing")
        self.client.send(b"cdefghij")
        self.world.node().answer(CREATED)
        self.assertEqual(self.status(), b"201")

    def test_stuck(self) -> None:
        """A node that never takes the rest is given up."""
        self.client.send(begun(10) + b"ab")
        self.world.node().wire.producer.pauseProducing()
        self.world.sweep(22)
        self.assertEqual(self.status(), b"504")
        self.assertEqual(self.world.node().wire.aborted, True)

    def test_before_node(self) -> None:
        """While there is no connection yet little is read, and nothing is lost."""
        endpoint = self.world.endpoints["a"]
        endpoint.pending = []
        body = b"x" * 2**17
        self.client.send(begun(len(body) + 1) + body)
        self.assertEqual(self.client.wire.producerState, "paused")
        waiting: Deferred[object] = endpoint.pending[0]
        endpoint.pending = None
        endpoint.connect(self.world.gateway.upstreams["a"]._factory)
        waiting.callback(endpoint.last.connection)
        self.assertEqual(self.client.wire.producerState, "producing")
        self.client.send(b"y")
        self.assertEqual(split(self.world.node().asked())[2], body + b"y")


class ContinueTests(UploadCase):
    """Clients that wait to be told to send."""

    def test_told(self) -> None:
        """They are told when there is a node to take it; the node is not asked for leave."""
        self.client.send(begun(3, b"Expect: 100-continue"))
        self.assertEqual(self.client.read(), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.client.send(b"abc")
        asked = self.world.node().asked()
        self.assertNotIn(b"expect", asked.lower())
        self.assertEqual(split(asked)[2], b"abc")

    def test_refused(self) -> None:
        """Who may not upload is told that instead."""
        client = self.world.client("192.168.1.7")
        client.send(begun(3, b"Expect: 100-continue"))
        first, fields, _ = split(client.read())
        self.assertEqual((first[9:12], fields[b"connection"]), (b"403", b"close"))

    def test_nobody(self) -> None:
        """So is who would send to nobody."""
        self.world.endpoints["a"].refuses = True
        self.client.send(begun(3, b"Expect: 100-continue"))
        self.assertEqual((self.status(), self.client.wire.half_closed), (b"503", True))


class EndTests(UploadCase):
    """Uploads that do not end well."""

    def test_early_answer(self) -> None:
        """What the node says before it has read all is told; the rest goes nowhere."""
        self.client.send(begun(10) + b"abc")
        self.world.node().answer(whole(b'{"error":"no"}', b"400 Bad Request"))
        first, fields, body = split(self.client.read())
        self.assertEqual((first[9:12], fields[b"connection"]), (b"400", b"close"))
        self.assertEqual(body, b'{"error":"no"}')
        self.assertEqual(self.world.node().wire.aborted, True)
        # The client still sends, and must be able to read its answer.
        self.assertEqual((self.client.wire.half_closed, self.client.wire.aborted), (True, False))
        self.client.send(b"defghij")
        self.assertEqual(self.world.in_flight(), 0)

    def test_early_answer_paused(self) -> None:
        """If the client was not read for, it is again."""
        self.client.send(begun(10) + b"abc")
        self.world.node().wire.producer.pauseProducing()
        self.world.node().answer(whole(b"{}", b"400 Bad Request"))
        self.assertEqual(self.client.wire.producerState, "producing")

    def test_client_leaves(self) -> None:
        """A client that leaves takes its upload from the node at once."""
        for length in (10, None):
            self.world = World()
            self.client = self.world.client()
            self.client.send(begun(length))
            self.client.leave()
            self.assertEqual(self.world.node().wire.aborted, True)
            self.assertEqual(self.world.records[0].failure, "client_left")

    def test_node_dies(self) -> None:
        """What was sent is not sent again."""
        self.world = World("ab")
        self.client = self.world.client()
        self.client.send(begun(10) + b"abc")
        self.world.node("a").close(ConnectionLost())
        self.assertEqual(self.status(), b"502")
        self.assertEqual(self.world.endpoints["b"].connections, [])

    def test_node_refuses(self) -> None:
        """What was not sent goes to another node."""
        self.world = World("ab")
        self.client = self.world.client()
        self.world.endpoints["a"].refuses = True
        self.client.send(begun(3) + b"abc")
        self.assertEqual(split(self.world.node("b").asked())[2], b"abc")

    def test_malformed(self) -> None:
        """A body that breaks its framing ends at the client, and at the node."""
        self.client.send(begun(None) + b"zz\r\n")
        self.assertEqual(self.status(), b"400")
        (record,) = self.world.records
        self.assertEqual((record.status, record.failure), (400, "refused"))
        self.assertEqual(self.world.node().wire.aborted, True)

    def test_slow(self) -> None:
        """A client that stops sending is told so, and its node is let go."""
        self.client.send(begun(10) + b"a")
        self.world.sweep(31)
        self.assertEqual(self.status(), b"408")
        self.assertEqual(self.world.node().wire.aborted, True)

    def test_trickle(self) -> None:
        """So is one that sends too little for too long."""
        self.client.send(begun(1000))
        for _ in range(3):
            self.world.sweep(15)
            self.client.send(b"x")
        self.assertEqual(self.status(), b"408")


class LimitTests(SynchronousTestCase):
    """How long an upload may be."""

    def setUp(self) -> None:
        self.world = World(limits=GatewayLimits(max_body=10, max_upload=100))
        self.client = self.world.client()

    def test_own(self) -> None:
        """It has a limit of its own."""
        self.client.send(post(PATH, b"x" * 100))
        self.assertEqual(split(self.world.node().asked())[2], b"x" * 100)

    def test_announced(self) -> None:
        """A length beyond it is refused before a node is asked."""
        self.client.send(begun(101))
        self.assertEqual(split(self.client.read())[0][9:12], b"413")
        self.assertEqual(self.world.endpoints["a"].connections, [])

    def test_chunked(self) -> None:
        """Chunks are refused as soon as they add up to more."""
        self.client.send(begun(None) + chunks(b"x" * 60, end=False))
        self.client.send(chunks(b"x" * 41, end=False))
        self.assertEqual(split(self.client.read())[0][9:12], b"413")
        self.assertEqual(self.world.node().wire.aborted, True)

    def test_others(self) -> None:
        """Other routes keep theirs."""
        self.client.send(post(b"/api/create", b"x" * 11))
        self.assertIn("10 bytes", message(self.client.read()))


class DepartureTests(SynchronousTestCase):
    """A client that leaves while it is not read for."""

    def test_noticed(self) -> None:
        """The system is asked, as reading would tell."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertFalse(has_left(ours))
        theirs.send(b"more of it")
        self.assertFalse(has_left(ours))
        theirs.close()
        self.assertEqual(has_left(ours), hasattr(select, "POLLRDHUP"))

    def test_unknown(self) -> None:
        """Where there is no socket, or none any more, nothing is known."""
        ours, theirs = socket.socketpair()
        ours.close()
        theirs.close()
        for transport in (ours, object()):
            self.assertFalse(has_left(transport))
