"""
A real Prometheus scrapes a gateway and an exporter, and can be believed.

Three nodes: two behind the gateway, which together meet with everything that is counted, and one
that only this test talks to, so that what went over its wire is known to the byte.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.dashboards import expressions, filled, variables
from tests.live.child import PATIENCE
from tests.live.exporters import CountingClient, RunningExporter
from tests.live.gateways import RunningGateway
from tests.live.prometheis import RunningPrometheus
from tests.live.simulated import SimulatedNode
from tests.metrics_document import exporter, gateway, name_of
from tests.test_audio import sound
from tests.wire.test_form import form, part

MODEL = "smollm2:135m"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}]}

#: Seconds for which traffic is made, and the span of the rates that are compared.
LONG, SPAN = 12.0, 8


class Traffic(threading.Thread):
    """Asks a node the same thing ten times a second, and remembers when it had read how much."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.client = CountingClient(port)
        self.marks: list[tuple[float, int, int]] = []

    def run(self) -> None:
        start = time.monotonic()
        for tick in range(int(LONG * 10)):
            time.sleep(max(0.0, start + tick / 10 - time.monotonic()))
            self.client.get("/api/tags")
            self.marks.append((time.time(), self.client.received, self.client.sent))

    def rates(self) -> tuple[float, float]:
        """Bytes a second, read and sent, from the first to the last request."""
        (began, *first), (ended, *last) = self.marks[0], self.marks[-1]
        read, sent = ((b - a) / (ended - began) for a, b in zip(first, last, strict=True))
        return read, sent


class PrometheusTests(SynchronousTestCase):
    """One run for all that is asked: starting everything takes its time."""

    def setUp(self) -> None:
        if not sys.platform.startswith("linux"):
            raise SkipTest("bytes are exact only on Linux")
        parts.executable("ss")
        parts.executable("prometheus")
        self.nodes = {
            name: SimulatedNode("--model", MODEL, "--tokens-per-second", "200", *options)
            for name, options in {
                "a": ("--load-time", "0.3"),
                "b": ("--load-time", "0.3"),
                "alone": (),
            }.items()
        }
        for each in self.nodes.values():
            self.addCleanup(each.stop)
        ports = {name: node.port for name, node in self.nodes.items()}
        self.addCleanup(self.fake_ollama().kill)
        self.gateway = RunningGateway(
            {name: ports[name] for name in "ab"},
            node={"max_in_flight": 1},
            gateway={"retry_percent": 0, "min_retries": 0},
        )
        self.addCleanup(self.gateway.stop)
        self.exporter = RunningExporter(ports, "--routers", "gateway=127.0.0.1")
        self.addCleanup(self.exporter.stop)
        self.gateway.until_healthy("a", "b")
        self.exporter.until_measured()
        self.prometheus = RunningPrometheus(self.gateway.port, self.exporter.port)
        self.addCleanup(self.prometheus.stop)

    def fake_ollama(self) -> subprocess.Popen[bytes]:
        """A process called ``ollama serve``, which is all that the process metrics look at."""
        folder = Path(tempfile.mkdtemp(prefix="ollama-process-test-"))
        (folder / "ollama").symlink_to(sys.executable)
        (folder / "serve").write_text("import time; time.sleep(600)")
        return subprocess.Popen([folder / "ollama", "serve"], cwd=folder, env={**os.environ})

    def meet_everything(self) -> None:
        """Let happen whatever the gateway counts: answers, failures, retries, waits, leavers."""
        self.gateway.lines("/api/chat", CHAT)
        crowd = [
            threading.Thread(target=self.gateway.lines, args=("/api/chat", CHAT)) for _ in "1234"
        ]
        for each in crowd:
            each.start()
        for each in crowd:
            each.join()
        self.fault("status=503 path=/api/chat times=1")
        self.gateway.lines("/api/chat", CHAT)
        # What both drop is asked again once, and with nothing to spend the next is not; twice,
        # because a connection that was kept may be stale.
        for _ in range(2):
            self.fault("reset-before-head path=/api/chat times=2")
            self.assertIn("no node could answer", str(self.gateway.lines("/api/chat", CHAT)))
        self.fault("cut-at-token=3 path=/api/chat times=1")
        self.assertRaises(IncompleteRead, self.gateway.lines, "/api/chat", CHAT)
        # The other node's would meet whoever comes next.
        self.fault()
        body = json.dumps(CHAT).encode()
        leaver = socket.create_connection(("127.0.0.1", self.gateway.port))
        leaver.sendall(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        leaver.recv(100)
        leaver.close()
        self.transcribe()

    def transcribe(self) -> None:
        """Have a recording heard whose length it says itself."""
        recording = form(part(b"model", MODEL.encode()), part(b"file", sound(2), file=b"a.wav"))
        connection = HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", "/v1/audio/transcriptions", recording, kind)
        answer = connection.getresponse()
        self.assertEqual((answer.status, "text" in json.loads(answer.read())), (200, True))
        connection.close()

    def fault(self, *rules: str) -> None:
        for name in "ab":
            node = self.nodes[name]
            with (
                node.open("DELETE", "/simulator/faults"),
                node.open("POST", "/simulator/faults", {"faults": rules}),
            ):
                pass

    def test_believed(self) -> None:
        """
        Both are up, every documented metric is there, the dashboard's every expression has an
        answer, and the rates of the byte counters are those of the traffic that was made.
        """
        self.meet_everything()
        traffic = Traffic(self.nodes["alone"].port)
        traffic.start()
        self.addCleanup(traffic.join)
        self.all_is_there()
        # Again: a counter that was never seen before has no rate yet.
        self.meet_everything()
        traffic.join()
        self.rates_are_right(traffic)
        self.answers_are_had()

    def all_is_there(self) -> None:
        up = {each["metric"]["job"]: each["value"][1] for each in self.prometheus.until("up == 1")}
        until = time.monotonic() + PATIENCE
        while len(up) < 2 and time.monotonic() < until:
            up = {each["metric"]["job"]: each["value"][1] for each in self.prometheus.query("up")}
        self.assertEqual(up, {"ollama-gateway": "1", "ollama-exporter": "1"})
        documented = set()
        for family in (*exporter(), *gateway()):
            suffix = "_bucket" if family.type == "histogram" else ""
            documented.add(name_of(family) + suffix)
        until = time.monotonic() + PATIENCE
        while (absent := documented - self.prometheus.names()) and time.monotonic() < until:
            time.sleep(0.2)
        self.assertEqual(absent, set())

    def rates_are_right(self, traffic: Traffic) -> None:
        read, sent = traffic.rates()
        at = traffic.marks[-1][0]
        for name, made in (("sent", read), ("recv", sent)):
            measured = self.prometheus.value(
                f'rate(ollama_bytes_{name}_total{{node="alone"}}[{SPAN}s])', at
            )
            # What was made between the edges of the span and the scrapes nearest to them
            # is extrapolated; a scrape is half a second, a look a fifth.
            self.assertLess(abs(measured / made - 1), 0.05, f"{name}: {measured} of {made}")
        # Of the whole, nothing is extrapolated: it is equal to the byte.
        client = traffic.client
        self.exporter.until(
            lambda: self.exporter.sample("bytes_sent_total", node="alone") == client.received
        )
        self.assertEqual(self.exporter.sample("bytes_recv_total", node="alone"), client.sent)
        self.prometheus.until(f'ollama_bytes_sent_total{{node="alone"}} == {client.received}')

    def answers_are_had(self) -> None:
        for _, each in expressions():
            found = self.prometheus.query(filled(each).replace("[1m]", "[30s]"))
            if " > 0" not in each.rpartition(")")[2]:
                self.assertTrue(found, each)
        for each in variables().values():
            if each["type"] == "query":
                series = filled(each["query"]["query"]).removeprefix("label_values(")
                selector, _, label = series.rpartition(", ")
                found = self.prometheus.query(selector)
                self.assertTrue(any(label[:-1] in one["metric"] for one in found), series)
        alerts = self.prometheus.query("ALERTS{alertstate='firing'}")
        self.assertEqual(alerts, [])
