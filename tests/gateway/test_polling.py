"""Turns of the epoll reactor as the gateway has them: like the reactor's own, with less around."""

from __future__ import annotations

import errno
import sys
from typing import Any
from unittest import skipUnless

from twisted.internet.error import ConnectionDone
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.polling import poll_without_log_context

READABLE, WRITABLE, HUNG_UP = 1, 4, 16


class Poller:
    """Reports these events, or fails, once."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int]] = []
        self.error: OSError | None = None

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        if self.error is not None:
            raise self.error
        return self.events

    def modify(self, number: int, events: int) -> None:
        pass

    def unregister(self, number: int) -> None:
        pass


class Socket:
    """Something to read from and write to, that notes what it is told."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.told: list[str] = []
        self.reasons: list[Any] = []
        self.outcome: Any = None

    def fileno(self) -> int:
        return self.number

    def doRead(self) -> Any:
        self.told.append("read")
        if callable(self.outcome):
            self.outcome()
        return self.outcome if self.outcome is CONNECTION_DONE else None

    def doWrite(self) -> None:
        self.told.append("write")

    def connectionLost(self, reason: Any) -> None:
        self.reasons.append(reason.type)


@skipUnless(sys.platform.startswith("linux"), "only Linux has epoll")
class TurnTests(SynchronousTestCase):
    """One turn."""

    def setUp(self) -> None:
        from twisted.internet.epollreactor import EPollReactor
        from twisted.internet.posixbase import _ContinuousPolling

        reactor: Any = EPollReactor.__new__(EPollReactor)
        self.reactor = reactor
        reactor._continuousPolling = _ContinuousPolling(reactor)
        self.poller = reactor._poller = Poller()
        self.sockets = {number: Socket(number) for number in (1, 2)}
        reactor._selectables = dict(self.sockets)
        reactor._reads, reactor._writes = {1, 2}, set()
        self.assertTrue(poll_without_log_context(reactor))

    def turn(self, *events: tuple[int, int]) -> None:
        self.poller.events = list(events)
        self.reactor.doIteration(0)

    def test_other_reactor(self) -> None:
        """No other reactor is touched."""
        self.assertFalse(poll_without_log_context(Clock()))

    def test_events(self) -> None:
        """Who has something to read reads, who has room writes, whoever has both does both."""
        self.turn((1, READABLE), (2, WRITABLE), (1, READABLE | WRITABLE))
        self.assertEqual(self.sockets[1].told, ["read", "read", "write"])
        self.assertEqual(self.sockets[2].told, ["write"])

    def test_ended(self) -> None:
        """One that has ended is told so and watched no longer."""
        self.sockets[1].outcome = CONNECTION_DONE
        self.turn((1, READABLE))
        self.assertEqual(self.sockets[1].reasons, [ConnectionDone])
        self.assertEqual(self.reactor._selectables, {2: self.sockets[2]})

    def test_hung_up(self) -> None:
        """One that hung up is lost without a read."""
        self.turn((1, HUNG_UP))
        self.assertEqual((self.sockets[1].told, self.sockets[1].reasons), ([], [ConnectionDone]))

    def test_mistake(self) -> None:
        """A mistake costs the connection that it was made in, is logged, and nobody else's."""

        def mistake() -> None:
            raise ZeroDivisionError

        self.sockets[1].outcome = mistake
        self.turn((1, READABLE), (2, READABLE))
        self.assertEqual(self.sockets[1].reasons, [ZeroDivisionError])
        self.assertEqual(self.sockets[2].told, ["read"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_closed_meanwhile(self) -> None:
        """What an event before it has closed gets none."""
        self.sockets[1].outcome = lambda: self.reactor._selectables.pop(2)
        self.turn((1, READABLE), (2, READABLE))
        self.assertEqual(self.sockets[2].told, [])

    def test_interrupted(self) -> None:
        """A signal ends the wait; anything else that goes wrong with it is not hidden."""
        self.poller.error = OSError(errno.EINTR, "interrupted")
        self.turn()
        self.poller.error = OSError(errno.EBADF, "bad")
        self.assertRaises(OSError, self.turn)
