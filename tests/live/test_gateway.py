"""The gateway as a process, between real sockets."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections import Counter
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Any

import psutil
from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.live.client_suite import suite
from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode

MODEL = "llama3:8b"
HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
QUICK = ("--model", MODEL, "--load-time", "0", "--first-token-delay", "0.01", "--slots", "0")


class GatewayCase(SynchronousTestCase):
    """Starts nodes and gateways, and ends them."""

    def node(self, *options: str, port: int = 0) -> SimulatedNode:
        node = SimulatedNode(*QUICK, *options, port=port)
        self.addCleanup(node.stop)
        return node

    def gateway(
        self, nodes: dict[str, SimulatedNode], *options: str, **rest: Any
    ) -> RunningGateway:
        ports = {name: node.port for name, node in nodes.items()}
        gateway = RunningGateway(ports, *options, **rest)
        self.addCleanup(gateway.stop)
        return gateway.until_healthy(*nodes)


class ClientSuiteTests(SynchronousTestCase):
    """The official Python client, by its own tests."""

    def test_complete(self) -> None:
        """All of its tests pass through the gateway, which is asked for its health all the time."""
        suite.command()
        mock = free_port()
        gateway = RunningGateway({"mock": mock}, health={"interval": 0.1, "models_interval": 0.1})
        self.addCleanup(gateway.stop)
        output = suite.run(gateway.url, f"127.0.0.1:{mock}")
        self.assertEqual(suite.passed(output), suite.TESTS, output)
        self.assertIn(" 0 direct", output)


class StreamTests(GatewayCase):
    """What happens on the way of a stream."""

    def test_as_asked_directly(self) -> None:
        """Every byte of an answer, and its status, are those of the node."""
        node = self.node("--frozen-clock", "--tokens-per-second", "0")
        gateway = self.gateway({"one": node})
        for path, body in (
            ("/api/chat", HELLO),
            ("/api/chat", {**HELLO, "stream": False}),
            ("/api/generate", {"model": MODEL, "prompt": "once"}),
            ("/api/embed", {"model": MODEL, "input": ["a", "b"]}),
            ("/v1/chat/completions", {**HELLO, "stream": True}),
            ("/api/show", {"model": MODEL}),
            ("/api/chat", {"model": "nobody-has-this", "messages": []}),
            ("/api/chat", {"messages": 5}),
            ("/api/nothing-here", {}),
        ):
            with (
                node.open("POST", path, body) as direct,
                gateway.open("POST", path, body) as passed,
            ):
                self.assertEqual((passed.status, passed.read()), (direct.status, direct.read()))
                self.assertEqual(passed.getheader("Content-Type"), direct.getheader("Content-Type"))

    def test_token_by_token(self) -> None:
        """The first token is here while the node still works on the others."""
        node = self.node("--tokens-per-second", "20")
        answer = self.gateway({"one": node}).open("POST", "/api/chat", HELLO)
        self.assertFalse(json.loads(answer.readline())["done"])
        self.assertEqual(node.state()["active"], 1)
        answer.close()

    def test_departure(self) -> None:
        """A client that leaves in mid-stream is one that leaves the node."""
        node = self.node("--tokens-per-second", "1")
        answer = self.gateway({"one": node}).open("POST", "/api/chat", HELLO)
        answer.readline()
        answer.close()
        node.until(active=0, cancelled=1)

    def test_departure_behind_pipelining(self) -> None:
        """The same when it has sent 40 KB more behind its request."""
        node = self.node("--tokens-per-second", "1")
        gateway = self.gateway({"one": node})
        body = json.dumps(HELLO).encode()
        request = b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            client.sendall(request % (len(body), body))
            client.recv(100)
            client.sendall(b"GET /api/version HTTP/1.1\r\nX: " + b"x" * 40_000)
        node.until(active=0, cancelled=1)

    def test_reader_that_stops(self) -> None:
        """While a client does not read, the node is not read either, and memory stays flat."""
        node = self.node("--tokens-per-second", "0", "--answer-tokens", "1000000")
        gateway = self.gateway({"one": node})
        process = psutil.Process(gateway.process.pid)
        before = process.memory_info().rss
        answer = gateway.open("POST", "/api/chat", HELLO)
        answer.read(100)
        made = -1
        while made != (made := node.state()["tokens"]):
            # Each look at the state takes both processes through their work.
            for _ in range(50):
                gateway.get("GET", "/health")
        self.assertLess(made, 500_000)
        self.assertLess(process.memory_info().rss - before, 4_000_000)
        answer.close()
        node.until(active=0)

    def test_drain(self) -> None:
        """SIGTERM: an answer that is under way ends whole, and then the gateway does."""
        node = self.node("--tokens-per-second", "30", "--answer-tokens", "30")
        gateway = self.gateway({"one": node})
        answer = gateway.open("POST", "/api/chat", HELLO)
        answer.readline()
        gateway.process.send_signal(signal.SIGTERM)
        self.assertTrue(json.loads(answer.read().splitlines()[-1])["done"])
        gateway.process.wait(10)


class NodeDeathTests(GatewayCase):
    """A node that is killed while it is asked."""

    REQUESTS = 2000

    def test_killed(self) -> None:
        """
        No client sees a failure of a request whose answer had not begun, and each
        answer that had begun ends visibly cut.
        """
        pace = ("--tokens-per-second", "400", "--answer-tokens", "10")
        nodes = {name: self.node(*pace) for name in "abc"}
        gateway = self.gateway(nodes, strategy="least_connections")
        outcomes: Counter[str] = Counter()
        turns = iter(range(self.REQUESTS))
        lock = threading.Lock()
        killed = threading.Event()

        def client() -> None:
            connection = HTTPConnection("127.0.0.1", gateway.port, timeout=20)
            while True:
                with lock:
                    turn = next(turns, None)
                if turn is None:
                    return
                if turn == self.REQUESTS // 4:
                    nodes["b"].process.kill()
                    killed.set()
                outcome = ask(connection, {**HELLO, "stream": turn % 4 > 0})
                with lock:
                    outcomes[outcome] += 1

        threads = [threading.Thread(target=client) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(killed.is_set())
        self.assertEqual(sum(outcomes.values()), self.REQUESTS)
        self.assertEqual(set(outcomes) - {"whole", "cut"}, set(), outcomes)
        # Whoever streamed from it at that moment, and nobody else.
        self.assertLessEqual(outcomes["cut"], 40)


def ask(connection: HTTPConnection, body: Any) -> str:
    """One chat: ``whole``, ``cut``, or what went wrong before an answer began."""
    try:
        connection.request("POST", "/api/chat", json.dumps(body))
        answer = connection.getresponse()
    except (OSError, RemoteDisconnected) as error:
        connection.close()
        return f"no answer: {error!r}"
    try:
        lines = answer.read().splitlines()
    except (IncompleteRead, OSError):
        connection.close()
        return "cut"
    if answer.status != 200:
        return f"{answer.status}: {lines}"
    return "whole" if json.loads(lines[-1]).get("done") else f"ended as if whole: {lines[-1]!r}"


class ShownTests(GatewayCase):
    """What a gateway in use shows."""

    def test_metrics(self) -> None:
        """Prometheus's own tool finds nothing to say against the page."""
        gateway = self.gateway({"one": self.node("--tokens-per-second", "0")})
        gateway.lines("/api/chat", HELLO)
        promtool = parts.executable("promtool")
        with gateway.open("GET", "/metrics") as answer:
            page = answer.read()
        checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True)
        self.assertEqual((checked.returncode, checked.stderr, checked.stdout), (0, b"", b""))
        self.assertIn(b'ollama_gateway_generation_tokens_total{model="llama3:8b"', page)

    def test_access_log(self) -> None:
        """A line says who asked what of whom, and what that took."""
        gateway = self.gateway({"one": self.node("--tokens-per-second", "0")})
        gateway.lines("/api/chat", HELLO)
        line = gateway.logged(1)[0]
        shown = {name: line[name] for name in ("method", "path", "status", "node", "model")}
        expected = {"method": "POST", "path": "/api/chat", "status": 200, "node": "one"}
        self.assertEqual(shown, {**expected, "model": MODEL})
        self.assertEqual(line["generated_tokens"], 64)

    def test_full_disk(self) -> None:
        """An access log that cannot be written costs its lines and nothing else."""
        if not Path("/dev/full").exists():
            return
        node = self.node("--tokens-per-second", "0")
        ports = {"one": node.port}
        gateway = RunningGateway(ports, "--access-log", "/dev/full").until_healthy("one")
        self.addCleanup(gateway.stop)
        for _ in range(5):
            self.assertTrue(gateway.lines("/api/chat", HELLO)[-1]["done"])
