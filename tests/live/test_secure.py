"""A gateway that listens for HTTPS itself."""

from __future__ import annotations

import json
import socket
import ssl
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.authority import Authority
from tests.live.child import PATIENCE
from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

MODEL = "llama3:8b"


class SecureTests(SynchronousTestCase):
    """Beside its ordinary listener, one with a certificate."""

    def setUp(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="ollama-gateway-test-"))
        authority = Authority(folder, "localhost")
        self.node = SimulatedNode("--model", MODEL, "--tokens-per-second", "200")
        self.addCleanup(self.node.stop)
        secure = f"ssl:0:interface=127.0.0.1:privateKey={authority.server}"
        self.gateway = RunningGateway({"one": self.node.port}, "--listen", secure)
        self.addCleanup(self.gateway.stop)
        assert self.gateway.process.stdout is not None
        self.port = int(self.gateway.process.stdout.readline().rpartition(":")[2])
        self.gateway.until_healthy("one")
        self.trust = ssl.create_default_context(cafile=str(authority.trusted))

    def ask(self) -> ssl.SSLSocket:
        connected = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        secure = self.trust.wrap_socket(connected, server_hostname="localhost")
        self.addCleanup(secure.close)
        body = json.dumps({"model": MODEL, "prompt": "hi"}).encode()
        secure.sendall(b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
        secure.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return secure

    def test_streams(self) -> None:
        """Answers come piece by piece, and end in good order."""
        client = self.ask()
        said = b""
        reads = 0
        while data := client.recv(65536):
            said += data
            reads += 1
        self.assertTrue(said.startswith(b"HTTP/1.1 200 OK\r\n"), said[:200])
        self.assertTrue(said.endswith(b"0\r\n\r\n"), said[-200:])
        self.assertIn(b'"done":true', said)
        self.assertGreater(reads, 10)

    def test_leaves(self) -> None:
        """Whoever leaves stops the node, here too."""
        client = self.ask()
        self.assertIn(b"200 OK", client.recv(1000))
        self.node.until(active=1)
        client.close()
        self.node.until(active=0)

    def test_stops(self) -> None:
        """A gateway that is told to stop lets the answer end."""
        client = self.ask()
        self.assertIn(b"200 OK", client.recv(1000))
        self.gateway.process.terminate()
        said = b""
        while data := client.recv(65536):
            said += data
        self.assertTrue(said.endswith(b"0\r\n\r\n"), said[-200:])
        self.gateway.process.wait(PATIENCE)
