"""An exporter as a process of its own, and a client that counts what it sends and reads."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.live.child import PATIENCE, Child

Sample = tuple[str, frozenset[tuple[str, str]]]


class RunningExporter(Child):
    """An exporter for the Ollamas on these ports, by name; it looks five times a second."""

    def __init__(self, ports: dict[str, int], *options: str, env: dict[str, str] | None = None):
        super().__init__(
            "ollama-exporter",
            "--listen",
            "tcp:0:interface=127.0.0.1",
            "--ollama-port",
            ",".join(map(str, ports.values())),
            "--node-name",
            ",".join(ports),
            "--interval",
            "0.2",
            "--stop-on-stdin-eof",
            *options,
            cwd=tempfile.mkdtemp(prefix="ollama-exporter-test-"),
            env=env,
        )

    def samples(self) -> dict[Sample, float]:
        """Every series on the page."""
        with self.open("GET", "/metrics") as answer:
            text = answer.read().decode()
        return {
            (each.name, frozenset(each.labels.items())): each.value
            for family in text_string_to_metric_families(text)
            for each in family.samples
        }

    def sample(self, name: str, **labels: str) -> float | None:
        """One series, named without its beginning."""
        return self.samples().get((f"ollama_{name}", frozenset(labels.items())))

    def until(self, what: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Wait for what somebody asks for to be true."""
        until = time.monotonic() + patience
        while not (found := what()):
            if time.monotonic() > until:
                raise AssertionError(f"in vain: {self.samples()}")
            time.sleep(0.05)
        return found

    def until_measured(self) -> RunningExporter:
        """Wait until it has looked, and asked its Ollamas."""
        self.until(lambda: self.open("GET", "/health").status == 200)
        self.until(lambda: any(name == "ollama_up" for name, _ in self.samples()))
        return self


class CountingClient:
    """One connection to a server; what went over it each way is counted to the byte."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self._socket.makefile("rb")
        self.sent = self.received = 0

    def get(self, path: str) -> Any:
        """Ask for a JSON document."""
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._socket.sendall(request)
        self.sent += len(request)
        length = 0
        while (line := self._file.readline()) != b"\r\n":
            self.received += len(line)
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = self._file.read(length)
        self.received += 2 + length
        return json.loads(body)

    def close(self) -> None:
        self._file.close()
        self._socket.close()
