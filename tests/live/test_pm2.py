"""``config/ecosystem.config.js`` under PM2 itself."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.resources import shipped
from tests import parts


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class EcosystemTests(SynchronousTestCase):
    """PM2 with a home of its own, so that nobody else's programs are touched."""

    def setUp(self) -> None:
        self.pm2 = parts.executable("pm2")
        self.folder = Path(self.mktemp()).absolute()
        (self.folder / "config").mkdir(parents=True)
        # Out of the checkout, where an operator's own nodes and settings might be.
        self.file = self.folder / "config" / "ecosystem.config.js"
        shutil.copy(shipped("config", self.file.name), self.file)
        self.port, self.exporter_port = free_port(), free_port()
        self.environment = {
            **os.environ,
            # Short: PM2 listens on sockets in there, and their paths have a limit.
            "PM2_HOME": f"/tmp/pm2-{os.getpid()}",
            "PM2_DISABLE_VERSION_CHECK": "true",
            "TWISTD": str(Path(sys.executable).with_name("twistd")),
            "GATEWAY_PORT": str(self.port),
            "EXPORTER_PORT": str(self.exporter_port),
            "PYTHONPATH": str(parts.ROOT),
        }
        self.addCleanup(shutil.rmtree, self.environment["PM2_HOME"], ignore_errors=True)
        self.addCleanup(self.ask, "kill")

    def ask(self, *command: str) -> str:
        """What PM2 says."""
        done = subprocess.run(
            [self.pm2, "--silent", *command] if command != ("jlist",) else [self.pm2, "jlist"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def programs(self) -> dict[str, dict[str, Any]]:
        """What PM2 knows of each program."""
        listed = json.loads(self.ask("jlist"))
        return {each["name"]: each["pm2_env"] for each in listed}

    def answers(self) -> bool:
        """Whether both programs answer, whatever they have to say of the nodes."""
        return self.answers_at(self.port) and self.answers_at(self.exporter_port)

    def answers_at(self, port: int) -> bool:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/health")
            return "nodes" in json.loads(connection.getresponse().read())
        except (OSError, ValueError):
            return False
        finally:
            connection.close()

    def test_programs(self) -> None:
        """
        PM2 starts both programs, which serve with the settings of the environment; they stay up
        without being restarted, and end when told to.
        """
        self.ask("start", str(self.file))
        deadline = time.monotonic() + 20
        while not self.answers() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertTrue(self.answers(), self.logs())

        for name in ("ollama-gateway", "ollama-exporter"):
            one = self.programs()[name]
            self.assertEqual((one["status"], one["restart_time"]), ("online", 0), self.logs())

        self.ask("stop", "all")
        for one in self.programs().values():
            self.assertEqual(one["status"], "stopped")
        self.assertFalse(self.answers_at(self.port) or self.answers_at(self.exporter_port))

    def logs(self) -> str:
        """What the programs have printed."""
        folder = Path(self.environment["PM2_HOME"]) / "logs"
        return "\n".join(each.read_text() for each in sorted(folder.glob("*.log")))
