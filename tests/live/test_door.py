"""What a client sees of the gateway's door on a real socket, where closing has its own rules."""

from __future__ import annotations

import json
import socket

from twisted.trial.unittest import SynchronousTestCase

from tests.live.child import PATIENCE
from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

MODEL = "llama3:8b"
CHAT = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}).encode()


class DoorTests(SynchronousTestCase):
    """One gateway, spoken to byte by byte."""

    def start(self, *options: str, **config: object) -> None:
        self.node = SimulatedNode("--model", MODEL, "--load-time", "0", *options)
        self.addCleanup(self.node.stop)
        self.gateway = RunningGateway({"one": self.node.port}, **config)  # type: ignore[arg-type]
        self.addCleanup(self.gateway.stop)
        self.gateway.until_healthy("one")

    def connect(self) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE)
        self.addCleanup(connected.close)
        return connected

    def read_on(self, connected: socket.socket) -> bytes:
        """All there is until the connection ends in good order."""
        said = b""
        while data := connected.recv(65536):
            said += data
        return said

    def test_too_long(self) -> None:
        """A client that sends too much, and all of it, reads why it was refused."""
        self.start(gateway={"max_body": 1000})
        client = self.connect()
        client.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n")
        client.sendall(b"Content-Length: 4000000\r\n\r\n")
        client.sendall(b"x" * 4_000_000)
        said = self.read_on(client)
        self.assertTrue(said.startswith(b"HTTP/1.1 413 "), said)
        self.assertTrue(said.endswith(b'longer than 1000 bytes (see gateway.max_body)"}'), said)

    def test_half_closed(self) -> None:
        """A client that ends its side of the connection in mid-answer has left."""
        self.start("--tokens-per-second", "20", "--answer-tokens", "1000")
        client = self.connect()
        client.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n")
        client.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(CHAT), CHAT))
        self.assertIn(b"200 OK", client.recv(1000))
        client.shutdown(socket.SHUT_WR)
        self.node.until(active=0)

    def test_cut_old_client(self) -> None:
        """Of an answer that is cut an HTTP/1.0 client sees a reset, not an end."""
        self.start("--tokens-per-second", "20", "--answer-tokens", "1000")
        client = self.connect()
        client.sendall(b"POST /api/chat HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(CHAT))
        client.sendall(CHAT)
        self.assertIn(b"200 OK", client.recv(1000))
        self.node.process.kill()
        self.assertRaises(ConnectionResetError, self.read_on, client)
