"""The topology page's modules that know of no page, tried by Node.js."""

from __future__ import annotations

import re
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from tests import parts

FOLDER = parts.ROOT / "tests" / "web" / "topology"


class ModuleTests(SynchronousTestCase):
    """``node --test``, and what it says."""

    def check(self, name: str) -> None:
        file = str(FOLDER / f"{name}.test.mjs")
        command = [parts.executable("node"), "--test", "--test-reporter=tap", file]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        ran = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
        if done.returncode or ran is None or int(ran[1]) < 7:
            raise AssertionError(done.stdout + done.stderr)

    def test_graph(self) -> None:
        """
        What the live document becomes: nodes, links, words, and which of them are meant.
        """
        self.check("graph")

    def test_layout(self) -> None:
        """
        Where it stands, how it flows, what the address holds.
        """
        self.check("layout")
