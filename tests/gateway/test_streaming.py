"""Answers on their way to the client: as they come, when they come, framed for whoever asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.gateway.harness import STREAM, World, chunks, get, pieces, post, split, whole

CUTS = st.lists(st.integers(1, 250), max_size=12)
TOKENS = (b'{"done":false}\n', b'{"done":false,"n":2}\n', b'{"done":true}\n')


def post_1_0(path: bytes, *fields: bytes) -> bytes:
    """A chat request of an HTTP/1.0 client."""
    body = b'{"model":"m"}'
    lines = [b"POST %b HTTP/1.0" % path, *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class StreamTests(SynchronousTestCase):
    """A streamed answer."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def asked(self, request: bytes = b"") -> None:
        """Ask, and leave the answer to the test."""
        self.client.send(request or post(b"/api/chat"))
        self.node = self.world.node()

    def test_chunk_by_chunk(self) -> None:
        """Each chunk is with the client before the next one comes, as it came."""
        self.asked()
        self.node.answer(STREAM)
        self.client.read()
        for token in TOKENS:
            self.node.answer(chunks(token, end=False))
            self.assertEqual(self.client.read(), chunks(token, end=False))
        self.node.answer(b"0\r\n\r\n")
        self.assertEqual(self.client.read(), b"0\r\n\r\n")
        self.assertEqual(self.client.hung_up, False)

    def test_head_alone(self) -> None:
        """A head that comes before its body is passed on at once."""
        self.asked()
        self.node.answer(STREAM)
        first, fields, rest = split(self.client.read())
        self.assertEqual((first, rest), (b"HTTP/1.1 200 OK", b""))
        self.assertEqual(fields[b"transfer-encoding"], b"chunked")

    def test_one_write(self) -> None:
        """A head and what comes with it leave in one write."""
        self.asked()
        self.node.answer(STREAM + chunks(TOKENS[0], end=False))
        self.assertEqual(len(self.client.wire.writes), 1)
        self.assertTrue(self.client.wire.writes[0].endswith(chunks(TOKENS[0], end=False)))

    def test_short_answer_one_write(self) -> None:
        """A short answer with a length leaves in one write, its head and its body."""
        self.asked()
        self.node.answer(whole(b"{}"))
        self.assertEqual(len(self.client.wire.writes), 1)

    def test_request_one_write(self) -> None:
        """A request reaches the node in one write, its head and its body."""
        self.asked()
        self.assertEqual(len(self.node.wire.writes), 1)

    def test_status(self) -> None:
        """Status, reason and repeated headers pass as the node gave them."""
        self.asked()
        self.node.answer(
            b"HTTP/1.1 418 Out  of tea\r\nSet-Cookie: a=1\r\nX-Tea: none\r\n"
            b"set-cookie: b=2\r\nContent-Length: 0\r\n\r\n"
        )
        self.assertEqual(
            self.client.read(),
            b"HTTP/1.1 418 Out  of tea\r\nSet-Cookie: a=1\r\nX-Tea: none\r\n"
            b"set-cookie: b=2\r\nX-Ollama-Gateway-Node: a\r\nContent-Length: 0\r\n\r\n",
        )

    def test_hop_by_hop(self) -> None:
        """Headers that concern the node's connection alone end at the gateway."""
        self.asked()
        self.node.answer(
            b"HTTP/1.1 200 OK\r\nConnection: X-Private, keep-alive\r\nX-Private: 1\r\n"
            b"Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\n"
            b"Trailer: X-Later\r\nTE: gzip\r\nX-Public: 2\r\nContent-Length: 2\r\n\r\n{}"
        )
        _, fields, _ = split(self.client.read())
        self.assertEqual(set(fields), {b"x-public", b"x-ollama-gateway-node", b"content-length"})

    def test_who_answered(self) -> None:
        """A node cannot speak in another one's name."""
        self.asked()
        self.node.answer(whole(b"{}", b"200 OK", b"X-Ollama-Gateway-Node: b"))
        answer = self.client.read()
        self.assertEqual(answer.lower().count(b"x-ollama-gateway-node: a"), 1)
        self.assertNotIn(b"node: b", answer.lower())

    def test_odd_chunks(self) -> None:
        """Chunks with extensions and trailers are written anew, plainly."""
        self.asked()
        self.node.answer(STREAM + b"00F;x=y\r\n" + TOKENS[0] + b"\r\n0\r\nX-Later: 1\r\n\r\n")
        self.assertEqual(split(self.client.read())[2], chunks(TOKENS[0]))

    def test_ends_by_closing(self) -> None:
        """A node that ends its answer by closing has it chunked for the client."""
        self.asked()
        self.node.answer(b"HTTP/1.0 200 OK\r\n\r\n" + TOKENS[0])
        self.node.answer(TOKENS[2])
        self.node.close()
        _, fields, rest = split(self.client.read())
        self.assertEqual(fields[b"transfer-encoding"], b"chunked")
        self.assertEqual(rest, chunks(TOKENS[0], TOKENS[2]))
        self.assertEqual(self.client.hung_up, False)

    def test_empty_answer_by_closing(self) -> None:
        """A node that closes after its head has given an empty answer."""
        self.asked()
        self.node.answer(b"HTTP/1.1 200 OK\r\n\r\n")
        self.node.close()
        self.assertEqual(split(self.client.read())[2], b"0\r\n\r\n")

    def test_long_answer(self) -> None:
        """An answer with a length passes piece by piece, and no byte beyond its length."""
        self.asked()
        self.node.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        self.assertEqual(split(self.client.read())[2], b"12345")
        self.node.answer(b"67890EXTRA")
        self.assertEqual(self.client.read(), b"67890")
        self.assertEqual(self.client.hung_up, False)
        self.assertEqual(self.node.gone, True)


class OldClientTests(SynchronousTestCase):
    """Clients of HTTP/1.0."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def test_stream(self) -> None:
        """A stream reaches them without chunks, and its end is the connection's."""
        self.client.send(post_1_0(b"/api/chat"))
        self.world.node().answer(STREAM + chunks(*TOKENS))
        _, fields, rest = split(self.client.read())
        self.assertEqual(rest, b"".join(TOKENS))
        self.assertNotIn(b"transfer-encoding", fields)
        self.assertEqual(fields[b"connection"], b"close")
        self.assertEqual(self.client.wire.disconnecting, True)

    def test_stream_kept_alive(self) -> None:
        """A stream ends the connection even of one who asked to keep it."""
        self.client.send(post_1_0(b"/api/chat", b"Connection: keep-alive"))
        self.world.node().answer(STREAM + chunks(*TOKENS))
        self.assertEqual(split(self.client.read())[1][b"connection"], b"close")
        self.assertEqual(self.client.wire.disconnecting, True)

    def test_length_kept_alive(self) -> None:
        """An answer with a length keeps the connection of one who asked for it, and says so."""
        self.client.send(post_1_0(b"/api/chat", b"Connection: keep-alive"))
        self.world.node().answer(whole(b"{}"))
        self.assertEqual(split(self.client.read())[1][b"connection"], b"keep-alive")
        self.assertEqual(self.client.hung_up, False)

    def test_length(self) -> None:
        """Without asking, the connection ends."""
        self.client.send(post_1_0(b"/api/chat"))
        self.world.node().answer(whole(b"{}"))
        self.assertEqual(split(self.client.read())[1][b"connection"], b"close")
        self.assertEqual(self.client.wire.disconnecting, True)

    def test_refusal_kept_alive(self) -> None:
        """The gateway's own answer says that the connection ends, to one who asked to keep it."""
        self.world.endpoints["a"].refuses = True
        self.client.send(post_1_0(b"/api/chat", b"Connection: keep-alive"))
        self.assertEqual(split(self.client.read())[1][b"connection"], b"close")
        self.assertEqual(self.client.wire.disconnecting, True)

    def test_asked_of_node(self) -> None:
        """The node is asked in HTTP/1.1 all the same."""
        self.client.send(post_1_0(b"/api/chat"))
        self.assertTrue(self.world.node().asked().startswith(b"POST /api/chat HTTP/1.1\r\n"))


class RequestTests(SynchronousTestCase):
    """Requests that are not the usual POST."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def passes(self, request: bytes, line: bytes, body: bytes = b"") -> None:
        self.client.send(request)
        asked = self.world.node().asked()
        first, _, rest = split(asked)
        self.assertEqual((first, rest), (line, body))

    def test_head(self) -> None:
        """HEAD is asked as HEAD; its answer has a length and no body."""
        self.passes(get(b"/api/version", method=b"HEAD"), b"HEAD /api/version HTTP/1.1")
        self.world.node().answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        _, fields, rest = split(self.client.read())
        self.assertEqual((fields[b"content-length"], rest), (b"99", b""))
        self.passes(get(b"/api/ps"), b"GET /api/ps HTTP/1.1")

    def test_head_chunked(self) -> None:
        """An answer to HEAD may announce chunks that never come."""
        self.client.send(get(b"/api/version", method=b"HEAD"))
        self.world.node().answer(STREAM)
        _, fields, rest = split(self.client.read())
        self.assertEqual((fields[b"transfer-encoding"], rest), (b"chunked", b""))
        self.client.send(get(b"/api/ps"))
        self.assertEqual(len(self.world.endpoints["a"].connections), 1)

    def test_delete(self) -> None:
        """DELETE keeps its body."""
        request = post(b"/api/delete", b'{"model":"m"}').replace(b"POST", b"DELETE", 1)
        self.passes(request, b"DELETE /api/delete HTTP/1.1", b'{"model":"m"}')

    def test_put(self) -> None:
        """PUT keeps its body, on a path that nobody knows."""
        request = post(b"/x/y;z?q=1&q=2&%20", b"abc").replace(b"POST", b"PUT", 1)
        self.passes(request, b"PUT /x/y;z?q=1&q=2&%20 HTTP/1.1", b"abc")

    def test_no_body(self) -> None:
        """A POST of length 0 says so; a GET does not speak of a length."""
        self.client.send(post(b"/v1/unknown", b""))
        self.assertEqual(split(self.world.node().asked())[1][b"content-length"], b"0")
        self.world.node().answer(whole(b"{}"))
        self.client.send(get(b"/v1/unknown"))
        self.assertNotIn(b"content-length", split(self.world.node().asked())[1])

    def test_chunked_body(self) -> None:
        """A body in chunks reaches the node whole, with its length."""
        self.client.send(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        self.client.send(chunks(b'{"model"', b':"m"}'))
        _, fields, rest = split(self.world.node().asked())
        self.assertEqual(rest, b'{"model":"m"}')
        self.assertEqual(fields[b"content-length"], b"13")
        self.assertNotIn(b"transfer-encoding", fields)

    def test_no_content(self) -> None:
        """An answer without content ends with its head, whatever that says of a length."""
        self.client.send(get(b"/x"))
        self.world.node().answer(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual(split(self.client.read())[2], b"")
        self.client.send(get(b"/x"))
        self.world.node().answer(b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n")
        self.assertNotIn(b"content-length", split(self.client.read())[1])

    def test_not_modified(self) -> None:
        """A 304 tells the length of what it does not send."""
        self.client.send(get(b"/x"))
        self.world.node().answer(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 300\r\n\r\n")
        _, fields, rest = split(self.client.read())
        self.assertEqual((fields[b"content-length"], rest), (b"300", b""))
        self.client.send(get(b"/x"))
        self.assertEqual(len(self.world.endpoints["a"].connections), 1)


class SplitTests(SynchronousTestCase):
    """However the network cuts what is sent, the other side gets the same bytes."""

    ANSWERS = (
        STREAM + chunks(*TOKENS),
        STREAM + b"5;a=b\r\nabcd\n\r\n0\r\nT: 1\r\n\r\n",
        whole(b'{"models":[]}'),
        b"HTTP/1.1 100 Continue\r\n\r\n" + whole(b"{}"),
        b"HTTP/1.1 204 No Content\r\n\r\n",
    )

    def told(self, parts: list[bytes]) -> bytes:
        world = World()
        client = world.client()
        client.send(post(b"/api/chat"))
        for piece in parts:
            world.node().answer(piece)
        self.assertEqual(world.in_flight(), 0)
        return client.read()

    @given(st.sampled_from(ANSWERS), CUTS)
    def test_answer(self, answer: bytes, cuts: list[int]) -> None:
        """An answer cut anywhere is the same answer."""
        self.assertEqual(self.told(pieces(answer, cuts)), self.told([answer]))

    REQUESTS = (
        post(b"/api/chat"),
        get(b"/x"),
        b"POST /api/chat HTTP/1.1\r\nHost: localhost:11435\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunks(b'{"model":', b'"m"}'),
    )

    @given(st.sampled_from(REQUESTS), CUTS)
    def test_request(self, request: bytes, cuts: list[int]) -> None:
        """A request cut anywhere is the same request."""
        asked = []
        for parts in ([request], pieces(request, cuts)):
            world = World()
            client = world.client()
            for piece in parts:
                client.send(piece)
            asked.append(world.node().asked())
        self.assertEqual(asked[0], asked[1])
