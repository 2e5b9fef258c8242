"""Several requests of one client, on one connection."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.gateway.channel import MAX_PIPELINED
from tests.gateway.harness import STREAM, World, chunks, get, post, split, whole


class PipelineTests(SynchronousTestCase):
    """Requests that are sent before the answer to the one before has come."""

    def setUp(self) -> None:
        self.world = World("ab")
        self.client = self.world.client()

    def test_one_at_a_time(self) -> None:
        """The second request reaches a node once the first has been answered, and not before."""
        self.client.send(post(b"/first") + post(b"/second"))
        self.assertIn(b"POST /first ", self.world.node("a").asked())
        self.assertEqual(self.world.endpoints["b"].connections, [])
        self.world.node("a").answer(whole(b"1"))
        self.assertIn(b"POST /second ", self.world.node("b").asked())

    def test_in_order(self) -> None:
        """Answers come in the order of the requests."""
        self.client.send(b"".join(get(b"/%d" % number) for number in range(6)))
        for number in range(6):
            self.world.node("ab"[number % 2]).answer(whole(b"%d" % number))
        bodies = [part.partition(b"\r\n\r\n")[2] for part in self.client.read().split(b"HTTP/1.1")]
        self.assertEqual(bodies[1:], [b"0", b"1", b"2", b"3", b"4", b"5"])

    def test_page_between(self) -> None:
        """The gateway's own pages wait their turn as well."""
        self.client.send(post(b"/api/chat") + get(b"/health") + post(b"/api/chat"))
        self.assertEqual(self.client.read(), b"")
        self.world.node("a").answer(STREAM + chunks(b"{}\n"))
        answer = self.client.read()
        self.assertLess(answer.index(b"0\r\n\r\n"), answer.index(b'"status": "healthy"'))
        self.assertIn(b"POST /api/chat", self.world.node("b").asked())

    def test_many_refused(self) -> None:
        """Any number of requests that are answered at once are, without going ever deeper."""
        for endpoint in self.world.endpoints.values():
            endpoint.refuses = True
        many = 3 * sys.getrecursionlimit()
        request = get(b"/x")
        self.client.send(request * 2)
        for _ in range(many // 500):
            self.client.send(request * 500)
        self.assertEqual(self.client.read().count(b"HTTP/1.1 503 "), 2 + many // 500 * 500)
        self.assertEqual(self.client.hung_up, False)

    def test_many_pages(self) -> None:
        """The same holds for pages."""
        many = 2 * sys.getrecursionlimit()
        self.client.send(get(b"/health") * many)
        self.assertEqual(self.client.read().count(b"HTTP/1.1 200 "), many)

    def test_close_asked(self) -> None:
        """What follows a request that ends the connection is not read."""
        self.client.send(get(b"/first", b"Connection: close") + get(b"/second"))
        self.world.node("a").answer(whole(b"1"))
        self.assertEqual(split(self.client.read())[1][b"connection"], b"close")
        self.assertEqual(self.client.wire.disconnecting, True)
        self.assertEqual(self.world.endpoints["b"].connections, [])

    def test_bad_second(self) -> None:
        """A request that is refused ends the connection after the answer before it."""
        self.client.send(get(b"/first") + b"JUNK\r\n\r\n")
        self.assertEqual(self.client.hung_up, False)
        self.world.node("a").answer(whole(b"1"))
        self.assertIn(b"400 Bad Request", self.client.read())
        self.assertEqual(self.client.hung_up, True)

    def test_too_much(self) -> None:
        """Who sends too much ahead of its answers is hung up on: reading is never paused."""
        self.client.send(get(b"/first"))
        for _ in range(MAX_PIPELINED // 1000):
            self.client.send(b"x" * 1000)
        self.assertEqual(self.client.hung_up, False)
        self.client.send(b"x" * 1000)
        self.assertEqual(self.client.wire.aborted, True)
        self.assertEqual(self.world.node("a").wire.aborted, True)

    def test_too_much_without_reading(self) -> None:
        """The same holds for one who does not read the answers that are there."""
        self.client.send(get(b"/health"))
        self.client.stall()
        for _ in range(MAX_PIPELINED // 1000 + 1):
            self.client.send(b"x" * 1000)
        self.assertEqual(self.client.wire.aborted, True)

    def test_not_read(self) -> None:
        """As long as a client does not read, its next request is not begun."""
        self.client.send(post(b"/first"))
        self.client.stall()
        self.world.node("a").answer(whole(b"1"))
        self.client.send(post(b"/second"))
        self.assertEqual(self.world.endpoints["b"].connections, [])
        self.client.catch_up()
        self.assertIn(b"POST /second ", self.world.node("b").asked())

    def test_stalled_between(self) -> None:
        """Who does not read the end of an answer is hung up on after a while."""
        self.world = World(limits=GatewayLimits(send_timeout=20, head_timeout=5))
        client = self.world.client()
        client.send(post(b"/first"))
        client.stall()
        self.world.node().answer(whole(b"1"))
        for _ in range(19):
            client.send(b"G")
            self.world.sweep(1)
        self.assertEqual(client.hung_up, False)
        self.world.sweep(2)
        self.assertEqual(client.wire.aborted, True)


class KeepAliveTests(SynchronousTestCase):
    """A connection between two requests."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def test_kept(self) -> None:
        """It stays open after an answer, and carries the next request."""
        for _ in range(3):
            self.client.send(post(b"/api/chat"))
            self.world.node().answer(STREAM + chunks(b"{}\n"))
            self.assertNotIn(b"connection", split(self.client.read())[1])
        self.assertEqual(self.client.hung_up, False)

    def test_page_kept(self) -> None:
        """Pages keep it open as well, and close it when asked to."""
        self.client.send(get(b"/health"))
        self.assertEqual(self.client.hung_up, False)
        self.client.send(get(b"/health", b"Connection: close"))
        self.assertIn(b"close", self.client.read().lower())
        self.assertEqual(self.client.wire.disconnecting, True)

    def test_empty_line_between(self) -> None:
        """An empty line between requests, which old clients send, is skipped."""
        self.client.send(get(b"/health") + b"\r\n" + get(b"/health") + b"\r\n")
        self.client.send(get(b"/health"))
        self.assertEqual(self.client.read().count(b"HTTP/1.1 200 OK"), 3)
