"""A real Prometheus, with the rules and the scrape configuration that we ship."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ollama_twisted.resources import shipped
from tests import parts
from tests.live.child import PATIENCE
from tests.live.gateways import free_port


class RunningPrometheus:
    """
    Scrapes a gateway and an exporter at these ports, twice a second.

    Its configuration is the one that is shipped, with these ports and that pace.
    """

    def __init__(self, gateway: int, exporter: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ollama-prometheus-test-"))
        shutil.copytree(shipped("config", "prometheus"), self.folder / "prometheus")
        config = self.folder / "prometheus" / "prometheus.yml"
        text = config.read_text(encoding="utf-8")
        for before, after in (
            ("localhost:11435", f"127.0.0.1:{gateway}"),
            ("localhost:9101", f"127.0.0.1:{exporter}"),
            ("interval: 15s", "interval: 500ms"),
        ):
            assert before in text, before
            text = text.replace(before, after)
        config.write_text(text, encoding="utf-8")
        self.port = free_port()
        self.log = (self.folder / "log").open("w+")
        self.process = subprocess.Popen(
            [
                parts.executable("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        until = time.monotonic() + PATIENCE
        while not self._ready():
            if time.monotonic() > until or self.process.poll() is not None:
                self.stop()
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """The series that an expression gives, each with ``metric`` and ``value``."""
        asked = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
        status, body = self._get("/api/v1/query?" + urlencode(asked))
        if status != 200:
            raise AssertionError(f"{expression}: {body.decode()}")
        result = json.loads(body)["data"]["result"]
        assert isinstance(result, list)
        return result

    def value(self, expression: str, at: float | None = None) -> float:
        """The one number that an expression gives."""
        (series,) = self.query(expression, at)
        return float(series["value"][1])

    def until(self, expression: str, patience: float = PATIENCE) -> list[dict[str, Any]]:
        """Wait until an expression gives anything."""
        until = time.monotonic() + patience
        while not (found := self.query(expression)):
            if time.monotonic() > until:
                raise AssertionError(f"nothing for {expression}")
            time.sleep(0.1)
        return found

    def names(self) -> set[str]:
        """The names of all series it has."""
        _, body = self._get("/api/v1/label/__name__/values")
        return set(json.loads(body)["data"])

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
