"""The exporter with the system's real tools, beside real servers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from unittest import SkipTest

import psutil
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.live.child import PATIENCE, ROOT
from tests.live.exporters import CountingClient, RunningExporter
from tests.live.simulated import SimulatedNode


class ExporterTests(SynchronousTestCase):
    """Beside one simulated node."""

    def setUp(self) -> None:
        if sys.platform.startswith("linux"):
            parts.executable("ss")
        self.node = SimulatedNode("--model", "smollm2:135m")
        self.addCleanup(self.node.stop)

    def exporter(self, *options: str) -> RunningExporter:
        running = RunningExporter({"here": self.node.port}, *options)
        self.addCleanup(running.stop)
        return running.until_measured()

    def test_connections(self) -> None:
        """
        Each client is counted once, although both of its ends are on this machine; the exporter
        itself is not among them.
        """
        exporter = self.exporter()
        clients = [socket.create_connection(("127.0.0.1", self.node.port)) for _ in range(3)]
        exporter.until(lambda: exporter.sample("connections", node="here") == 3)
        self.assertEqual(exporter.sample("connections_by_peer", node="here", peer="local"), 3)
        self.assertEqual(exporter.sample("listening", node="here"), 1)
        for each in clients:
            each.close()
        exporter.until(lambda: exporter.sample("connections", node="here") == 0)
        self.assertEqual(exporter.sample("connections_opened_total", node="here"), 3)

    def test_bytes(self) -> None:
        """
        Every byte is counted, in both directions, of connections that come and go as well.
        """
        if not sys.platform.startswith("linux"):
            raise SkipTest("exact only on Linux")
        exporter = self.exporter()
        source = {"node": "here", "method": "ss_events", "quality": "exact"}
        exporter.until(lambda: exporter.sample("bytes_source_info", **source) == 1)
        clients = []
        for _ in range(20):
            client = CountingClient(self.node.port)
            for _ in range(5):
                client.get("/api/tags")
            client.close()
            clients.append(client)
        # From the node's side: what the client has read was sent.
        sent, received = (sum(getattr(c, name) for c in clients) for name in ("received", "sent"))
        exporter.until(lambda: exporter.sample("connections_closed_total", node="here") == 20)
        self.assertEqual(exporter.sample("bytes_sent_total", node="here"), sent)
        self.assertEqual(exporter.sample("bytes_recv_total", node="here"), received)

    def test_ollama(self) -> None:
        """
        It knows the node's version and what it has in memory; and when it is gone.
        """
        self.node.get("POST", "/api/generate", {"model": "smollm2:135m"})
        exporter = self.exporter()
        self.assertEqual(exporter.sample("up", node="here"), 1)
        labels = {"node": "here", "model": "smollm2:135m"}
        self.assertEqual(exporter.sample("model_loaded", **labels), 1)
        self.assertGreater(
            exporter.sample("model_expires_timestamp_seconds", **labels) or 0, time.time()
        )

    def test_events(self) -> None:
        """
        A page that listens is told of a client within a moment.
        """
        exporter = self.exporter()
        stream = exporter.open("GET", "/api/events")
        self.assertEqual(stream.readline(), b"retry: 3000\n")
        self.assertEqual((stream.readline(), stream.readline()), (b"\n", b"event: snapshot\n"))
        with socket.create_connection(("127.0.0.1", self.node.port)):
            lines = []
            while not (lines and b'"connections":1' in lines[-1]):
                lines.append(stream.readline())
            (link,) = exporter.get("GET", "/api/topology")["links"]
            self.assertEqual((link["connections"], link["sent_bytes_per_second"]), (1, 0))
        self.assertIn(b"event: delta\n", lines)
        # Closed with its connection: http.client would wait for the end of the stream.
        stream.close()

    def test_ends(self) -> None:
        """
        Told to stop, it ends at once, and no child of it is left.
        """
        exporter = self.exporter()
        children = psutil.Process(exporter.process.pid).children(recursive=True)
        began = time.monotonic()
        exporter.stop()
        self.assertLess(time.monotonic() - began, 5)
        # Twisted ends by the signal that has stopped it.
        self.assertIn(exporter.process.returncode, (0, -15))
        self.assertEqual([each for each in children if each.is_running()], [])

    def test_killed(self) -> None:
        """
        Killed, it leaves no child behind either.
        """
        exporter = self.exporter()
        children = psutil.Process(exporter.process.pid).children(recursive=True)
        exporter.process.kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        self.assertEqual(alive, [])

    def test_orphaned(self) -> None:
        """
        It ends when the parent's end of its standard input is closed.
        """
        exporter = self.exporter()
        assert exporter.process.stdin is not None
        exporter.process.stdin.close()
        exporter.process.stdin = None
        self.assertEqual(exporter.process.wait(PATIENCE), 0)

    def test_restarted_node(self) -> None:
        """
        A node that goes is seen to go; its counters stay, and go on when it is back.
        """
        exporter = self.exporter()
        client = CountingClient(self.node.port)
        client.get("/api/version")
        client.close()
        exporter.until(lambda: exporter.sample("bytes_sent_total", node="here") == client.received)
        port = self.node.port
        self.node.stop()
        exporter.until(lambda: exporter.sample("listening", node="here") == 0)
        self.node = SimulatedNode(port=port)
        self.addCleanup(self.node.stop)
        exporter.until(lambda: exporter.sample("listening", node="here") == 1)
        self.assertEqual(exporter.sample("bytes_sent_total", node="here"), client.received)


class CommandLineTests(SynchronousTestCase):
    """The command line, in a folder where nothing is."""

    def run_exporter(self, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "twisted", "ollama-exporter", *options],
            cwd=tempfile.mkdtemp(prefix="ollama-exporter-test-"),
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def test_once(self) -> None:
        """
        ``--once`` prints one scrape, and nothing but that, on standard output.
        """
        done = self.run_exporter("--once", "--ollama-port", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        names = {each.name for each in text_string_to_metric_families(done.stdout)}
        self.assertIn("ollama_connections", names)
        self.assertIn("ollama_exporter_build_info", names)

    def test_check(self) -> None:
        """
        ``--check`` shows what would be used.
        """
        done = self.run_exporter("--check", OLLAMA_PORT="11434,11500", NODE_NAME="gpu,cpu")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for each in ("gpu", "cpu", "11500", "9101"):
            self.assertIn(each, done.stdout)

    def test_check_fails(self) -> None:
        """
        What is wrong is told without a traceback.
        """
        done = self.run_exporter("--check", EXPORTER_PORT="x", OLLAMA_PORT="0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("EXPORTER_PORT", done.stderr)
        self.assertIn("OLLAMA_PORT", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_port_in_use(self) -> None:
        """
        An exporter that cannot listen does not seem to run.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = self.run_exporter("--port", str(taken.getsockname()[1]))
        self.assertNotEqual(done.returncode, 0)

    def test_unix_socket(self) -> None:
        """
        It can be had at a socket in the file system.
        """
        if not hasattr(socket, "AF_UNIX"):
            raise SkipTest("no such sockets here")
        path = Path(tempfile.mkdtemp(prefix="oe-")) / "s"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "twisted", "ollama-exporter", "--listen", f"unix:{path}"),
                *("--announce", "--stop-on-stdin-eof", "--ollama-port", "1"),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(process.communicate)
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("listening on "):
            self.assertTrue(line, "it ended")
        connection = HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("GET", "/api/health")
        self.assertEqual(json.loads(connection.getresponse().read()), {"status": "ok"})
        connection.close()
