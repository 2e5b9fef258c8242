"""Which heads are read, as what, and which are refused."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.head import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_TARGET,
    AnswerHead,
    BadAnswer,
    BadRequest,
    RequestHead,
    read_answer,
    read_request,
)
from tests.wire.heads import mutated, read_slowly

POST = (
    b"POST /api/chat?a=b&c HTTP/1.1\r\n"
    b"Host: localhost:11435\r\n"
    b"content-TYPE: application/json\r\n"
    b"X-Twice: 1\r\n"
    b"Content-Length: 12\r\n"
    b"X-Twice:\t2 \t"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/x-ndjson\r\n"
    b"Date: Tue, 24 Nov 2026 01:00:00 GMT\r\n"
    b"Transfer-Encoding: chunked"
)


def request(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    """A request's head with a host and ``lines``."""
    return b"\r\n".join([first, *([host] if host else []), *lines])


class Refusals(SynchronousTestCase):
    """What every test of a refused request needs."""

    def refused(self, block: bytes, status: int) -> None:
        """``block`` is answered with ``status``."""
        with self.assertRaises(BadRequest, msg=repr(block[:200])) as caught:
            read_request(block)
        self.assertEqual(caught.exception.status, status, block[:200])
        self.assertNotEqual(caught.exception.message, "")


class ReadRequestTests(SynchronousTestCase):
    """Requests as clients send them."""

    def test_whole(self) -> None:
        """Every part of a head is where it belongs, and its fields are as they came."""
        self.assertEqual(
            read_request(POST),
            RequestHead(
                method=b"POST",
                target=b"/api/chat?a=b&c",
                path=b"/api/chat",
                query=b"a=b&c",
                minor=1,
                fields=[
                    (b"Host", b"localhost:11435"),
                    (b"content-TYPE", b"application/json"),
                    (b"X-Twice", b"1"),
                    (b"Content-Length", b"12"),
                    (b"X-Twice", b"2"),
                ],
                lower={
                    b"host": b"localhost:11435",
                    b"content-type": b"application/json",
                    b"x-twice": b"1",
                    b"content-length": b"12",
                },
                host=b"localhost:11435",
                length=12,
                chunked=False,
                connection=frozenset(),
                keep_alive=True,
                expect_continue=False,
            ),
        )

    def test_old_client_without_host(self) -> None:
        """An HTTP/1.0 client need not say which host it means."""
        head = read_request(b"GET / HTTP/1.0")
        self.assertEqual((head.host, head.minor, head.keep_alive), (b"", 0, False))

    def test_old_client_kept_alive(self) -> None:
        """An HTTP/1.0 client keeps its connection if it asks to."""
        head = read_request(b"GET / HTTP/1.0\r\nConnection: Keep-Alive")
        self.assertTrue(head.keep_alive)

    def test_hosts(self) -> None:
        """Names, addresses and ports make a host."""
        for host in (b"a", b"a-b.example:1", b"1.2.3.4:11435", b"[::1]", b"[::1]:65535", b"a_b"):
            self.assertEqual(read_request(request(host=b"Host: " + host)).host, host)

    def test_chunked(self) -> None:
        """A body may come in chunks, in whatever capitals that is said."""
        head = read_request(request(b"Transfer-Encoding: Chunked"))
        self.assertEqual((head.chunked, head.length), (True, 0))

    def test_values_beyond_ascii(self) -> None:
        """Bytes beyond ASCII may stand in a value (RFC 9110 section 5.5)."""
        head = read_request(request(b"X: gr\xc3\xbc\xc3\x9fe"))
        self.assertEqual(head.lower[b"x"], b"gr\xc3\xbc\xc3\x9fe")

    def test_empty_value(self) -> None:
        """A value may be empty, however many blanks surround it."""
        head = read_request(request(b"A:", b"B: \t ", b"C:c"))
        self.assertEqual(head.fields[1:], [(b"A", b""), (b"B", b""), (b"C", b"c")])

    def test_connection_list(self) -> None:
        """All members of all Connection fields count."""
        head = read_request(request(b"Connection: foo,,Keep-Alive", b"connection: Bar ,\tCLOSE"))
        self.assertEqual(head.connection, {b"foo", b"keep-alive", b"bar", b"close"})
        self.assertFalse(head.keep_alive)

    def test_expect_continue(self) -> None:
        """A client that has a body to send may wait for leave to do so."""
        lines = b"Expect: 100-Continue", b"Content-Length: 1"
        self.assertTrue(read_request(request(*lines)).expect_continue)

    def test_expects_without_need(self) -> None:
        """Nobody waits without a body to send, or in HTTP/1.0."""
        self.assertFalse(read_request(request(b"Expect: 100-continue")).expect_continue)
        old = request(b"Expect: 100-continue", b"Content-Length: 1", first=b"PUT / HTTP/1.0")
        self.assertFalse(read_request(old).expect_continue)

    def test_absolute_form(self) -> None:
        """A target that names the host again becomes what a node is asked for."""
        for target, origin in (
            (b"http://A:1/b?c", b"/b?c"),
            (b"HTTPS://a:1", b"/"),
            (b"http://a:1?c", b"/?c"),
        ):
            head = read_request(request(first=b"GET %b HTTP/1.1" % target, host=b"Host: a:1"))
            self.assertEqual(head.target, origin)

    def test_asterisk(self) -> None:
        """OPTIONS may ask about the server as a whole, in two forms."""
        for target in (b"*", b"http://a"):
            head = read_request(request(first=b"OPTIONS %b HTTP/1.1" % target))
            self.assertEqual((head.target, head.path), (b"*", b"*"))

    def test_largest(self) -> None:
        """What is just within each limit is read."""
        read_request(request(first=b"GET /%b HTTP/1.1" % (b"a" * (MAX_TARGET - 1))))
        read_request(request(*[b"A: b"] * (MAX_FIELDS - 1)))
        empty = request(b"A: ")
        read_request(request(b"A: " + b"b" * (MAX_HEAD - len(empty))))
        self.assertEqual(
            read_request(request(b"Content-Length: " + b"9" * 18)).length, 999_999_999_999_999_999
        )


class RefusedRequestTests(Refusals):
    """Requests that two readers could understand differently, or that cost too much."""

    def test_folded(self) -> None:
        """A line is never continued on the next one."""
        for fold in (b" b", b"\tb", b" ", b"\t chunked"):
            self.refused(request(b"X: a", fold), 400)
            self.refused(request(b"Transfer-Encoding:", fold), 400)
        self.refused(b"GET / HTTP/1.1\r\nHost: a\r\n\tContent-Length: 1", 400)
        self.refused(b"GET / HTTP/1.1\r\n Host: a", 400)

    def test_hosts(self) -> None:
        """There is exactly one host, and it looks like one."""
        self.refused(request(host=b""), 400)
        self.refused(request(b"Host: a"), 400)
        self.refused(request(b"hOST: b"), 400)
        for host in (
            b"",
            b"a@b",
            b"a/b",
            b"a,b",
            b"a b",
            b"a\x06",
            b"a\xff",
            b"a:b",
            b"a:",
            b":1",
            b"a:65536",
            b"a:1:2",
            b"::1",
            b"[::1",
            b"[::1]a",
            b"[]",
            b"[a.b]:x",
            b"a?b",
            b"a#b",
            b"%61",
            b"a\\b",
            b"a" * 256,
        ):
            self.refused(request(host=b"Host: " + host), 400)
            self.refused(request(host=b"Host: " + host, first=b"GET / HTTP/1.0"), 400)

    def test_control_characters(self) -> None:
        """No control character stands in a value, a name or a target."""
        for code in (*range(9), *range(10, 32), 127):
            character = bytes([code])
            self.refused(request(b"X: a%bb" % character), 400)
            self.refused(request(b"X: a" + character), 400)
            self.refused(request(b"X:" + character), 400)
            self.refused(request(b"X%b: a" % character), 400)
            self.refused(request(first=b"GET /%b HTTP/1.1" % character), 400)
        self.refused(request(first=b"GET /\t HTTP/1.1"), 400)

    def test_target_beyond_ascii(self) -> None:
        """A target is ASCII."""
        for code in range(128, 256):
            self.refused(request(first=b"GET /%b HTTP/1.1" % bytes([code])), 400)

    def test_names(self) -> None:
        """The name of a field is a token right before its colon."""
        for line in (b": a", b"X : a", b" X: a", b"X\t: a", b"X(: a", b"X", b"", b"\xffX: a"):
            self.refused(request(line), 400)
            self.refused(request(line, b"Y: b"), 400)

    def test_bare_line_ends(self) -> None:
        """Only both CR and LF end a line."""
        for line in (
            b"X: a\nY: b",
            b"X: a\rY: b",
            b"X: a\r",
            b"X: a\n",
            b"\nX: a",
            b"X: a\r\r\nY: b",
        ):
            self.refused(request(line), 400)
        self.refused(b"GET / HTTP/1.1\nHost: a", 400)
        self.refused(b"GET / HTTP/1.1\rHost: a", 400)
        self.refused(request(first=b"GET / HTTP/1.1\r"), 400)

    def test_target_forms(self) -> None:
        """A target is a path, or names the same host again."""
        for target in (
            b"foo",
            b"!",
            b"*",
            b"a:443",
            b"?a",
            b"http://b/",
            b"http://a:1/",
            b"http://u@a/",
            b"http:///a",
            b"http:/a",
            b"ftp://a/",
            b"http://a#b",
            b"/a#b",
            b"\\a",
        ):
            self.refused(request(first=b"GET %b HTTP/1.1" % target), 400)
        self.refused(request(first=b"OPTIONS foo HTTP/1.1"), 400)
        self.refused(request(first=b"GET http://a/ HTTP/1.0", host=b""), 400)

    def test_connect(self) -> None:
        """Nobody gets a tunnel."""
        self.refused(request(first=b"CONNECT a:443 HTTP/1.1"), 501)
        self.refused(request(first=b"CONNECT / HTTP/1.1"), 501)

    def test_request_lines(self) -> None:
        """A request line is three words with one space between them."""
        for line in (
            b"",
            b"GET",
            b"GET /",
            b"GET  / HTTP/1.1",
            b"GET /  HTTP/1.1",
            b"GET\t/ HTTP/1.1",
            b" GET / HTTP/1.1",
            b"GET / HTTP/1.1 ",
            b"GET / b HTTP/1.1",
            b"GET / http/1.1",
            b"GET / HTTP/1",
            b"GET / HTTPS/1.1",
            b"GET / HTTP/1.1x",
            b"G(T / HTTP/1.1",
            b"/ HTTP/1.1",
        ):
            with self.assertRaises(BadRequest, msg=repr(line)) as caught:
                read_request(request(first=line))
            self.assertIn(caught.exception.status, (400, 505))

    def test_versions(self) -> None:
        """Only HTTP/1.0 and HTTP/1.1 are spoken."""
        for version in (b"0.9", b"1.2", b"1.10", b"2.0", b"2", b"3", b"01.1", b"11.1"):
            self.refused(request(first=b"GET / HTTP/" + version), 505)
        self.refused(b"PRI * HTTP/2.0", 505)

    def test_transfer_encodings(self) -> None:
        """The only transfer coding is chunked, said once."""
        for coding in (
            b"",
            b"identity",
            b"gzip",
            b"gzip, chunked",
            b"chunked, gzip",
            b"chunked, chunked",
            b"chunked,",
            b",chunked",
            b"xchunked",
            b"chunked;a=b",
            b'"chunked"',
        ):
            self.refused(request(b"Transfer-Encoding: " + coding), 501)
        self.refused(request(b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"), 400)
        self.refused(request(b"Transfer-Encoding: \x0bchunked"), 400)

    def test_chunks_in_old_version(self) -> None:
        """HTTP/1.0 has no transfer codings."""
        self.refused(request(b"Transfer-Encoding: chunked", first=b"PUT / HTTP/1.0"), 400)

    def test_two_framings(self) -> None:
        """A body has a length or chunks, not both."""
        for coding in (b"chunked", b"identity", b"x"):
            lines = [b"Content-Length: 1", b"Transfer-Encoding: " + coding]
            self.refused(request(*lines), 400)
            self.refused(request(*reversed(lines)), 400)

    def test_lengths(self) -> None:
        """A length is said once, in at most 18 digits."""
        for length in (
            b"",
            b"+1",
            b"-1",
            b"1_0",
            b"0x1",
            b"1 1",
            b"1,1",
            b"1, 1",
            b"1.0",
            b"a",
            b"\xb2",
            b"1" * 19,
            b"0" * 19,
            b"1" * 5000,
        ):
            self.refused(request(b"Content-Length: " + length), 400)
        self.refused(request(b"Content-Length: 1", b"Content-Length: 1"), 400)
        self.refused(request(b"Content-Length: 1", b"CONTENT-length: 2"), 400)

    def test_twins(self) -> None:
        """What looks like a framing field to others is not let through."""
        for name in (b"Content_Length", b"content_length", b"Transfer_Encoding"):
            self.refused(request(name + b": 1"), 400)

    def test_expectations(self) -> None:
        """Nothing but leave to continue can be expected."""
        for value in (b"", b"x", b"100-continue, x", b"100-continue=1", b"200-ok"):
            self.refused(request(b"Expect: " + value, b"Content-Length: 1"), 417)
        self.refused(request(b"Expect: 100-continue", b"Expect: x", b"Content-Length: 1"), 417)

    def test_sizes(self) -> None:
        """Too long a target, too long a head and too many fields each have their status."""
        self.refused(request(first=b"GET /%b HTTP/1.1" % (b"a" * MAX_TARGET)), 414)
        self.refused(request(b"A: " + b"b" * MAX_HEAD), 431)
        self.refused(request(*[b"A: b"] * MAX_FIELDS), 431)

    def test_time(self) -> None:
        """Nothing can be written so that reading it takes long: these would take minutes."""
        for run in (b" ", b"\t ", b"a", b"a ", b"a:", b":"):
            lengthy = run * (60000 // len(run))
            self.refused(request(b"X:" + lengthy + b"\0"), 400)
            self.refused(request(lengthy + b"\0"), 400)

    def test_never_ending(self) -> None:
        """A head without an end can be refused from its beginning."""
        self.refused(b"GET /" + b"a" * MAX_HEAD, 414)
        self.refused(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * MAX_HEAD, 431)


class ReadAnswerTests(SynchronousTestCase):
    """Answers as nodes give them, and as no client may get them."""

    def bad(self, *blocks: bytes) -> None:
        """None of ``blocks`` is an answer."""
        for block in blocks:
            with self.assertRaises(BadAnswer, msg=repr(block[:200])):
                read_answer(block)

    def test_whole(self) -> None:
        """Every part of a head is where it belongs."""
        self.assertEqual(
            read_answer(ANSWER),
            AnswerHead(
                status=200,
                reason=b"OK",
                minor=1,
                fields=[
                    (b"Content-Type", b"application/x-ndjson"),
                    (b"Date", b"Tue, 24 Nov 2026 01:00:00 GMT"),
                    (b"Transfer-Encoding", b"chunked"),
                ],
                lower={
                    b"content-type": b"application/x-ndjson",
                    b"date": b"Tue, 24 Nov 2026 01:00:00 GMT",
                    b"transfer-encoding": b"chunked",
                },
                length=None,
                chunked=True,
                connection=frozenset(),
                keep_alive=True,
            ),
        )

    def test_length(self) -> None:
        """A length that is said is known, even if it is none."""
        self.assertEqual(read_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0").length, 0)
        self.assertIsNone(read_answer(b"HTTP/1.1 200 OK").length)

    def test_reasons(self) -> None:
        """Any phrase explains a status, or none."""
        self.assertEqual(read_answer(b"HTTP/1.1 404 Not  Found!").reason, b"Not  Found!")
        self.assertEqual(read_answer(b"HTTP/1.1 404 ").reason, b"")
        self.assertEqual(read_answer(b"HTTP/1.1 404").reason, b"")

    def test_kept_alive(self) -> None:
        """The version and the Connection fields say what becomes of the connection."""
        for block, keep_alive in (
            (b"HTTP/1.1 200 OK", True),
            (b"HTTP/1.0 200 OK", False),
            (b"HTTP/1.0 200 OK\r\nConnection: keep-alive", True),
            (b"HTTP/1.1 200 OK\r\nConnection: a, Close", False),
            (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close", False),
        ):
            self.assertEqual(read_answer(block).keep_alive, keep_alive, block)

    def test_bad_status_lines(self) -> None:
        """A status is three digits of a known class."""
        self.bad(
            b"",
            b"HTTP/1.1",
            b"HTTP/1.1 ",
            b"HTTP/1.1 99 x",
            b"HTTP/1.1 099 x",
            b"HTTP/1.1 600 x",
            b"HTTP/1.1 2000 x",
            b"HTTP/1.1 +200 x",
            b"HTTP/1.1 2_0 x",
            b"HTTP/1.1  200 x",
            b"HTTP/1.1 200x",
            b"HTTP/2.0 200 OK",
            b"HTTP/1.2 200 OK",
            b"http/1.1 200 OK",
            b"ICY 200 OK",
            b"HTTP/1.1 200 O\x00K",
            b"HTTP/1.1 200 OK\n",
            b"HTTP/1.1 200 OK\rX: a",
        )

    def test_bad_framing(self) -> None:
        """Framing that two readers could understand differently reaches no client."""
        for lines in (
            b"Content-Length: 1\r\nTransfer-Encoding: chunked",
            b"Content-Length: 5, 5",
            b"Content-Length: 5\r\nContent-Length: 5",
            b"Content-Length: +5",
            b"Content-Length: ",
            b"Content-Length: " + b"1" * 19,
            b"Transfer-Encoding: gzip, chunked",
            b"Transfer-Encoding: identity",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding:\r\n chunked",
        ):
            self.bad(b"HTTP/1.1 200 OK\r\n" + lines)
        self.bad(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked")

    def test_bad_fields(self) -> None:
        """A field in which another one could hide reaches no client."""
        for line in (
            b"X: a\nSet-Cookie: e=1",
            b"X: a\rY: b",
            b"X: \0",
            b"X: a\r\n b",
            b"X : a",
            b"X",
        ):
            self.bad(b"HTTP/1.1 200 OK\r\n" + line)

    def test_sizes(self) -> None:
        """A head has its limits."""
        self.bad(b"HTTP/1.1 200 OK\r\nA: " + b"b" * MAX_HEAD)
        self.bad(b"HTTP/1.1 200 OK" + b"\r\nA: b" * (MAX_FIELDS + 1))


class HeadProperties(SynchronousTestCase):
    """What holds for whatever comes in."""

    @given(st.binary(max_size=200))
    def test_garbage(self, block: bytes) -> None:
        """Garbage is refused as such, and nothing else happens."""
        # Hypothesis tries what it finds in our own modules, too, and that may be a whole head.
        assume(b"HTTP/1." not in block)
        with self.assertRaises(BadRequest):
            read_request(block)
        with self.assertRaises(BadAnswer):
            read_answer(block)

    @given(mutated(POST))
    def test_mutated_requests(self, block: bytes) -> None:
        """A slow and simple reader accepts the same requests, and understands the same."""
        expected = read_slowly(block)
        try:
            head = read_request(block)
        except BadRequest:
            self.assertIsNone(expected)
        else:
            self.assertEqual(
                (head.method, head.target, head.minor, head.fields, head.length, head.chunked),
                expected,
            )

    @given(mutated(ANSWER))
    def test_mutated_answers(self, block: bytes) -> None:
        """An answer is either refused or as plain as it looks."""
        try:
            head = read_answer(block)
        except BadAnswer:
            return
        lines = block.split(b"\r\n")
        self.assertEqual(len(head.fields), len(lines) - 1)
        for (name, value), line in zip(head.fields, lines[1:], strict=True):
            self.assertEqual(
                (name, value), (line.split(b":")[0], line.split(b":", 1)[1].strip(b" \t"))
            )
            self.assertTrue(all(c == 9 or 32 <= c != 127 for c in value))
        self.assertFalse(head.chunked and head.length is not None)
