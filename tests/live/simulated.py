"""A simulated node as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
_PATIENCE = 20.0


class SimulatedNode:
    """Started by its constructor, which returns when it listens; ended by `stop`."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "twisted", "--log-level", "warn", "ollama-simulator"]
        command += ["--port", "0", "--announce", "--stop-on-stdin-eof", *options]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        printed = []
        while not (line := self.process.stdout.readline()).startswith("listening on "):
            printed.append(line)
            if not line:
                raise AssertionError(f"the node did not start: {''.join(printed)}")
        self.port = int(line.rpartition(":")[2])

    def stop(self) -> str:
        """End it; what it printed since it listened."""
        if self.process.poll() is None:
            self.process.terminate()
        out, _ = self.process.communicate(timeout=_PATIENCE)
        return out

    def orphan(self) -> None:
        """Be gone, as far as the node can tell."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def open(self, method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        """Send a request; returns when the head of the answer is there."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection.getresponse()

    def get(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and have the JSON of its answer."""
        with self.open(method, path, body) as answer:
            return json.loads(answer.read())

    def lines(self, path: str, body: Any) -> list[Any]:
        """Send a request and have the NDJSON of its answer."""
        with self.open("POST", path, body) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def state(self) -> Any:
        """What the node says of itself."""
        return self.get("GET", "/simulator/state")

    def until(self, **wanted: int) -> float:
        """Wait until the state says so; the seconds that took."""
        asked = time.monotonic()
        while time.monotonic() - asked < _PATIENCE:
            state = self.state()
            if all(state[name] == value for name, value in wanted.items()):
                return time.monotonic() - asked
            time.sleep(0.002)
        raise AssertionError(f"wanted {wanted}, have {self.state()}")
