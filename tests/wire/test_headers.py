"""The heads that leave the gateway, in both directions."""

from __future__ import annotations

from hypothesis import assume, given
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.head import (
    BadAnswer,
    BadRequest,
    RequestHead,
    read_answer,
    read_request,
)
from ollama_twisted.wire.headers import HOP_BY_HOP, answer_to_client, request_to_node
from tests.wire.heads import mutated

REQUEST = (
    b"POST http://gateway/api/chat?a=b HTTP/1.0\r\n"
    b"Host: Gateway\r\n"
    b"USER-agent: x\r\n"
    b"X-Secret: y\r\n"
    b"Cookie: a\r\n"
    b"Connection: X-Secret, close\r\n"
    b"Cookie: b\r\n"
    b"Keep-Alive: 5\r\n"
    b"TE: trailers\r\n"
    b"Proxy-Authorization: z\r\n"
    b"X-Forwarded-For: 6.6.6.6\r\n"
    b"x-forwarded-PROTO: https\r\n"
    b"X-FORWARDED-anything: 6.6.6.6\r\n"
    b"Forwarded: for=6.6.6.6\r\n"
    b"X-Real-IP: 6.6.6.6\r\n"
    b"Via: 1.1 other\r\n"
    b"Content-Length: 12"
)
ANSWER = (
    b"HTTP/1.1 299 So  So\r\n"
    b"CONTENT-type: a/b\r\n"
    b"Set-Cookie: a\r\n"
    b"Connection: X-Hop\r\n"
    b"X-Hop: 1\r\n"
    b"Set-Cookie: b\r\n"
    b"Upgrade: x\r\n"
    b"X-Ollama-Gateway-Node: liar\r\n"
    b"Content-Length: 5"
)


def to_node(
    head: RequestHead,
    *,
    body_length: int | None = None,
    target: bytes | None = None,
    extra: tuple[tuple[bytes, bytes], ...] = (),
    drop: frozenset[bytes] = frozenset(),
) -> bytes:
    """A request as the node ``n:1`` gets it from the client ``1.2.3.4``."""
    return request_to_node(
        head,
        target=target,
        host=b"n:1",
        client=b"1.2.3.4",
        proto=b"http",
        body_length=body_length,
        extra=extra,
        drop=drop,
    )


class RequestToNodeTests(SynchronousTestCase):
    """What a node sees of a client's request."""

    def test_whole(self) -> None:
        """
        End-to-end fields pass in their order and letters; the others are ours or gone.
        """
        self.assertEqual(
            to_node(read_request(REQUEST), body_length=12),
            b"POST /api/chat?a=b HTTP/1.1\r\n"
            b"Host: n:1\r\n"
            b"USER-agent: x\r\n"
            b"Cookie: a\r\n"
            b"Cookie: b\r\n"
            b"Via: 1.1 other\r\n"
            b"Content-Length: 12\r\n"
            b"X-Forwarded-Host: Gateway\r\n"
            b"X-Forwarded-For: 1.2.3.4\r\n"
            b"X-Forwarded-Proto: http\r\n"
            b"Via: 1.0 ollama-gateway\r\n"
            b"\r\n",
        )

    def test_hop_by_hop(self) -> None:
        """No hop-by-hop field reaches a node, in whatever capitals."""
        for name in HOP_BY_HOP - {b"transfer-encoding", b"connection"}:
            head = read_request(b"GET / HTTP/1.1\r\nHost: a\r\n%b: secret" % name.upper())
            self.assertNotIn(b"secret", to_node(head), name)

    def test_framing(self) -> None:
        """A body that came in chunks goes on with its length, and one of no length says so."""
        head = read_request(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked")
        sent = to_node(head, body_length=0)
        self.assertIn(b"\r\nContent-Length: 0\r\n", sent)
        self.assertNotIn(b"Transfer-Encoding", sent)
        self.assertNotIn(b"Content-Length", to_node(head))

    def test_no_host(self) -> None:
        """Where a client named no host, none is made up."""
        self.assertNotIn(b"X-Forwarded-Host", to_node(read_request(b"GET / HTTP/1.0")))

    def test_expect(self) -> None:
        """The gateway has answered an expectation already."""
        block = b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1"
        self.assertNotIn(b"Expect", to_node(read_request(block), body_length=1))

    def test_node_of_its_own(self) -> None:
        """A node may have a target and fields of its own, and be kept from seeing others."""
        block = b"GET / HTTP/1.1\r\nHost: a\r\nAUTHORIZATION: mine\r\nCookie: c\r\nX: y"
        sent = to_node(
            read_request(block),
            target=b"/prefix/",
            extra=((b"Authorization", b"Bearer key"),),
            drop=frozenset({b"cookie"}),
        )
        self.assertEqual(
            sent,
            b"GET /prefix/ HTTP/1.1\r\nHost: n:1\r\nX: y\r\nAuthorization: Bearer key\r\n"
            b"X-Forwarded-Host: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: http\r\n"
            b"Via: 1.1 ollama-gateway\r\n\r\n",
        )

    @given(mutated(REQUEST))
    def test_strict(self, block: bytes) -> None:
        """Whatever we let in, what we send passes the same gate and means the same."""
        try:
            head = read_request(block)
        except BadRequest:
            assume(False)
        sent = to_node(head, body_length=head.length)
        self.assertEqual(sent.count(b"\r\n\r\n"), 1)
        again = read_request(sent[:-4])
        self.assertEqual(
            (again.method, again.target, again.length, again.chunked, again.host, again.minor),
            (head.method, head.target, head.length, False, b"n:1", 1),
        )
        self.assertEqual(again.connection, frozenset())


class AnswerToClientTests(SynchronousTestCase):
    """What a client sees of a node's answer."""

    def passed(
        self, block: bytes, *, framing: bytes = b"", keep_alive: bool = True, minor: int = 1
    ) -> bytes:
        """``block`` as a client gets it from the node ``gpu-1``."""
        return answer_to_client(
            read_answer(block),
            framing=framing,
            said=b"X-Ollama-Gateway-Node: gpu-1\r\n",
            keep_alive=keep_alive,
            minor=minor,
        )

    def test_whole(self) -> None:
        """
        Status, reason and end-to-end fields pass as they came; the framing is ours.
        """
        self.assertEqual(
            self.passed(ANSWER, framing=b"Content-Length: 5\r\n"),
            b"HTTP/1.1 299 So  So\r\n"
            b"CONTENT-type: a/b\r\n"
            b"Set-Cookie: a\r\n"
            b"Set-Cookie: b\r\n"
            b"X-Ollama-Gateway-Node: gpu-1\r\n"
            b"Content-Length: 5\r\n"
            b"\r\n",
        )

    def test_hop_by_hop(self) -> None:
        """No hop-by-hop field reaches a client."""
        for name in HOP_BY_HOP - {b"transfer-encoding", b"connection"}:
            sent = self.passed(b"HTTP/1.1 200 OK\r\n%b: secret" % name.title())
            self.assertNotIn(b"secret", sent, name)

    def test_connection(self) -> None:
        """A client is told what becomes of its connection, where its version does not say it."""
        for keep_alive, minor, line in (
            (True, 1, b""),
            (False, 1, b"Connection: close\r\n"),
            (True, 0, b"Connection: keep-alive\r\n"),
            (False, 0, b"Connection: close\r\n"),
        ):
            self.assertEqual(
                self.passed(b"HTTP/1.0 200 OK", keep_alive=keep_alive, minor=minor),
                b"HTTP/1.1 200 OK\r\n" + line + b"X-Ollama-Gateway-Node: gpu-1\r\n\r\n",
            )

    @given(mutated(ANSWER))
    def test_strict(self, block: bytes) -> None:
        """Whatever a node says, what we pass on is a strict head with one framing."""
        try:
            read_answer(block)
        except BadAnswer:
            assume(False)
        sent = self.passed(block, framing=b"Transfer-Encoding: chunked\r\n", keep_alive=False)
        self.assertEqual(sent.count(b"\r\n\r\n"), 1)
        again = read_answer(sent[:-4])
        self.assertEqual((again.chunked, again.length, again.keep_alive), (True, None, False))
