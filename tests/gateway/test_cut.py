"""An answer that breaks off: the client can tell, always, and is told why where there is room."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.framing import ChunkedBody
from tests.gateway.harness import STREAM, World, chunks, pieces, post, split, whole

LINE = b'{"done":false}\n'
EVENT = b'data: {"choices":[]}\n\n'
SSE = STREAM.replace(b"application/x-ndjson", b"text/event-stream")


class CutCase(SynchronousTestCase):
    """A node that breaks off in mid-answer."""

    def setUp(self) -> None:
        self.world = World("ab")
        self.client = self.world.client()

    def cut(self, path: bytes, *parts: bytes, body: bytes = b"", clean: bool = False) -> bytes:
        """What the client gets after the head, if the node sends these parts and breaks off."""
        self.client.send(post(path, body or b'{"model":"m","stream":true}'))
        node = self.world.node("a")
        for part in parts:
            node.answer(part)
        node.close(None if clean else ConnectionLost())
        self.assertEqual(self.client.hung_up, True)
        self.assertEqual(self.world.endpoints["b"].connections, [])
        return split(self.client.read())[2]

    def told(self, rest: bytes, sent: bytes) -> bytes:
        """The payload that follows what the node had sent, in one chunk of its own."""
        self.assertTrue(rest.startswith(sent), rest)
        body = ChunkedBody()
        fed = body.feed(rest[len(sent) :])
        self.assertEqual((fed.ended, fed.rest, body.at_boundary), (False, b"", True))
        return fed.payload


class ToldTests(CutCase):
    """Streams that break off between two messages."""

    def test_ndjson(self) -> None:
        """Ollama's clients get a last line with an error, and the end of the connection."""
        sent = chunks(LINE, end=False)
        said = self.told(self.cut(b"/api/chat", STREAM + sent), sent)
        self.assertEqual(
            said, b'{"error": "a could not finish this answer: it closed the connection"}\n'
        )

    def test_openai(self) -> None:
        """OpenAI's get an event with an error, and no ``[DONE]``."""
        sent = chunks(EVENT, end=False)
        said = self.told(self.cut(b"/v1/chat/completions", SSE + sent), sent)
        self.assertTrue(said.startswith(b"data: {") and said.endswith(b"}\n\n"), said)
        error = json.loads(said[6:])["error"]
        self.assertIn("could not finish this answer", error["message"])

    def test_anthropic(self) -> None:
        """Anthropic's get an event of the type "error"."""
        sent = chunks(b"event: ping\ndata: {}\n\n", end=False)
        said = self.told(self.cut(b"/v1/messages", SSE + sent), sent)
        self.assertTrue(said.startswith(b"event: error\ndata: {"), said)
        self.assertEqual(json.loads(said.partition(b"data: ")[2])["type"], "error")

    def test_within_event(self) -> None:
        """After a line that does not end its event, the error is an event of its own."""
        sent = chunks(b"data: {}\n", end=False)
        said = self.told(self.cut(b"/v1/chat/completions", SSE + sent), sent)
        self.assertTrue(said.startswith(b"\ndata: {"), said)

    def test_nothing_yet(self) -> None:
        """A stream that breaks off before its first line has room for the error."""
        said = self.told(self.cut(b"/api/chat", STREAM), b"")
        self.assertIn(b"could not finish", said)

    def test_orderly(self) -> None:
        """A close in good order does not end a chunked answer."""
        sent = chunks(LINE, end=False)
        rest = self.cut(b"/api/chat", STREAM + sent, clean=True)
        self.assertIn(b"could not finish", self.told(rest, sent))

    def test_garbled(self) -> None:
        """Chunks that make no sense end the answer the same way."""
        self.client.send(post(b"/api/chat"))
        node = self.world.node("a")
        node.answer(STREAM + chunks(LINE, end=False))
        node.answer(b"zz\r\n")
        self.assertEqual(node.wire.aborted, True)
        rest = split(self.client.read())[2]
        self.assertIn(b"malformed framing", self.told(rest, chunks(LINE, end=False)))
        self.assertEqual(self.client.hung_up, True)

    def test_garbled_later(self) -> None:
        """What was in order in the same bytes is not sent, and does not count as sent."""
        self.client.send(post(b"/api/chat"))
        node = self.world.node("a")
        chunk = chunks(LINE, end=False)
        node.answer(STREAM + chunk + chunk[:-3])
        node.answer(chunk[-3:] + b"zz\r\n")
        self.assertEqual(split(self.client.read())[2], chunk + chunk[:-3])
        self.assertEqual(self.client.hung_up, True)

    def test_pull(self) -> None:
        """The progress of a pull is a stream like any other."""
        sent = chunks(b'{"status":"pulling"}\n', end=False)
        self.assertIn(b"error", self.told(self.cut(b"/api/pull", STREAM + sent), sent))

    def test_ended_by_closing(self) -> None:
        """A node that ends its answer by closing, and then breaks off, is no exception."""
        head = b"HTTP/1.0 200 OK\r\n\r\n"
        sent = chunks(LINE, end=False)
        self.assertIn(b"error", self.told(self.cut(b"/api/chat", head + LINE), sent))


class NotToldTests(CutCase):
    """Where one more message would be read as part of what came before it."""

    def silent(self, sent: bytes, rest: bytes) -> None:
        self.assertEqual(rest, sent)

    def test_within_chunk(self) -> None:
        """In the middle of a chunk there is no room."""
        self.silent(b"40\r\n{", self.cut(b"/api/chat", STREAM + b"40\r\n{"))

    def test_after_size(self) -> None:
        """Nor between a chunk's size and its payload."""
        rest = self.cut(b"/api/chat", STREAM + chunks(LINE, end=False) + b"5\r\n")
        self.assertNotIn(b"error", rest)

    def test_within_line(self) -> None:
        """Nor in the middle of a line, though its chunk is whole."""
        sent = chunks(b'{"done":', end=False)
        self.silent(sent, self.cut(b"/api/chat", STREAM + sent))

    def test_not_streamed(self) -> None:
        """One document is not made two."""
        sent = chunks(b'{"done":true}\n', end=False)
        body = b'{"model":"m","stream":false}'
        self.silent(sent, self.cut(b"/api/chat", STREAM + sent, body=body))

    def test_compressed(self) -> None:
        """Plain text has no place in a compressed stream."""
        head = STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        sent = chunks(b"\x1f\x8b...\n", end=False)
        self.silent(sent, self.cut(b"/api/chat", head + sent))

    def test_length(self) -> None:
        """An answer with a length is cut short of it."""
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
        self.silent(b"{}\n", self.cut(b"/api/chat", head + b"{}\n", clean=True))


class OldClientTests(CutCase):
    """HTTP/1.0, where the end of the connection is the end of the answer."""

    def test_reset(self) -> None:
        """The connection is reset, as a close in good order would look like the end."""
        self.client.send(
            b"POST /api/chat HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % 13 + b'{"model":"m"}'
        )
        node = self.world.node("a")
        node.answer(STREAM + chunks(LINE, end=False))
        node.close(ConnectionLost())
        self.assertEqual(self.client.wire.aborted, True)


class AccountTests(CutCase):
    """What is remembered of an answer that broke off."""

    def test_record(self) -> None:
        """It has the node's status, and a failure that names the cause."""
        self.cut(b"/api/chat", STREAM + chunks(LINE, end=False))
        (record,) = self.world.records
        self.assertEqual(
            (record.status, record.failure, record.detail, record.relayed),
            (200, "upstream_cut", "it closed the connection", len(LINE)),
        )
        self.assertEqual(
            self.world.sample(
                "request_failures_total", operation="chat", model="m", reason="upstream_cut"
            ),
            1,
        )

    def test_blamed(self) -> None:
        """It counts against the node."""
        self.cut(b"/api/chat", STREAM + chunks(LINE, end=False))
        self.assertEqual(self.world.pool.nodes["a"].failed_requests, 1)
        self.assertEqual(self.world.in_flight(), 0)

    def test_node_says_so(self) -> None:
        """An error that the node itself tells in mid-stream passes as it is, and ends well."""
        self.client.send(post(b"/api/chat"))
        self.world.node("a").answer(STREAM + chunks(LINE, b'{"error":"out of memory"}\n'))
        self.assertEqual(split(self.client.read())[2], chunks(LINE, b'{"error":"out of memory"}\n'))
        (record,) = self.world.records
        assert record.final is not None
        self.assertEqual((record.failure, record.final.error), ("", "out of memory"))
        self.assertEqual(self.client.hung_up, False)


class AnywhereTests(SynchronousTestCase):
    """However an answer is cut, and wherever."""

    ANSWERS = (
        (b"/api/chat", STREAM + chunks(LINE, LINE, b'{"done":true}\n')),
        (b"/v1/chat/completions", SSE + chunks(EVENT, EVENT, b"data: [DONE]\n\n")),
        (b"/api/chat", whole(b'{"done":true}')),
    )

    @given(st.sampled_from(ANSWERS), st.integers(0, 300), st.lists(st.integers(1, 250), max_size=5))
    def test_never_whole(self, sample: tuple[bytes, bytes], end: int, cuts: list[int]) -> None:
        """No client takes for whole what is not."""
        path, answer = sample
        end = min(end, len(answer) - 1)
        world = World()
        client = world.client()
        client.send(post(path, b'{"model":"m","stream":true}'))
        node = world.node()
        for part in pieces(answer[:end], cuts):
            node.answer(part)
        node.close()
        said = client.read()
        _, fields, rest = split(said)
        if end < answer.index(b"\r\n\r\n") + 4:
            self.assertTrue(said.startswith(b"HTTP/1.1 502 "))
            return
        self.assertEqual(client.hung_up, True)
        if b"content-length" in fields:
            self.assertLess(len(rest), int(fields[b"content-length"]))
        else:
            self.assertEqual(ChunkedBody().feed(rest).ended, False)
