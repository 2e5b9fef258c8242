"""The topology page's modules that know of no page, tried by Node.js."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import parts

TESTS = Path("tests", "web", "topology")


class ModuleTests(SynchronousTestCase):
    """``node --test``, and what it says."""

    def check(self, name: str) -> None:
        """
        Run the tests of this name, in a copy.

        There, a file that need not be shipped tells Node.js what browsers are told by the
        pages: that these are modules.
        """
        node, folder = parts.executable("node"), Path(self.mktemp())
        for each in (Path("static"), TESTS):
            shutil.copytree(parts.ROOT / each, folder / each)
        (folder / "package.json").write_text('{"type": "module"}')
        done = subprocess.run(
            [node, "--test", "--test-reporter=tap", str(TESTS / f"{name}.test.mjs")],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
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
