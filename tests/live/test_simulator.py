"""The simulated node as a process, on real sockets."""

from __future__ import annotations

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from twisted.trial.unittest import SynchronousTestCase

from tests.live.simulated import SimulatedNode

HELLO = {"model": "smollm2:135m", "messages": [{"role": "user", "content": "hello"}]}
_QUICK = ("--load-time", "0", "--first-token-delay", "0.01")


class SimulatorTests(SynchronousTestCase):
    """One process each."""

    def start(self, *options: str) -> SimulatedNode:
        node = SimulatedNode(*_QUICK, *options)
        self.addCleanup(node.stop)
        return node

    def test_ends_when_told(self) -> None:
        """SIGTERM ends it at once, with a stream still going on, and without a word."""
        node = self.start("--tokens-per-second", "1")
        answer = node.open("POST", "/api/chat", HELLO)
        answer.readline()
        node.process.send_signal(signal.SIGTERM)
        node.process.wait(5)
        self.assertEqual(node.stop(), "")

    def test_ends_with_its_parent(self) -> None:
        """When whoever started it is gone, so is it."""
        node = self.start()
        node.orphan()
        self.assertEqual(node.process.wait(5), 0)

    def test_departure(self) -> None:
        """A client that leaves in mid-stream is noticed at once."""
        node = self.start("--tokens-per-second", "1")
        answer = node.open("POST", "/api/chat", HELLO)
        answer.readline()
        self.assertEqual(node.state()["active"], 1)
        answer.close()
        self.assertLess(node.until(active=0, cancelled=1), 0.1)

    def test_reset_and_end(self) -> None:
        """A reset is a reset on the wire, and an end an end."""
        node = self.start()
        head = b"GET / HTTP/1.1\r\nHost: node\r\nX-Simulator-Fault: %s\r\n\r\n"
        with socket.create_connection(("127.0.0.1", node.port)) as client:
            client.sendall(head % b"reset-before-head")
            self.assertRaises(ConnectionResetError, client.recv, 1)
        with socket.create_connection(("127.0.0.1", node.port)) as client:
            client.sendall(head % b"eof-before-head")
            self.assertEqual(client.recv(1), b"")

    def test_refuses(self) -> None:
        """A node that refuses is not there, and comes back where it was."""
        node = self.start()
        with node.open("POST", "/simulator/faults", "refuse=0.3") as answer:
            answer.read()
        self.assertRaises(
            ConnectionRefusedError, socket.create_connection, ("127.0.0.1", node.port)
        )
        time.sleep(0.4)
        self.assertEqual(node.state()["active"], 0)

    def test_many_streams(self) -> None:
        """Two hundred streams at a time, each whole."""
        node = self.start("--slots", "0", "--answer-tokens", "20", "--tokens-per-second", "40")
        with ThreadPoolExecutor(200) as clients:
            answers = list(clients.map(lambda _: node.lines("/api/chat", HELLO), range(200)))
        self.assertEqual([len(each) for each in answers], [21] * 200)
        self.assertEqual(node.state()["finished"], 200)
