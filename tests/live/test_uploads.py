"""Blobs of many gigabytes on their way to a node: never in the gateway's memory."""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256

import psutil
from twisted.trial.unittest import SynchronousTestCase

from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

PIECE = bytes(2**20)
PIECES = 2048
#: Slowness of the machine is no failure of the gateway's.
PATIENCE = 300.0


def zeros(pieces: int) -> str:
    """The digest of so many pieces."""
    digest = sha256()
    for _ in range(pieces):
        digest.update(PIECE)
    return f"sha256:{digest.hexdigest()}"


class UploadTests(SynchronousTestCase):
    """A node that takes the digest of what it is sent, and keeps nothing of it either."""

    def setUp(self) -> None:
        self.node = SimulatedNode("--model", "m")
        self.addCleanup(self.node.stop)
        self.gateway = RunningGateway({"one": self.node.port})
        self.addCleanup(self.gateway.stop)
        self.gateway.until_healthy("one")

    def sent(self, digest: str, *framing: bytes) -> socket.socket:
        """A connection on which the head of an upload was sent."""
        connection = socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE)
        lines = (b"POST /api/blobs/%b HTTP/1.1" % digest.encode(), b"Host: localhost", *framing)
        connection.sendall(b"\r\n".join((*lines, b"", b"")))
        return connection

    def grown(self, connection: socket.socket) -> Iterator[int]:
        """By how much the gateway has grown, each 64 MiB of all that is sent."""
        gateway = psutil.Process(self.gateway.process.pid)
        before = gateway.memory_info().rss
        for number in range(PIECES):
            connection.sendall(PIECE)
            if not number % 64:
                yield gateway.memory_info().rss - before

    def test_large(self) -> None:
        """2 GiB pass with little of it in memory, and the node has got each byte."""
        digest = zeros(PIECES)
        length = b"Content-Length: %d" % (PIECES * len(PIECE))
        with closing(self.sent(digest, length)) as connection:
            self.assertLess(max(self.grown(connection)), 64 * 2**20)
            self.assertEqual(connection.recv(100)[9:12], b"201")
        with self.gateway.open("HEAD", f"/api/blobs/{digest}") as answer:
            self.assertEqual(answer.status, 200)
        with self.gateway.open("HEAD", f"/api/blobs/{zeros(1)}") as answer:
            self.assertEqual(answer.status, 404)

    def test_leaves(self) -> None:
        """A client that leaves in the middle is one that leaves the node."""
        connection = self.sent(zeros(1), b"Transfer-Encoding: chunked", b"Expect: 100-continue")
        self.assertEqual(connection.recv(100)[9:12], b"100")
        before = self.node.state()["connections"]
        connection.close()
        self.node.until(connections=before - 1)
        line = self.gateway.logged(1)[0]
        self.assertEqual((line["operation"], line["failure"]), ("blob", "client_left"))

    def test_leaves_while_paused(self) -> None:
        """Also while the node stands still, and its client, who resets it, is not read for."""
        connection = self.sent(zeros(1), b"Content-Length: %d" % 2**40)
        self.node.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.node.process.send_signal, signal.SIGCONT)
        connection.setblocking(False)
        sent = 0
        while select.select([], [connection], [], 1.0)[1]:
            sent += connection.send(PIECE)
        # An orderly end would stand in line behind what is not read.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        (line,) = self.gateway.logged(1)
        self.assertEqual(line["failure"], "client_left")
        # What was sent waits in the buffers of two sockets, and not in the gateway.
        self.assertLess(line["received"], sent + 1)

    def test_mismatch(self) -> None:
        """What the node says of a blob that is not what its digest says is the answer."""
        with closing(self.sent(zeros(2), b"Content-Length: %d" % len(PIECE))) as connection:
            connection.sendall(PIECE)
            head, _, body = connection.recv(2000).partition(b"\r\n\r\n")
        self.assertEqual(head[9:12], b"400")
        self.assertIn("digest mismatch", json.loads(body)["error"])
