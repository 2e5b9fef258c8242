"""Connections that send at once: the same bytes in the same order, only sooner."""

from __future__ import annotations

import errno
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import tcp
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.transport import BACKLOG, EagerPort, EagerServer, eager


class FakeSocket:
    """A socket that takes so many bytes at each attempt; -1: it is full, -2: it is broken."""

    def __init__(self, *takes: int) -> None:
        self.takes = list(takes)
        self.sent = b""
        self.attempts = 0
        self.incoming: list[bytes | OSError] = []

    def recv(self, size: int) -> bytes:
        outcome = self.incoming.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome[:size]

    def send(self, data: bytes) -> int:
        self.attempts += 1
        takes = self.takes.pop(0) if self.takes else len(data)
        if takes == -1:
            raise BlockingIOError(errno.EAGAIN, "full")
        if takes == -2:
            raise BrokenPipeError(errno.EPIPE, "broken")
        taken = data[: min(takes, len(data))]
        self.sent += taken
        return len(taken)

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None

    def fileno(self) -> int:
        return 1000


class FakeReactor(Clock):
    """Notes who wants to be told that a socket has room."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: list[Any] = []

    def addWriter(self, writer: Any) -> None:
        if writer not in self.writers:
            self.writers.append(writer)

    def removeWriter(self, writer: Any) -> None:
        if writer in self.writers:
            self.writers.remove(writer)

    def addReader(self, reader: Any) -> None:
        pass

    def removeReader(self, reader: Any) -> None:
        pass


class Producer:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class Lost:
    """A protocol that notes what comes, and the end of its connection."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.reasons: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def connectionLost(self, reason: Any) -> None:
        self.reasons.append(reason)


class EagerTests(SynchronousTestCase):
    """One connection."""

    def connected(self, *takes: int) -> EagerServer:
        self.reactor = FakeReactor()
        self.socket = FakeSocket(*takes)
        self.protocol = Lost()
        transport = EagerServer(self.socket, self.protocol, ("127.0.0.1", 1), None, 1, self.reactor)
        # A real one is born connected, and reading.
        assert transport.connected
        return transport

    def turn(self, transport: EagerServer) -> None:
        """The reactor finds that there is room, as long as somebody asks for it."""
        for _ in range(100):
            if not self.reactor.writers:
                break
            reason = transport.doWrite()
            if reason is not None:
                transport.connectionLost(Failure(reason))

    def test_at_once(self) -> None:
        """With nothing queued, data are sent at once and the reactor is not bothered."""
        transport = self.connected()
        transport.write(b"token")
        self.assertEqual((self.socket.sent, self.reactor.writers), (b"token", []))

    def test_sequence(self) -> None:
        """Several pieces are one send."""
        transport = self.connected()
        transport.writeSequence([b"head", b"", b"body"])
        self.assertEqual((self.socket.sent, self.socket.attempts), (b"headbody", 1))

    def test_partial(self) -> None:
        """What the socket does not take waits for the reactor."""
        transport = self.connected(3)
        transport.write(b"abcdef")
        self.assertEqual((self.socket.sent, self.reactor.writers), (b"abc", [transport]))
        self.turn(transport)
        self.assertEqual((self.socket.sent, self.reactor.writers), (b"abcdef", []))

    def test_full(self) -> None:
        """A socket that is full takes nothing, and nothing is lost."""
        transport = self.connected(-1)
        transport.write(b"abc")
        self.assertEqual(self.reactor.writers, [transport])
        self.turn(transport)
        self.assertEqual(self.socket.sent, b"abc")

    def test_queue_first(self) -> None:
        """Nothing overtakes what waits already."""
        transport = self.connected(1)
        transport.write(b"ab")
        transport.write(b"cd")
        self.assertEqual((self.socket.sent, self.socket.attempts), (b"a", 1))
        self.turn(transport)
        self.assertEqual(self.socket.sent, b"abcd")

    def test_empty(self) -> None:
        """Nothing is not sent."""
        transport = self.connected()
        transport.write(b"")
        self.assertEqual(self.socket.attempts, 0)

    def test_broken(self) -> None:
        """A broken connection is lost in the reactor's turn, as ever, and not in the write."""
        transport = self.connected(-2, -2)
        transport.write(b"abc")
        self.assertEqual(self.protocol.reasons, [])
        self.turn(transport)
        self.assertEqual(len(self.protocol.reasons), 1)

    def test_after_close(self) -> None:
        """After the connection was closed nothing is sent any more."""
        transport = self.connected()
        transport.loseConnection()
        transport.write(b"late")
        self.assertEqual(self.socket.sent, b"")

    def test_after_abort(self) -> None:
        """Nor after it was aborted and lost."""
        transport = self.connected()
        transport.abortConnection()
        self.reactor.advance(0)
        transport.write(b"late")
        self.assertEqual((self.socket.sent, len(self.protocol.reasons)), (b"", 1))

    def test_producer_paused(self) -> None:
        """A producer is paused when too much waits, and resumed when it has left."""
        transport = self.connected(-1)
        producer = Producer()
        transport.registerProducer(producer, True)
        transport.write(b"x" * 100_000)
        self.assertEqual(producer.told, ["pause"])
        self.turn(transport)
        self.assertEqual(producer.told, ["pause", "resume"])

    def test_producer_not_paused(self) -> None:
        """It is not, whatever it sends, while the socket takes it."""
        transport = self.connected()
        producer = Producer()
        transport.registerProducer(producer, True)
        for _ in range(10):
            transport.write(b"x" * 100_000)
        self.assertEqual((producer.told, len(self.socket.sent)), ([], 1_000_000))

    def test_pull_producer(self) -> None:
        """A producer that waits to be asked for more is asked by the reactor, each time."""
        transport = self.connected()
        producer = Producer()
        transport.registerProducer(producer, False)
        transport.write(b"abc")
        self.assertEqual(self.socket.sent, b"")
        transport.doWrite()
        self.assertEqual((self.socket.sent, producer.told), (b"abc", ["resume", "resume"]))

    def test_read(self) -> None:
        """What has come is handed on; nothing to read is no end, an error and an end are."""
        transport = self.connected()
        empty, reset = BlockingIOError(errno.EAGAIN, "empty"), ConnectionResetError()
        self.socket.incoming = [b"data", empty, b"", reset]
        self.assertEqual(
            [transport.doRead() for _ in range(4)], [None, None, CONNECTION_DONE, CONNECTION_LOST]
        )
        self.assertEqual(self.protocol.received, [b"data"])

    @given(
        st.lists(st.binary(max_size=20), max_size=20), st.lists(st.integers(-1, 20), max_size=20)
    )
    def test_order(self, pieces: list[bytes], takes: list[int]) -> None:
        """However much a socket takes at each attempt, the bytes and their order are the same."""
        transport = self.connected(*takes)
        for number, piece in enumerate(pieces):
            transport.write(piece)
            if number % 3 == 2 and self.reactor.writers:
                transport.doWrite()
        self.turn(transport)
        self.assertEqual(self.socket.sent, b"".join(pieces))
        self.assertEqual(self.reactor.writers, [])


class ReactorTests(SynchronousTestCase):
    """The reactor that makes such connections."""

    def test_not_posix(self) -> None:
        """One that does its I/O in another way is left as it is."""
        reactor = MemoryReactorClock()
        self.assertIs(eager(reactor), reactor)

    def test_port(self) -> None:
        """Listening ports make them, with room for a burst of connections."""
        ports: list[Any] = []

        class Reactor(PosixReactorBase):
            def __init__(self) -> None:
                pass

        self.patch(EagerPort, "startListening", lambda port: ports.append(port))
        reactor = eager(Reactor())
        self.assertTrue(IReactorTCP.providedBy(reactor))
        port = reactor.listenTCP(0, None, backlog=5, interface="127.0.0.1")
        self.assertEqual((ports, port.backlog, port.interface), ([port], BACKLOG, "127.0.0.1"))
        self.assertIs(port.transport, EagerServer)
        self.assertTrue(issubclass(EagerServer, tcp.Server))
