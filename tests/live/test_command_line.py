"""The gateway's command line, as somebody types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.child import PATIENCE, ROOT


class CommandLineTests(SynchronousTestCase):
    """Each in a folder of its own, where no configuration is."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ollama-gateway-test-"))

    def run_gateway(self, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "twisted", "ollama-gateway", *options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def write(self, name: str, **document: object) -> None:
        (self.folder / name).write_text(json.dumps(document))

    def test_check(self) -> None:
        """``--check`` prints what would be used, and says with its exit code that it may be."""
        self.write("nodes.json", nodes=[{"name": "gpu-1", "hosts": ["10.0.0.1"], "weight": 2}])
        done = self.run_gateway("--config", "nodes.json", "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("gpu-1", done.stdout)
        self.assertIn("11435", done.stdout)

    def test_check_fails(self) -> None:
        """Every fault is named with its place, and nothing else is printed."""
        self.write(
            "nodes.json",
            nodes=[{"name": "gpu-1", "hosts": ["10.0.0.1"], "wieght": 2}, {"name": "gpu-1"}],
        )
        done = self.run_gateway("--config", "nodes.json", "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nodes[0].wieght", done.stderr)
        self.assertIn("weight", done.stderr)
        self.assertIn("nodes[1]", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_precedence(self) -> None:
        """A .env gives way to the environment, and that to an option."""
        (self.folder / ".env").write_text("GATEWAY_PORT=1111\nSCHEDULING_STRATEGY=round_robin\n")
        self.assertIn("1111", self.run_gateway("--check").stdout)
        self.assertIn("2222", self.run_gateway("--check", GATEWAY_PORT="2222").stdout)
        done = self.run_gateway("--check", "--port", "3333", GATEWAY_PORT="2222")
        self.assertIn("3333", done.stdout)

    def test_strategy(self) -> None:
        """An unknown strategy is an error that names the nearest known one."""
        done = self.run_gateway("--check", SCHEDULING_STRATEGY="least_conections")
        self.assertEqual(done.returncode, 1)
        self.assertIn("least_connections", done.stderr)

    def test_cannot_listen(self) -> None:
        """An address that is taken is an error, not a gateway that seems to run."""
        import socket

        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = self.run_gateway("--port", str(port))
        self.assertNotEqual(done.returncode, 0)
        said = done.stderr + done.stdout
        self.assertIn(f"ollama-gateway: cannot listen on 127.0.0.1:{port}: Address already", said)
        self.assertNotIn("Traceback", said)
