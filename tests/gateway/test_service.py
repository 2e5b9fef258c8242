"""The whole gateway, from its start to its end, on a reactor in memory."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.clock import use_monotonic_time
from ollama_twisted.config.resolved import Address, Config, GatewayLimits, NodeConfig
from ollama_twisted.gateway.service import FAREWELL, GatewayService
from tests.gateway.harness import STREAM, Client, Wire, chunks, get, post, split, whole


class ServiceTests(SynchronousTestCase):
    """One gateway with one node, which is checked and asked on connections in memory."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        config = Config(
            nodes=(NodeConfig("a", (Address("http", "127.0.0.1", 11434),)),),
            gateway=GatewayLimits(
                listen=("tcp:11435:interface=127.0.0.1", "tcp:8080"), access_log="off", drain=20
            ),
        )
        self.service = GatewayService(config, self.reactor)
        self.service.startService()
        self.service.gateway.pool.checked("a", 0.0, True)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.reactor.advance(0.1)

    def asked(self) -> tuple[Client, Wire, Any]:
        """A client whose request is with the node."""
        before = len(self.reactor.tcpClients)
        client = Client(self.service.site)
        client.send(post(b"/api/chat"))
        factory = self.reactor.tcpClients[before][2]
        protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 11434))
        wire = Wire()
        wire.protocol = protocol
        protocol.makeConnection(wire)
        return client, wire, protocol

    def stop(self) -> Any:
        from twisted.internet.defer import Deferred

        return Deferred.fromCoroutine(self.service.stopService())

    def test_listens(self) -> None:
        """It listens wherever it is told to."""
        self.assertEqual(
            [(port, interface) for port, _, _, interface in self.reactor.tcpServers],
            [(11435, "127.0.0.1"), (8080, "")],
        )

    def test_checks(self) -> None:
        """It asks its node how it is, from the start."""
        self.assertEqual([call[:2] for call in self.reactor.tcpClients], [("127.0.0.1", 11434)])

    def test_serves(self) -> None:
        """A request reaches the node, and its answer the client."""
        client, wire, protocol = self.asked()
        self.assertIn(b"POST /api/chat HTTP/1.1", wire.take())
        protocol.dataReceived(STREAM + chunks(b'{"done":true}\n'))
        self.assertEqual(split(client.read())[2], chunks(b'{"done":true}\n'))

    def test_sweeps(self) -> None:
        """Time limits are looked at without anybody's doing."""
        client = Client(self.service.site)
        client.send(b"GET /")
        self.wait(12)
        self.assertIn(b"408 Request Timeout", client.read())

    def test_sweep_goes_on(self) -> None:
        """A fault in one look does not end them."""

        def broken(now: float) -> None:
            raise RuntimeError("a bug")

        real = self.service.gateway.sweep
        self.service.gateway.sweep = broken  # type: ignore[method-assign]
        self.wait(1.5)
        self.service.gateway.sweep = real  # type: ignore[method-assign]
        self.assertGreater(len(self.flushLoggedErrors(RuntimeError)), 0)
        self.test_sweeps()

    def test_stops_at_once(self) -> None:
        """With nobody to wait for, it ends at once."""
        client = Client(self.service.site)
        client.wire.loseConnection = client.wire.lose  # type: ignore[method-assign]
        self.successResultOf(self.stop())
        self.assertEqual(client.wire.protocol, None)

    def test_drains(self) -> None:
        """An answer that is under way ends whole, on a connection that is then closed."""
        client, _, protocol = self.asked()
        protocol.dataReceived(STREAM)
        stopped = self.stop()
        self.wait(5)
        self.assertNoResult(stopped)
        protocol.dataReceived(chunks(b'{"done":true}\n'))
        self.assertTrue(client.read().endswith(b"0\r\n\r\n"))
        self.assertEqual(client.wire.disconnecting, True)
        client.leave()
        self.wait(0.2)
        self.successResultOf(stopped)

    def test_listeners(self) -> None:
        """Who listens for events would do so for ever, and is not waited for."""
        client = Client(self.service.site)
        client.send(get(b"/api/events"))
        stopped = self.stop()
        self.assertTrue(client.read().endswith(b"0\r\n\r\n"))
        self.assertEqual(client.wire.disconnecting, True)
        client.leave()
        self.wait(0.2)
        self.successResultOf(stopped)

    def test_drains_requests(self) -> None:
        """A request that is on its way in is still answered, and told that it is the last."""
        client = Client(self.service.site)
        client.send(post(b"/health")[:-3])
        stopped = self.stop()
        self.assertEqual(client.hung_up, False)
        client.send(post(b"/health")[-3:] + get(b"/health"))
        answer = client.read()
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1)
        self.assertEqual(split(answer)[1][b"connection"], b"close")
        client.leave()
        self.wait(0.2)
        self.successResultOf(stopped)

    def test_idle_closed(self) -> None:
        """Clients that wait for nothing are hung up on."""
        idle = Client(self.service.site)
        busy, _, _ = self.asked()
        self.stop()
        self.assertEqual((idle.wire.disconnecting, busy.hung_up), (True, False))

    def test_checks_while_draining(self) -> None:
        """Until the end the time limits hold."""
        client, wire, protocol = self.asked()
        protocol.dataReceived(STREAM)
        slow = Client(self.service.site)
        slow.send(b"GET /")
        self.stop()
        self.wait(12)
        self.assertIn(b"408 Request Timeout", slow.read())
        self.assertEqual((client.hung_up, wire.aborted), (False, False))

    def test_limit(self) -> None:
        """An answer that takes too long is cut, and its client told."""
        client, wire, protocol = self.asked()
        protocol.dataReceived(STREAM + chunks(b'{"done":false}\n', end=False))
        stopped = self.stop()
        self.wait(19)
        self.assertNoResult(stopped)
        self.wait(2)
        said = client.read()
        self.assertIn(b"a could not finish this answer: the gateway is stopping", said)
        self.assertNotIn(b"0\r\n\r\n", said)
        self.assertEqual(wire.aborted, True)
        # This client never takes the last bytes.
        self.wait(FAREWELL)
        self.assertEqual(client.wire.aborted, True)
        self.successResultOf(stopped)

    def test_accounts_first(self) -> None:
        """What is still to be found out about an answer that has passed is waited for."""
        self.service.gateway.unaccounted = 1
        stopped = self.stop()
        self.wait(1)
        self.assertNoResult(stopped)
        self.service.gateway.unaccounted = 0
        self.wait(1)
        self.successResultOf(stopped)

    def test_last_bytes(self) -> None:
        """What was written last is given a moment to leave."""
        client, _, protocol = self.asked()
        protocol.dataReceived(whole(b"{}"))
        stopped = self.stop()
        self.wait(1)
        self.assertNoResult(stopped)
        client.leave()
        self.wait(0.2)
        self.successResultOf(stopped)

    def test_nothing_left(self) -> None:
        """Afterwards nothing of it is left in the reactor."""
        self.successResultOf(self.stop())
        # A check that is under way has its own limit.
        self.wait(3)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cannot_listen(self) -> None:
        """A gateway that cannot listen does not start."""

        def refused(*args: Any, **options: Any) -> Any:
            raise OSError(98, "Address already in use")

        self.reactor.listenTCP = refused  # type: ignore[method-assign]
        service = GatewayService(self.service.config, self.reactor)
        self.assertRaises(OSError, service.startService)

    def test_pages(self) -> None:
        """Its pages are there."""
        client = Client(self.service.site)
        client.send(get(b"/health"))
        self.assertEqual(json.loads(split(client.read())[2])["total_nodes"], 1)


class TimeTests(SynchronousTestCase):
    """Which clock the timers follow."""

    def test_monotonic(self) -> None:
        """The one that nobody can set."""
        import time

        class Reactor:
            seconds = time.time

        reactor = Reactor()
        use_monotonic_time(reactor)
        self.assertLess(abs(reactor.seconds() - time.monotonic()), 1)
