"""
The strict gate, end to end: what is refused is refused in one way, and no node sees any of it.

What the gate takes and what it does not is told by the tests of ``wire.head``; here is
seen that everything goes through it.
"""

from __future__ import annotations

import json

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.wire.head import BadRequest, read_request
from tests.gateway.harness import World, chunks, get, post, split, whole
from tests.wire.heads import mutated

HOST = b"Host: localhost\r\n"
CHUNKED = (
    b"POST /x HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + chunks(b"abc", get(b"/api/hidden"))
)


class GateTests(SynchronousTestCase):
    """Requests that are refused."""

    def refused(self, status: int, *parts: bytes, world: World | None = None) -> str:
        """The message of the refusal, once all else of it has been looked at."""
        world = world or World()
        client = world.client()
        for part in parts:
            client.send(part)
        first, fields, rest = split(client.read())
        self.assertTrue(first.startswith(b"HTTP/1.1 %d " % status), (first, parts))
        self.assertEqual(fields[b"connection"], b"close")
        self.assertEqual(fields[b"content-type"], b"application/json; charset=utf-8")
        self.assertEqual(int(fields[b"content-length"]), len(rest))
        # Lingering: the client may still send, and gets its answer all the same.
        self.assertEqual((client.wire.half_closed, client.wire.aborted), (True, False))
        client.send(get(b"/api/version"))
        self.assertEqual(client.read(), b"")
        self.assertEqual(world.endpoints["a"].connections, [])
        (record,) = world.records
        self.assertEqual((record.operation, record.status), ("refused", status))
        message = json.loads(rest)["error"]
        self.assertEqual(record.detail, message)
        assert isinstance(message, str)
        return message

    def test_request_line(self) -> None:
        """A first line that is not one."""
        for line in (
            b"GET  / HTTP/1.1",
            b"GET / HTTP/1.1 ",
            b" GET / HTTP/1.1",
            b"GET /a b HTTP/1.1",
            b"GET /\x7f HTTP/1.1",
            b"GET /\xff HTTP/1.1",
            b"G(T / HTTP/1.1",
            b"GET foo HTTP/1.1",
            b"GET http://evil.example/ HTTP/1.1",
            b"GET /",
            b"\x16\x03\x01\x02\x00",
        ):
            self.refused(400, line + b"\r\n" + HOST + b"\r\n")

    def test_https(self) -> None:
        """Who takes the gateway for HTTPS is told so with the first bytes, and not waited for."""
        said = self.refused(400, b"\x16\x03\x01\x02\x00\x01")
        self.assertEqual(said, "this port speaks HTTP, not HTTPS")

    def test_version(self) -> None:
        """HTTP/2 and others are not spoken."""
        for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2"):
            self.refused(505, b"GET / " + version + b"\r\n" + HOST + b"\r\n")

    def test_connect(self) -> None:
        """The gateway is no tunnel."""
        self.refused(501, b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n")

    def test_host(self) -> None:
        """HTTP/1.1 has one Host, which names one."""
        for hosts in (b"", b"Host: \r\n", HOST + HOST, b"Host: a@b\r\n", b"Host: a/b\r\n"):
            self.refused(400, b"GET / HTTP/1.1\r\n" + hosts + b"\r\n")

    def test_fold(self) -> None:
        """A header is not continued on the next line."""
        self.refused(400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n")
        self.refused(400, b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\r\n chunked\r\n\r\n")

    def test_control_characters(self) -> None:
        """No header has control characters, bare line ends among them."""
        for byte in (b"\0", b"\x07", b"\x7f", b"\r", b"\n"):
            self.refused(400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a" + byte + b"b\r\n\r\n")

    def test_name(self) -> None:
        """A header's name is a token, with its colon at once."""
        for field in (b"X : a", b" X: a", b"X(: a", b": a", b"X"):
            self.refused(400, b"GET / HTTP/1.1\r\n" + HOST + field + b"\r\n\r\n")

    def test_framing(self) -> None:
        """Whatever leaves a doubt about where the body ends."""
        for fields in (
            b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            b"Content-Length: 1\r\nContent-Length: 1\r\n",
            b"Content-Length: 1, 1\r\n",
            b"Content-Length: +1\r\n",
            b"Content-Length: 1_0\r\n",
            b"Content-Length: 0x1\r\n",
            b"Content-Length: " + b"1" * 5000 + b"\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            b"Content_Length: 1\r\n",
            b"Transfer_Encoding: chunked\r\n",
        ):
            self.refused(400, b"POST / HTTP/1.1\r\n" + HOST + fields + b"\r\n")

    def test_coding(self) -> None:
        """The only transfer coding is chunked, in HTTP/1.1 only."""
        for coding in (b"identity", b"gzip, chunked", b"chunked, chunked", b"xchunked"):
            self.refused(
                501, b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: " + coding + b"\r\n\r\n"
            )
        self.refused(400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")

    def test_expectation(self) -> None:
        """The only thing to expect is a 100."""
        self.refused(
            417, b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nExpect: tea\r\n\r\n"
        )

    def test_chunks(self) -> None:
        """A body in chunks is walked strictly."""
        head = b"POST /api/chat HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        for body in (
            b"+1\r\na\r\n",
            b"0x1\r\na\r\n",
            b"1 \r\na\r\n",
            b"1\na\n",
            b"1;\r\na\r\n",
            b"1\r\nab\r\n",
            b"f" * 17 + b"\r\n",
            b"1;" + b"a" * 2000 + b"\r\n",
            b"0\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        ):
            message = self.refused(400, head + body)
            self.assertTrue(message.startswith("malformed body: "), message)

    def test_long_target(self) -> None:
        """A target has 16 KiB."""
        self.refused(414, b"GET /" + b"a" * 16384 + b" HTTP/1.1\r\n" + HOST + b"\r\n")

    def test_long_head(self) -> None:
        """A head has 64 KiB, and is refused before more of it is kept."""
        parts = [b"GET / HTTP/1.1\r\n" + HOST]
        parts += [b"X: %b\r\n" % (b"a" * 1000) for _ in range(70)]
        self.refused(431, *parts)

    def test_endless_line(self) -> None:
        """A first line that never ends is refused as well."""
        self.refused(414, *[b"a" * 1000 for _ in range(70)])

    def test_many_fields(self) -> None:
        """A head has 200 fields."""
        fields = b"".join(b"X%d: a\r\n" % number for number in range(201))
        self.refused(431, b"GET / HTTP/1.1\r\n" + fields + b"\r\n")

    def test_paths(self) -> None:
        """A path that can be read in two ways goes nowhere."""
        for path in (
            b"//api/delete",
            b"/api/../api/delete",
            b"/api/./delete",
            b"/api%2fdelete",
            b"/api/%2e%2e/delete",
            b"/api\\delete",
            b"/api/delete%00",
            b"/api/%0d%0aX",
        ):
            message = self.refused(400, post(path))
            self.assertEqual(message, "the path is not in its plain form")

    def test_connections(self) -> None:
        """Who comes when the house is full is told so."""
        world = World(limits=GatewayLimits(max_connections=2))
        first = [world.client(), world.client()]
        self.refused(503, world=world)
        first[0].leave()
        # The one that was refused is still there, reading.
        self.assertEqual(world.gateway.client_connections, 2)

    def test_room_again(self) -> None:
        """As soon as somebody has left there is room again."""
        world = World(limits=GatewayLimits(max_connections=1))
        world.client().leave()
        client = world.client()
        client.send(get(b"/health"))
        self.assertIn(b"HTTP/1.1 200 OK", client.read())

    def test_record(self) -> None:
        """Who was refused what can be read in the log, as far as the head could be."""
        world = World()
        world.client("10.0.0.9").send(post(b"//x"))
        world.client("10.0.0.9").send(b"JUNK\r\n\r\n")
        said = [(each.client, each.method, each.path) for each in world.records]
        self.assertEqual(said, [(b"10.0.0.9", b"POST", b"//x"), (b"10.0.0.9", b"", b"")])

    def test_counted(self) -> None:
        """Refusals are counted by status, and under no model."""
        world = World()
        world.client().send(b"JUNK\r\n\r\n")
        self.assertEqual(
            world.sample("requests_total", operation="refused", model="", code="400"), 1
        )


class HostTests(SynchronousTestCase):
    """The name by which a gateway on loopback is called: a foreign one is a rebound one."""

    def status(self, host: bytes, allowed: tuple[str, ...] = (), local: bool = True) -> bytes:
        world = World(limits=GatewayLimits(allowed_hosts=allowed))
        client = world.client()
        client.channel.local = local
        client.send(b"GET /health HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        return client.read()[9:12]

    def test_ours(self) -> None:
        """Addresses, names without a dot and local names are ours."""
        for host in (
            b"localhost:11435",
            b"127.0.0.1",
            b"[::1]:11435",
            b"192.168.1.5:80",
            b"gpu-box",
            b"a.local",
            b"b.internal",
            b"c.localhost",
        ):
            self.assertEqual(self.status(host), b"200", host)

    def test_foreign(self) -> None:
        """Any other name is refused, in every spelling."""
        for host in (b"evil.example", b"EVIL.example:11435", b"127.0.0.1.evil.example", b"a.b."):
            self.assertEqual(self.status(host), b"403", host)

    def test_foreign_head(self) -> None:
        """A HEAD request is refused without a body, as HEAD answers are."""
        client = World().client()
        client.send(get(b"/", method=b"HEAD").replace(b"localhost", b"evil.example"))
        answer = client.read()
        self.assertTrue(answer.startswith(b"HTTP/1.1 403 "))
        self.assertTrue(answer.endswith(b"\r\n\r\n"))

    def test_listed(self) -> None:
        """The operator can list more names, or all."""
        self.assertEqual(self.status(b"AI.example.com:80", ("ai.example.com",)), b"200")
        self.assertEqual(self.status(b"evil.example", ("*",)), b"200")

    def test_elsewhere(self) -> None:
        """Who listens on other addresses is called by whatever name leads there."""
        self.assertEqual(self.status(b"ai.example.com", local=False), b"200")

    def test_nodes_unseen(self) -> None:
        """Proxied requests are held to the same rule."""
        world = World()
        client = world.client()
        client.send(post(b"/api/chat").replace(b"localhost", b"evil.example"))
        self.assertIn(b"403 Forbidden", client.read())
        self.assertEqual(world.endpoints["a"].connections, [])

    def test_remembered(self) -> None:
        """However many names are tried, only few are remembered."""
        world = World()
        for number in range(1000):
            client = world.client()
            client.send(b"GET /health HTTP/1.1\r\nHost: h%d\r\n\r\n" % number)
            self.assertEqual(client.read()[9:12], b"200")
        self.assertLess(len(world.site._hosts._seen), 100)


class ManagingTests(SynchronousTestCase):
    """Requests that change what is on the nodes."""

    REQUESTS = (
        post(b"/api/pull"),
        post(b"/api/push"),
        post(b"/api/create"),
        post(b"/api/copy"),
        post(b"/api/blobs/sha256:0"),
        post(b"/api/delete").replace(b"POST", b"DELETE", 1),
        post(b"/api/me"),
        post(b"/api/signout"),
        post(b"/api/delete/").replace(b"POST", b"DELETE", 1),
        post(b"/API/DELETE").replace(b"POST", b"DELETE", 1),
        post(b"/api/%64elete").replace(b"POST", b"DELETE", 1),
        post(b"/api/pull").replace(b"POST", b"PUT", 1),
        get(b"/debug/pprof/heap"),
    )

    def passed(self, manage_models: str, host: str) -> list[bool]:
        passed = []
        for request in self.REQUESTS:
            world = World(limits=GatewayLimits(manage_models=manage_models))
            client = world.client(host)
            client.send(request)
            connections = world.endpoints["a"].connections
            passed.append(bool(connections))
            if not connections:
                first, _, rest = split(client.read())
                self.assertEqual(first, b"HTTP/1.1 403 Forbidden")
                self.assertIn("manage_models", json.loads(rest)["error"])
                self.assertEqual(world.records[0].failure, "not_allowed")
        return passed

    def test_loopback(self) -> None:
        """By default only this machine may."""
        self.assertEqual(set(self.passed("loopback", "127.0.0.1")), {True})
        self.assertEqual(set(self.passed("loopback", "::1")), {True})
        self.assertEqual(set(self.passed("loopback", "192.168.1.7")), {False})

    def test_open(self) -> None:
        """The operator can let everybody."""
        self.assertEqual(set(self.passed("open", "192.168.1.7")), {True})

    def test_off(self) -> None:
        """Or nobody."""
        self.assertEqual(set(self.passed("off", "127.0.0.1")), {False})

    def test_others(self) -> None:
        """Everybody may ask the models."""
        world = World()
        client = world.client("192.168.1.7")
        client.send(post(b"/api/chat"))
        self.assertEqual(len(world.endpoints["a"].connections), 1)


class RecordingNodeTests(SynchronousTestCase):
    """Whatever comes in, a strict node is only ever asked what it can read in one way."""

    def asked(self, data: bytes) -> list[bytes]:
        """The requests that arrive at nodes if a client sends ``data``."""
        world = World(limits=GatewayLimits(manage_models="open"))
        client = world.client()
        client.channel.local = False
        client.send(data)
        asked = []
        # Each request that is answered lets the next one through.
        for node in world.endpoints["a"].connections:
            while said := node.asked():
                asked.append(said)
                node.answer(whole(b"{}", b"200 OK", b"Connection: close"))
        return asked

    def read_strictly(self, request: bytes) -> None:
        """It is one request, with a body of exactly the length that it tells."""
        block, _, body = request.partition(b"\r\n\r\n")
        try:
            head = read_request(block)
        except BadRequest as error:
            raise AssertionError(f"{request!r}: {error}") from error
        self.assertEqual((head.chunked, head.length, head.minor), (False, len(body), 1))
        self.assertEqual(head.host, b"a.test:11434")

    def test_clean(self) -> None:
        """A request that is all right is still so behind the gateway."""
        (asked,) = self.asked(post(b"/api/chat"))
        self.read_strictly(asked)

    def test_smuggled(self) -> None:
        """A request hidden in another one's body stays a body."""
        hidden = get(b"/api/hidden")
        (asked,) = self.asked(CHUNKED)
        self.read_strictly(asked)
        self.assertTrue(asked.endswith(hidden))

    @settings(max_examples=300)
    @given(mutated(CHUNKED) | mutated(post(b"/x") + get(b"/api/hidden")))
    def test_damaged(self, data: bytes) -> None:
        """Of damaged requests, only what can be read in one way arrives."""
        for asked in self.asked(data):
            self.read_strictly(asked)
