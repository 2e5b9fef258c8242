"""Where bodies end, however their bytes are split, and which framing is refused."""

from __future__ import annotations

import contextlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.framing import (
    LAST_CHUNK,
    MAX_SIZE_LINE,
    MAX_TRAILERS,
    Body,
    ChunkedBody,
    CloseBody,
    Fed,
    FramingError,
    LengthBody,
    answer_body,
    chunk,
    request_body,
    whole_chunk,
)
from ollama_twisted.wire.head import read_answer, read_request
from tests.wire.chunks import damaged_bodies, walk_slowly


def feed_all(body: Body, parts: list[bytes]) -> Fed:
    """What a body makes of several parts, as if they had come at once."""
    forward = payload = rest = b""
    ended = False
    for part in parts:
        if ended:
            rest += part
            continue
        fed = body.feed(part)
        forward += fed.forward
        payload += fed.payload
        ended, rest = fed.ended, fed.rest
    return Fed(forward, payload, ended, rest)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` cut at each of ``cuts``."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


cuts = st.lists(st.integers(0, 2**16), max_size=8)


class ChunkedBodyTests(SynchronousTestCase):
    """Bodies in chunks, as nodes write them."""

    def test_plain(self) -> None:
        """Plain chunks are passed on as the very bytes that came."""
        data = b"5\r\nhello\r\n00A\r\n0123456789\r\n1f\r\n" + b"x" * 31 + b"\r\n"
        fed = ChunkedBody().feed(data)
        self.assertEqual(fed, Fed(data, b"hello0123456789" + b"x" * 31, False, b""))
        self.assertIs(fed.forward, data)

    def test_end(self) -> None:
        """What follows the last chunk is no part of the body."""
        body = ChunkedBody()
        fed = body.feed(b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK")
        self.assertEqual(fed, Fed(b"1\r\na\r\n0\r\n\r\n", b"a", True, b"HTTP/1.1 200 OK"))
        self.assertTrue(body.ended)
        self.assertTrue(body.closed())

    def test_extensions(self) -> None:
        """An extension is dropped, as the next hop may not know it."""
        for extension in (b";a", b";a=b", b' ; a = "b;\\"c" ;d', b"\t;\ta"):
            fed = ChunkedBody().feed(b"0005%b\r\nhello\r\n0%b\r\n\r\n" % (extension, extension))
            self.assertEqual(fed, Fed(b"5\r\nhello\r\n0\r\n\r\n", b"hello", True, b""))

    def test_trailers(self) -> None:
        """Trailers are dropped, and so are needless zeros at the end."""
        fed = ChunkedBody().feed(b"1\r\na\r\n000\r\nX: y\r\nSet-Cookie: z\r\n\r\nrest")
        self.assertEqual(fed, Fed(b"1\r\na\r\n0\r\n\r\n", b"a", True, b"rest"))

    def test_boundary(self) -> None:
        """
        Something of ours fits in between as long as no chunk has been forwarded in part.
        """
        body = ChunkedBody()
        for part, at_boundary in (
            (b"", True),
            (b"5", True),
            (b"\r\n", False),
            (b"hell", False),
            (b"o", False),
            (b"\r", False),
            (b"\n", True),
            (b"0\r\n", True),
            (b"X: ", True),
            (b"y\r\n\r\n", False),
        ):
            body.feed(part)
            self.assertEqual(body.at_boundary, at_boundary, part)

    def test_cut(self) -> None:
        """A body without its last chunk is not whole."""
        data = b"1\r\na\r\n0\r\n\r\n"
        for length in range(len(data)):
            body = ChunkedBody()
            body.feed(data[:length])
            self.assertFalse(body.closed(), data[:length])

    def test_payload_at_once(self) -> None:
        """Nothing of a payload is held back until its chunk is complete."""
        body = ChunkedBody()
        self.assertEqual(body.feed(b"ff\r\nab"), Fed(b"ff\r\nab", b"ab", False, b""))
        self.assertEqual(body.feed(b"cd"), Fed(b"cd", b"cd", False, b""))

    def test_refused_sizes(self) -> None:
        """A size is up to 16 hex digits, with nothing before and nothing but CRLF after it."""
        for size in (
            b"",
            b"+5",
            b"-5",
            b"0x5",
            b"0X5",
            b"1_0",
            b" 5",
            b"5 ",
            b"5\t",
            b"5h",
            b"5\r",
            b"\xb2",
            b"\r",
            b"5\0",
            b"00000000000000005",
            b"8000000000000000",
            b"ffffffffffffffff",
        ):
            self.refused(size + b"\r\nhello\r\n")
        self.refused(b"5\nhello\r\n")
        self.refused(b"5\rhello\r\n")

    def test_refused_extensions(self) -> None:
        """An extension is well-formed and not long."""
        for extension in (
            b";",
            b" ;",
            b";;a",
            b";a;",
            b";a=",
            b";=b",
            b";a b",
            b";a=b c",
            b';a="b',
            b';a=b"',
            b';a="\0"',
            b";a\0",
            b",a",
            b";a=(",
            b";" + b"a" * (MAX_SIZE_LINE - 3),
        ):
            self.refused(b"5%b\r\nhello\r\n" % extension)
        longest = b";" + b"a" * (MAX_SIZE_LINE - 4)
        ChunkedBody().feed(b"5%b\r\nhello\r\n" % longest)
        self.refused(b"5;" + b"a" * 2000)
        self.refused(b"5;a\nhello\r\n")

    def test_refused_ends(self) -> None:
        """A payload is followed by CRLF and nothing else."""
        for end in (b"x\r\n", b"\n", b"\r\r\n", b"\rx", b"5\r\n"):
            self.refused(b"5\r\nhello%b0\r\n\r\n" % end)

    def test_refused_trailers(self) -> None:
        """Trailers are fields like any others, and not many."""
        for trailer in (b"X", b" X: y", b"X : y", b"X: y\0", b"X: y\r\n z", b": y", b"X: a\nY: b"):
            self.refused(b"0\r\n%b\r\n\r\n" % trailer)
        self.refused(b"0\r\nX: " + b"y" * MAX_TRAILERS)
        self.refused(b"0\r\n" + b"X: y\r\n" * MAX_TRAILERS)

    def test_never_ending_line(self) -> None:
        """No line is waited for beyond its limit, however slowly it comes."""
        body = ChunkedBody()
        with self.assertRaises(FramingError):
            for _ in range(2000):
                body.feed(b"0")
        body = ChunkedBody()
        body.feed(b"0\r\n")
        with self.assertRaises(FramingError):
            for _ in range(MAX_TRAILERS):
                body.feed(b"X: y\r\n")

    def test_time(self) -> None:
        """Nothing can be written so that walking it takes long: these would take minutes."""
        for run in (b" ", b";a", b";a=b", b';a="b"', b"a", b'"', b"\\", b";a "):
            with self.assertRaises(FramingError):
                ChunkedBody().feed(b"5;a" + run * (60_000 // len(run)))
        for run in (b"X: y\r\n", b"X: ", b" ", b"X"):
            with self.assertRaises(FramingError):
                ChunkedBody().feed(b"0\r\n" + run * (60_000 // len(run)))

    def refused(self, data: bytes) -> None:
        """``data`` is no chunked body, whether it comes at once or byte by byte."""
        for parts in ([data], [bytes([code]) for code in data]):
            with self.assertRaises(FramingError, msg=repr(data[:50])):
                feed_all(ChunkedBody(), parts)


class ChunkedBodyProperties(SynchronousTestCase):
    """What holds for every chunked body, damaged or not."""

    @given(damaged_bodies(), cuts)
    def test_split_anywhere(self, data: bytes, cuts: list[int]) -> None:
        """However a body is split, the same comes of it."""
        try:
            whole = ChunkedBody().feed(data)
        except FramingError:
            with self.assertRaises(FramingError):
                feed_all(ChunkedBody(), split(data, cuts))
        else:
            self.assertEqual(feed_all(ChunkedBody(), split(data, cuts)), whole)

    @given(damaged_bodies())
    def test_slow_walk(self, data: bytes) -> None:
        """A slow and simple walk finds the same payload, the same end and the same damage."""
        expected = walk_slowly(data)
        try:
            fed = ChunkedBody().feed(data)
        except FramingError:
            self.assertIsNone(expected)
        else:
            self.assertEqual((fed.payload, fed.ended, fed.rest), expected)

    @given(damaged_bodies(), cuts)
    def test_forward_is_plain(self, data: bytes, cuts: list[int]) -> None:
        """What is forwarded is a plain body with the same payload, for the next one to read."""
        try:
            fed = feed_all(ChunkedBody(), split(data, cuts))
        except FramingError:
            return
        again = ChunkedBody().feed(fed.forward)
        self.assertEqual(again, Fed(fed.forward, fed.payload, fed.ended, b""))

    @given(st.binary(max_size=100))
    def test_garbage(self, data: bytes) -> None:
        """Garbage raises nothing but what is announced."""
        with contextlib.suppress(FramingError):
            ChunkedBody().feed(data)


class WholeChunkTests(SynchronousTestCase):
    """The shortcut for what comes nearly always."""

    def test_every_size(self) -> None:
        """A chunk of any size is found, or left to the long way."""
        for size in range(1, 4200):
            data = chunk(b"x" * size)
            start = whole_chunk(data)
            if len(data) < 4096:
                self.assertEqual(data[start:-2], b"x" * size)
            self.assertIn(start, (0, data.index(b"\n") + 1))

    def test_only_exact(self) -> None:
        """Nothing else is taken for a chunk."""
        for length in range(30):
            for data in (b"x" * length, b"\r\n" * (length // 2), b"0\r\n\r\n"[:length]):
                self.assertEqual(whole_chunk(data), 0, data)
        for data in (
            LAST_CHUNK,
            b"5\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\r",
            b"5\r\nhell\r\n",
            b"05\r\nhello\r\n",
            b"A\r\n0123456789\r\n",
            b"5;a\r\nhello\r\n",
        ):
            self.assertEqual(whole_chunk(data), 0, data)

    @given(st.binary(max_size=40) | damaged_bodies())
    def test_agrees(self, data: bytes) -> None:
        """What the shortcut takes, the long way takes for the same."""
        start = whole_chunk(data)
        if start:
            body = ChunkedBody()
            head = body.feed(data[:1])
            rest = body.feed(data[1:])
            self.assertEqual(head.forward + rest.forward, data)
            self.assertEqual(head.payload + rest.payload, data[start:-2])
            self.assertTrue(body.at_boundary)


class OtherBodyTests(SynchronousTestCase):
    """Bodies without chunks."""

    @given(st.binary(max_size=20), st.integers(0, 25), cuts)
    def test_length(self, data: bytes, length: int, cuts: list[int]) -> None:
        """A body of known length ends there, however it is split."""
        body = LengthBody(length)
        fed = feed_all(body, split(data, cuts)) if length else body.feed(data)
        content = data[:length]
        self.assertEqual(fed, Fed(content, content, len(data) >= length, data[length:]))
        self.assertEqual((body.closed(), body.ended), (fed.ended, fed.ended))
        self.assertFalse(body.at_boundary)

    def test_until_close(self) -> None:
        """A body of unknown length is whole when its connection ends, and not before."""
        body = CloseBody()
        self.assertEqual(body.feed(b"0\r\n\r\n"), Fed(b"0\r\n\r\n", b"0\r\n\r\n", False, b""))
        self.assertEqual((body.ended, body.closed(), body.at_boundary), (False, True, True))


class WhichBodyTests(SynchronousTestCase):
    """Which framing a head announces."""

    def test_requests(self) -> None:
        """A request has a body only if it says so."""
        for line, kind, ended in (
            (b"X: y", LengthBody, True),
            (b"Content-Length: 1", LengthBody, False),
            (b"Transfer-Encoding: chunked", ChunkedBody, False),
        ):
            body = request_body(read_request(b"PUT / HTTP/1.1\r\nHost: a\r\n" + line))
            self.assertIsInstance(body, kind)
            self.assertEqual(body.ended, ended)

    def test_answers(self) -> None:
        """An answer has a body, unless its status or the request's method forbids it."""
        chunked = b"\r\nTransfer-Encoding: chunked"
        for block, method, kind, ended in (
            (b"HTTP/1.1 200 OK", b"GET", CloseBody, False),
            (b"HTTP/1.1 200 OK" + chunked, b"GET", ChunkedBody, False),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"GET", LengthBody, False),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0", b"GET", LengthBody, True),
            (b"HTTP/1.1 200 OK" + chunked, b"HEAD", LengthBody, True),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"HEAD", LengthBody, True),
            (b"HTTP/1.1 204 No", b"GET", LengthBody, True),
            (b"HTTP/1.1 304 No" + chunked, b"GET", LengthBody, True),
            (b"HTTP/1.1 103 Hint", b"GET", LengthBody, True),
        ):
            body = answer_body(read_answer(block), method)
            self.assertIsInstance(body, kind)
            self.assertEqual(body.ended, ended, block)


@st.composite
def _payloads(draw: DrawFn) -> bytes:
    return draw(st.binary(min_size=1, max_size=5000))


class ChunkTests(SynchronousTestCase):
    """Chunks of our own."""

    @given(st.lists(_payloads(), max_size=5), cuts)
    def test_round_trip(self, payloads: list[bytes], cuts: list[int]) -> None:
        """What we frame, we read again, byte for byte."""
        data = b"".join(map(chunk, payloads)) + LAST_CHUNK
        fed = feed_all(ChunkedBody(), split(data, cuts))
        self.assertEqual(fed, Fed(data, b"".join(payloads), True, b""))
