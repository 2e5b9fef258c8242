"""A server of ours as a process of its own, on a port that it chose."""

from __future__ import annotations

import json
import os
import subprocess
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from tests.live.nursery import ROOT, Forked, start

LOG = ("--log-level", "warn", "--log-format", "text")

#: Slowness of the machine, on which much else may run, is no failure of a server's.
PATIENCE = 60.0


class Child:
    """Started by its constructor, which returns when it listens; ended by ``stop``."""

    #: How long it may take to answer, and to end.
    patience = PATIENCE

    def __init__(
        self,
        *command: str,
        cwd: str | Path = ROOT,
        env: dict[str, str] | None = None,
        stdin: int = subprocess.PIPE,
    ) -> None:
        self._started(
            start(
                [*LOG, *command, "--announce"],
                cwd,
                {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
                stdin,
            )
        )

    def _started(self, process: Forked | subprocess.Popen[str]) -> None:
        """Wait until it says where it listens."""
        self.process = process
        assert self.process.stdout is not None
        printed = []
        while not (line := self.process.stdout.readline()).startswith("listening on "):
            printed.append(line)
            if not line:
                raise AssertionError(f"it did not start: {''.join(printed)}")
        self.port = int(line.rpartition(":")[2])

    def stop(self) -> str:
        """End it; what it printed since it listened."""
        if self.process.poll() is None:
            self.process.terminate()
        out, _ = self.process.communicate(timeout=self.patience)
        return out

    def open(self, method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        """Send a request; returns when the head of the answer is there."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=self.patience)
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
