"""What ships for running the gateway unattended, judged by the tools that will read it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.resources import shipped
from tests import parts


def ask(*command: str) -> tuple[int, str]:
    """The exit code of a command, and all it printed."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


class UnitTests(SynchronousTestCase):
    """``config/ollama-gateway.service``."""

    def setUp(self) -> None:
        self.analyze = parts.executable("systemd-analyze")
        self.unit = shipped("config", "ollama-gateway.service")

    def test_verified(self) -> None:
        """
        systemd finds nothing to say about it, once the program is where it says.
        """
        text, count = re.subn(
            r"^ExecStart=/opt/ollama-twisted/bin/twistd ",
            "ExecStart=/bin/echo ",
            self.unit.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        self.assertEqual(count, 1)
        copy = Path(self.mktemp())
        copy.mkdir()
        unit = (copy / self.unit.name).absolute()
        unit.write_text(text, encoding="utf-8")
        self.assertEqual(ask(self.analyze, "verify", "--man=no", str(unit)), (0, ""))

    def test_hardened(self) -> None:
        """
        Of systemd's ten points of exposure it takes less than one and a half.
        """
        code, text = ask(
            self.analyze,
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold=15",
            str(self.unit),
        )
        self.assertEqual(code, 0, text)

    def test_waits_for_streams(self) -> None:
        """
        systemd lets the gateway drain for as long as it would by itself.
        """
        found = re.search(r"^TimeoutStopSec=(\d+)$", self.unit.read_text(), re.MULTILINE)
        assert found is not None
        self.assertGreater(int(found[1]), 300)
