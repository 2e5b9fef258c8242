"""The services of a node, and its command line."""

from __future__ import annotations

import os
import sys
from io import StringIO
from typing import Any
from unittest.mock import patch

from twisted.application.service import IService
from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ollama_twisted.parent import ParentWatch
from ollama_twisted.simulator.tap import Options, makeService
from tests.simulator.harness import HELLO, PORT, NodeCase


class StopTests(NodeCase):
    """The end of a node."""

    def test_stop(self) -> None:
        """It listens no more, streams are cut, and no timer is left."""
        node = self.start()
        asked = node.ask("POST", "/api/chat", HELLO)
        node.wait(3.0)
        self.successResultOf(node.service.stopService())
        self.assertTrue(asked.transport.disconnected)
        asked.leave()
        node.wait(1.0)
        self.assertEqual((node.counts.active, node.node.state()["loaded"]), (0, []))

    def test_refusing(self) -> None:
        """A node that ends while it refuses does not come back."""
        node = self.start()
        node.listener.refuse(5.0)
        self.successResultOf(node.service.stopService())
        node.wait(10.0)
        self.assertEqual(len(node.reactor.tcpServers), 1)

    def test_refuse_again(self) -> None:
        """The last to say for how long is believed."""
        node = self.start()
        node.listener.refuse(1.0)
        node.listener.refuse(5.0)
        node.wait(4.0)
        self.assertEqual(len(node.reactor.tcpServers), 1)
        node.wait(1.0)
        self.assertEqual(len(node.reactor.tcpServers), 2)

    def test_connections(self) -> None:
        """Open connections are counted."""
        node = self.start()
        first, _ = node.ask("GET", "/"), node.ask("GET", "/")
        self.assertEqual(node.counts.connections, 2)
        first.leave()
        self.assertEqual(node.counts.connections, 1)

    def test_announced(self) -> None:
        """One line says where it listens, when it does."""
        node = self.start()
        node.listener._announce = True
        out = StringIO()
        with patch.object(sys, "__stdout__", out):
            node.listener.startService()
        self.assertEqual(out.getvalue(), f"listening on 127.0.0.1:{PORT}\n")


class ParentWatchTests(SynchronousTestCase):
    """A node that shall not outlive its parent."""

    def test_stops(self) -> None:
        """It stops when its standard input ends, not when something is said there."""
        reactor = MemoryReactorClock()
        stopped: list[bool] = []
        reactor.stop = lambda: stopped.append(True)
        ours, theirs = os.pipe()
        self.addCleanup(os.close, ours)
        watch = ParentWatch(reactor, ours)
        watch.startService()
        (reader,) = reactor.getReaders()
        os.write(theirs, b"hello")
        reader.doRead()
        self.assertEqual(stopped, [])
        os.close(theirs)
        reason: Any = reader.doRead()
        reader.connectionLost(reason)
        reactor.advance(1.0)
        self.assertEqual(stopped, [True])

    def test_stopped_already(self) -> None:
        """When the reactor is stopping anyway, it is left to that."""
        reactor = MemoryReactorClock()
        watch = ParentWatch(reactor)
        watch.running = True
        watch.childConnectionLost("stdin", None)
        watch.running = False
        reactor.advance(1.0)
        self.assertFalse(reactor.hasStopped)


class OptionsTests(SynchronousTestCase):
    """What is accepted, and what is refused."""

    def parsed(self, *arguments: str) -> Options:
        options = Options()
        options.parseOptions(arguments)
        return options

    def test_service(self) -> None:
        """Without any options there is a node at Ollama's own port."""
        reactor = MemoryReactorClock()
        service = makeService(self.parsed(), reactor)
        verifyObject(IService, service)
        service.privilegedStartService()
        service.startService()
        (server,) = reactor.tcpServers
        self.assertEqual((server[0], server[2:]), (11434, (1024, "127.0.0.1")))

    def test_repeated(self) -> None:
        """Models and faults may be given more than once."""
        options = self.parsed("--model", "a", "-m", "b:7b", "--fault", "slow=5 path=/x")
        self.assertEqual((options["models"], len(options["rules"])), (["a", "b:7b"], 1))

    def test_refused(self) -> None:
        """What makes no sense is refused before anything starts."""
        for arguments in (
            ("--engine", "steam"),
            ("--fault", "explode"),
            ("--slots", "-1"),
            ("--tokens-per-second", "nan"),
            ("--keep-alive", "soon"),
            ("--port", "http"),
        ):
            with self.subTest(arguments):
                self.assertRaises(UsageError, self.parsed, *arguments)

    def test_refuses_from_the_start(self) -> None:
        """A node can be gone from its first moment."""
        reactor = MemoryReactorClock()
        service = makeService(self.parsed("--fault", "refuse=5"), reactor)
        service.startService()
        for hook, arguments, keywords in reactor.whenRunningHooks:
            hook(*arguments, **keywords)
        reactor.advance(5.0)
        self.assertEqual(len(reactor.tcpServers), 2)
