"""What ships for running the exporter unattended."""

from __future__ import annotations

import plistlib
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
    """``config/ollama-exporter.service``."""

    def setUp(self) -> None:
        self.analyze = parts.executable("systemd-analyze")
        self.unit = shipped("config", "ollama-exporter.service")
        self.text = self.unit.read_text(encoding="utf-8")

    def test_verified(self) -> None:
        """
        systemd finds nothing to say about it, once the program is where it says.
        """
        text, count = re.subn(
            r"^ExecStart=/opt/ollama-twisted/bin/twistd ",
            "ExecStart=/bin/echo ",
            self.text,
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
        Of systemd's ten points of exposure it takes no more than one and a half.
        """
        code, text = ask(
            *(self.analyze, "security", "--offline=true", "--no-pager"),
            *("--threshold=15", str(self.unit)),
        )
        self.assertEqual(code, 0, text)

    def test_can_measure(self) -> None:
        """
        What the probes need is not taken away: netlink for ``ss``, /proc for the rest.
        """
        (families,) = re.findall(r"^RestrictAddressFamilies=(.+)$", self.text, re.MULTILINE)
        self.assertIn("AF_NETLINK", families.split())
        for taken in ("ProtectProc=", "ProcSubset=", "PrivateNetwork="):
            self.assertNotIn(f"\n{taken}", self.text)


class LaunchTests(SynchronousTestCase):
    """``config/ollama-exporter.plist``."""

    def test_read(self) -> None:
        """
        It is a property list that starts the exporter and keeps it running.
        """
        with shipped("config", "ollama-exporter.plist").open("rb") as file:
            job = plistlib.load(file)
        self.assertEqual(job["ProgramArguments"][-1], "ollama-exporter")
        self.assertEqual((job["RunAtLoad"], job["KeepAlive"]), (True, True))
