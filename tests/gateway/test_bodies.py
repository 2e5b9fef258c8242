"""Bodies of requests: whole before any node is asked, bounded, and there for a second node."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.gateway.body import Body
from tests.gateway.harness import CHAT, World, chunks, get, post, split, whole

CHUNKED = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n%b\r\n"


class ArrivalTests(SynchronousTestCase):
    """A body on its way in."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def test_whole_first(self) -> None:
        """A client that sends slowly holds no place on a node."""
        request = post(b"/api/chat")
        self.client.send(request[:-1])
        self.assertEqual((self.world.in_flight(), self.world.endpoints["a"].connections), (0, []))
        self.client.send(request[-1:])
        self.assertEqual(self.world.in_flight(), 1)

    def test_counted(self) -> None:
        """What was received is told without its framing."""
        self.client.send(CHUNKED % b"" + chunks(CHAT[:5], CHAT[5:]))
        self.world.node().answer(whole(b"{}"))
        self.assertEqual(self.world.records[0].received, len(CHAT))
        self.assertEqual(self.world.sample("bytes_received_total"), len(CHAT))

    def test_next_request(self) -> None:
        """What follows a body is the next request."""
        self.client.send(CHUNKED % b"" + chunks(CHAT) + get(b"/next"))
        self.world.node().answer(whole(b"{}"))
        self.assertTrue(self.world.node().asked().endswith(b"\r\n\r\n"))
        self.assertEqual(self.world.in_flight(), 1)


class LimitTests(SynchronousTestCase):
    """Bodies that are too long."""

    def setUp(self) -> None:
        self.world = World(limits=GatewayLimits(max_body=1000))
        self.client = self.world.client()

    def refused(self) -> None:
        first, fields, _ = split(self.client.read())
        self.assertEqual(first[9:12], b"413")
        self.assertEqual(fields[b"connection"], b"close")
        self.assertEqual(self.world.endpoints["a"].connections, [])
        # The answer must arrive though the client is still sending.
        self.assertEqual((self.client.wire.half_closed, self.client.wire.aborted), (True, False))

    def test_announced(self) -> None:
        """A length beyond the limit is refused before any of the body is read."""
        self.client.send(b"POST /api/chat HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
        self.refused()

    def test_announced_and_expected(self) -> None:
        """A client that waits for leave to send it does not get that leave."""
        self.client.send(
            b"POST /api/chat HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        self.refused()

    def test_chunked(self) -> None:
        """Chunks are refused as soon as they add up to more."""
        self.client.send(CHUNKED % b"" + chunks(b"x" * 600, end=False))
        self.assertEqual(self.client.read(), b"")
        self.client.send(chunks(b"x" * 401, end=False))
        self.refused()

    def test_chunk(self) -> None:
        """One chunk that is too long need not be whole for that."""
        self.client.send(CHUNKED % b"" + b"fffffff\r\n" + b"x" * 1001)
        self.refused()

    def test_just_so(self) -> None:
        """A body of exactly the limit passes."""
        self.client.send(post(b"/x", b"x" * 1000))
        self.client.read()
        self.assertEqual(self.world.in_flight(), 1)

    def test_lingering(self) -> None:
        """What the client goes on sending is thrown away, for a while."""
        self.test_chunk()
        for _ in range(100):
            self.client.send(b"x" * 10_000)
        self.world.sweep(4)
        self.assertEqual(self.client.wire.aborted, False)
        self.world.sweep(2)
        self.assertEqual(self.client.wire.aborted, True)

    def test_lingering_longer(self) -> None:
        """One that sends on is listened to for longer: it has not read its answer; not for ever."""
        self.test_chunk()
        for _ in range(7):
            self.world.sweep(4)
            self.assertEqual(self.client.wire.aborted, False)
            self.client.send(b"x" * 10_000)
        self.world.sweep(3)
        self.assertEqual(self.client.wire.aborted, True)


class ContinueTests(SynchronousTestCase):
    """Clients that wait to be told to send their body."""

    HEAD = (
        b"POST /api/chat HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
    )

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def test_told(self) -> None:
        """They are told so at once."""
        self.client.send(self.HEAD % len(CHAT))
        self.assertEqual(self.client.read(), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.client.send(CHAT)
        self.assertNotIn(b"expect", self.world.node().asked().lower())
        self.world.node().answer(whole(b"{}"))
        self.assertEqual(split(self.client.read())[0], b"HTTP/1.1 200 OK")

    def test_chunked(self) -> None:
        """So are those that do not know the length yet."""
        self.client.send(CHUNKED % b"Expect: 100-Continue\r\n")
        self.assertEqual(self.client.read(), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_not_waiting(self) -> None:
        """Who has begun to send is not told."""
        self.client.send(self.HEAD % len(CHAT) + CHAT[:1])
        self.assertEqual(self.client.read(), b"")

    def test_foreign_host(self) -> None:
        """Who is refused is told that instead."""
        self.client.send((self.HEAD % 5).replace(b"Host: a", b"Host: evil.example"))
        self.assertEqual(split(self.client.read())[0], b"HTTP/1.1 403 Forbidden")


class SpoolTests(SynchronousTestCase):
    """Where a body is kept."""

    def test_memory(self) -> None:
        """A small one is in memory."""
        body = Body(10)
        body.add(b"12345")
        body.add(b"67890")
        self.assertEqual((body.size, body.spooled, body.whole()), (10, None, b"1234567890"))

    def test_file(self) -> None:
        """A large one is in a file, and can be read again and again."""
        body = Body(10)
        self.addCleanup(body.close)
        for part in (b"12345", b"67890", b"1", b"2"):
            body.add(part)
        for _ in range(2):
            assert body.spooled is not None
            self.assertEqual(body.spooled.read(), b"123456789012")
        self.assertEqual(bytes(body.whole()), b"123456789012")

    def test_model(self) -> None:
        """The model is found in a body that is in a file."""
        world = World("ab", limits=GatewayLimits(memory_body=10))
        world.know("a", ("other",))
        client = world.client()
        client.send(post(b"/api/generate", b'{"prompt":"%b","model":"m"}' % (b"x" * 5000)))
        self.assertEqual((world.in_flight(), world.endpoints["a"].connections), (1, []))

    def closed(self, world: World) -> list[Any]:
        """The files of all bodies that are made from now on."""
        files: list[Any] = []
        from ollama_twisted.gateway import body as module

        real = module.TemporaryFile

        def remembering(**options: Any) -> Any:
            files.append(real(**options))
            return files[-1]

        self.patch(module, "TemporaryFile", remembering)
        return files

    def test_file_closed(self) -> None:
        """Its file is closed when the exchange has ended, however it did."""
        world = World(limits=GatewayLimits(memory_body=10))
        files = self.closed(world)
        answered, leaves, gone = world.client(), world.client(), world.client()
        answered.send(post(b"/api/chat", b"x" * 100))
        world.node().answer(whole(b"{}"))
        leaves.send(post(b"/api/chat", b"x" * 100))
        leaves.leave()
        gone.send(post(b"/api/chat", b"x" * 100)[:-5])
        gone.leave()
        page = world.client()
        page.send(post(b"/health", b"x" * 100))
        self.assertEqual([file.closed for file in files], [True] * 4)

    def test_disk_full(self) -> None:
        """A full disk refuses the request, and leaves everything else alone."""
        world = World(limits=GatewayLimits(memory_body=10))
        client, other = world.client(), world.client()
        with mock.patch("ollama_twisted.gateway.body.TemporaryFile", side_effect=OSError(28, "")):
            client.send(post(b"/api/chat", b"x" * 100))
        self.assertEqual(split(client.read())[0], b"HTTP/1.1 507 Insufficient Storage")
        self.assertEqual(client.hung_up, True)
        other.send(post(b"/api/chat"))
        self.assertEqual(world.in_flight(), 1)
