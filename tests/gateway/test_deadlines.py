"""How long anybody waits for anything: each phase has its limit, and the whole has none."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits, LineConfig, Timeouts
from tests.gateway.harness import STREAM, Client, World, chunks, get, message, post, split, whole

TOKEN = chunks(b'{"done":false}\n', end=False)


class ClientTests(SynchronousTestCase):
    """Clients that take their time."""

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def timed_out(self, client: Client) -> None:
        first, fields, rest = split(client.read())
        self.assertEqual(
            (first, fields[b"connection"], rest),
            (
                b"HTTP/1.1 408 Request Timeout",
                b"close",
                b'{"error": "the request took too long to arrive"}',
            ),
        )
        self.assertEqual(client.hung_up, True)

    def test_head(self) -> None:
        """A head has its time in all, however steadily it trickles in."""
        for byte in get(b"/" + b"x" * 50):
            self.client.send(bytes([byte]))
            self.world.sweep(1)
            if self.client.hung_up:
                break
        self.assertEqual(self.world.clock.seconds(), 10)
        self.timed_out(self.client)

    def test_head_of_empty_lines(self) -> None:
        """Empty lines before a head do not win time."""
        for _ in range(11):
            self.client.send(b"\r\n")
            self.world.sweep(1)
        self.assertEqual(self.client.hung_up, True)

    def test_later_head(self) -> None:
        """The same limit holds for each request of a connection."""
        self.client.send(get(b"/health") + b"GET /he")
        self.client.read()
        self.world.sweep(9)
        self.client.send(b"a")
        self.world.sweep(2)
        self.timed_out(self.client)

    def test_head_within_time(self) -> None:
        """Who is slow but in time is served."""
        self.client.send(b"GET /health HTTP/1.1\r\n")
        self.world.sweep(9)
        self.client.send(b"Host: a\r\n\r\n")
        self.assertEqual(split(self.client.read())[0], b"HTTP/1.1 200 OK")
        self.world.sweep(9)
        self.assertEqual(self.client.hung_up, False)

    def test_body(self) -> None:
        """A body that stops coming is not waited for."""
        self.client.send(post(b"/api/chat")[:-1])
        self.world.sweep(29)
        self.assertEqual(self.client.hung_up, False)
        self.world.sweep(2)
        self.timed_out(self.client)
        self.assertEqual(self.world.endpoints["a"].connections, [])

    def test_body_comes(self) -> None:
        """As long as it comes at a pace, it may take as long as it takes."""
        self.client.send(post(b"/x", b"x" * 400_000)[:-400_000])
        for _ in range(19):
            self.client.send(b"x" * 20_000)
            self.world.sweep(20)
        self.client.send(b"x" * 20_000)
        self.assertEqual(self.world.in_flight(), 1)

    def test_body_trickles(self) -> None:
        """A byte now and then is no pace."""
        self.client.send(post(b"/x", b"x" * 1000)[:-1000])
        for _ in range(4):
            self.client.send(b"x")
            self.world.sweep(10)
        self.timed_out(self.client)

    def test_idle(self) -> None:
        """A connection without a request is closed after a while, without a word."""
        self.client.send(get(b"/health"))
        self.client.read()
        self.world.sweep(74)
        self.assertEqual(self.client.hung_up, False)
        self.world.sweep(2)
        self.assertEqual((self.client.wire.disconnecting, self.client.read()), (True, b""))

    def test_never_used(self) -> None:
        """The same goes for one on which nothing was ever asked."""
        self.world.sweep(76)
        self.assertEqual(self.client.wire.disconnecting, True)

    def test_close_not_taken(self) -> None:
        """A client that does not take the end of its answer is reset in the end."""
        self.client.send(get(b"/health", b"Connection: close"))
        self.assertEqual(self.client.wire.disconnecting, True)
        self.world.sweep(122)
        self.assertEqual(self.client.wire.aborted, True)

    def test_does_not_read(self) -> None:
        """A client that reads nothing of a stream loses it, and its node is freed."""
        self.client.send(post(b"/api/chat"))
        self.world.node().answer(STREAM + TOKEN)
        self.client.stall()
        self.world.sweep(119)
        self.assertEqual(self.client.hung_up, False)
        self.world.sweep(4)
        self.assertEqual(self.client.wire.aborted, True)
        self.assertEqual((self.world.node().wire.aborted, self.world.in_flight()), (True, 0))
        self.assertEqual(self.world.pool.nodes["a"].failed_requests, 0)

    def test_does_not_read_while_others_wait(self) -> None:
        """It loses it sooner while others wait for the place that it holds."""
        world = World(max_in_flight=1)
        client = world.client()
        client.send(post(b"/api/chat"))
        world.node().answer(STREAM + TOKEN)
        client.stall()
        world.client().send(post(b"/api/chat"))
        world.sweep(29)
        self.assertEqual(client.hung_up, False)
        world.sweep(4)
        self.assertEqual(client.wire.aborted, True)
        self.assertIn(b"POST /api/chat", world.node().asked())

    def test_reads_now_and_then(self) -> None:
        """One that reads on in between keeps it."""
        self.client.send(post(b"/api/chat"))
        for _ in range(5):
            self.world.node().answer((STREAM if not self.client.wire.writes else b"") + TOKEN)
            self.client.stall()
            self.world.sweep(100)
            self.client.catch_up()
        self.assertEqual(self.client.hung_up, False)

    def test_long_answer(self) -> None:
        """There is no limit on an answer that keeps coming."""
        self.client.send(post(b"/api/chat"))
        self.world.node().answer(STREAM)
        for _ in range(30):
            self.world.sweep(290)
            self.world.node().answer(TOKEN)
        self.assertEqual(self.client.hung_up, False)


class NodeTests(SynchronousTestCase):
    """Nodes that take their time."""

    def world_of(self, timeouts: Timeouts, loaded: bool = True, **limits: float) -> World:
        world = World(timeouts=timeouts, limits=GatewayLimits(**limits))  # type: ignore[arg-type]
        world.know("a", ("m",), ("m",) if loaded else ())
        self.client = world.client()
        self.client.send(post(b"/api/chat"))
        return world

    def test_first_byte(self) -> None:
        """A node that is silent for too long is given up on: 504."""
        world = self.world_of(Timeouts(first_byte=20))
        world.sweep(20)
        self.assertEqual(self.client.read(), b"")
        world.sweep(1)
        answer = self.client.read()
        self.assertEqual(split(answer)[0], b"HTTP/1.1 504 Gateway Timeout")
        self.assertEqual(message(answer), "no node could answer (a: silent for 20 s)")
        self.assertEqual((world.node().wire.aborted, world.in_flight()), (True, 0))
        self.assertEqual(world.records[0].failure, "first_byte_timeout")

    def test_loading(self) -> None:
        """A node that has to load the model first is given more time."""
        world = self.world_of(Timeouts(first_byte=20, loading=50), loaded=False)
        world.sweep(49)
        self.assertEqual(self.client.read(), b"")
        world.sweep(2)
        self.assertIn(b"504 Gateway Timeout", self.client.read())

    def test_interim_is_no_byte(self) -> None:
        """Interim answers do not win time."""
        world = self.world_of(Timeouts(first_byte=20))
        world.sweep(15)
        world.node().answer(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        world.sweep(6)
        self.assertIn(b"504 Gateway Timeout", self.client.read())

    def test_head_trickles(self) -> None:
        """Nor does a head that never ends."""
        world = self.world_of(Timeouts(first_byte=20))
        for byte in STREAM[:30]:
            world.node().answer(bytes([byte]))
            world.sweep(1)
            if world.in_flight() == 0:
                break
        self.assertIn(b"504 Gateway Timeout", self.client.read())

    def test_idle(self) -> None:
        """A node that falls silent in mid-answer is cut, and the client told."""
        world = self.world_of(Timeouts(idle=20))
        world.node().answer(STREAM + TOKEN)
        world.sweep(10)
        world.node().answer(TOKEN)
        world.sweep(20)
        self.assertEqual(self.client.hung_up, False)
        world.sweep(2)
        self.assertEqual((self.client.hung_up, world.node().wire.aborted), (True, True))
        self.assertIn(b"silent for 20 s", self.client.read())
        self.assertEqual(world.pool.nodes["a"].failed_requests, 1)

    def test_paused_by_us(self) -> None:
        """A node that we did not read was not silent."""
        world = self.world_of(Timeouts(idle=20), send_timeout=1000.0)
        world.node().answer(STREAM + TOKEN)
        self.client.stall()
        world.sweep(100)
        self.client.catch_up()
        world.sweep(10)
        self.assertEqual((self.client.hung_up, world.node().gone), (False, False))
        world.sweep(15)
        self.assertEqual(self.client.hung_up, True)

    def test_keeps_place(self) -> None:
        """Until then the node's place is held."""
        world = self.world_of(Timeouts(first_byte=20))
        world.sweep(20)
        self.assertEqual(world.in_flight(), 1)


class LineTests(SynchronousTestCase):
    """Waiting in line."""

    def test_limit(self) -> None:
        """Who has waited for too long is told so: 503."""
        world = World(max_in_flight=1, line=LineConfig(wait_timeout=5))
        world.client().send(post(b"/api/chat"))
        waiting = world.client()
        waiting.send(post(b"/api/chat"))
        world.sweep(5)
        self.assertEqual(waiting.read(), b"")
        world.sweep(1)
        answer = waiting.read()
        first, fields, _ = split(answer)
        self.assertEqual(first, b"HTTP/1.1 503 Service Unavailable")
        self.assertEqual(fields[b"retry-after"], b"1")
        self.assertEqual(message(answer), "no node was free within 5 s")
        self.assertEqual((len(world.pool.line), waiting.hung_up), (0, False))
        self.assertEqual(world.records[0].failure, "line_timeout")

    def test_begins_anew(self) -> None:
        """The time in line is not taken from the answer's."""
        world = World(max_in_flight=1, timeouts=Timeouts(first_byte=20))
        world.know("a", ("m",), ("m",))
        world.client().send(post(b"/api/chat"))
        waiting = world.client()
        waiting.send(post(b"/api/chat"))
        world.sweep(19)
        world.node().answer(whole(b"{}"))
        world.sweep(19)
        self.assertEqual(waiting.read(), b"")
        world.node().answer(whole(b"{}"))
        self.assertEqual(split(waiting.read())[0], b"HTTP/1.1 200 OK")
        self.assertEqual(world.records[1].waited, 19)
