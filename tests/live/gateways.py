"""A gateway as a process of its own, in front of nodes that a test has started."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.live.child import PATIENCE, Child


class RunningGateway(Child):
    """
    A gateway with a configuration of its own, in a folder of its own.

    ``ports`` are those of its nodes on this machine, by name; the rest of the
    configuration can be given as it stands in the file.
    """

    def __init__(
        self,
        ports: Mapping[str, int],
        *options: str,
        node: Mapping[str, Any] | None = None,
        nodes: tuple[Mapping[str, Any], ...] = (),
        env: dict[str, str] | None = None,
        stdin: int = subprocess.PIPE,
        **config: Any,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ollama-gateway-test-"))
        self.access_log = self.folder / "access.log"
        document = {
            "nodes": [
                {"name": name, "hosts": ["127.0.0.1"], "port": port, **(node or {})}
                for name, port in ports.items()
            ]
            + [dict(each) for each in nodes],
            "health": {"interval": 0.2, "timeout": 1, "models_interval": 0.2},
            **config,
        }
        file = self.folder / "nodes.json"
        file.write_text(json.dumps(document))
        super().__init__(
            "ollama-gateway",
            "--config",
            str(file),
            "--listen",
            "tcp:0:interface=127.0.0.1",
            "--access-log",
            str(self.access_log),
            *options,
            cwd=self.folder,
            env=env,
            stdin=stdin,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def until_healthy(self, *names: str) -> RunningGateway:
        """Wait until these nodes are healthy and have told their models."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            nodes = {each["name"]: each for each in self.get("GET", "/api/nodes")["nodes"]}
            if all(nodes[name]["stats"]["is_healthy"] and nodes[name]["models"] for name in names):
                return self
            time.sleep(0.01)
        raise AssertionError(f"not healthy: {self.get('GET', '/api/nodes')}")

    def logged(self, count: int) -> list[dict[str, Any]]:
        """The access log's lines about exchanges, once there are so many."""
        until = time.monotonic() + PATIENCE
        lines: list[dict[str, Any]] = []
        while time.monotonic() < until:
            if self.access_log.exists():
                read = self.access_log.read_text().splitlines()
                lines = [json.loads(each) for each in read]
                lines = [each for each in lines if each["operation"] != "page"]
                if len(lines) >= count:
                    return lines
            time.sleep(0.01)
        raise AssertionError(f"only {lines}")


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
