"""A child of the nursery is what ``python -m twisted`` would have been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.child import PATIENCE
from tests.live.nursery import ROOT, Forked
from tests.live.simulated import SimulatedNode

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class ForkedTests(SynchronousTestCase):
    """Beside one that was started, or looked at by the system."""

    def same(self, *arguments: str, **env: str) -> str:
        """What both print, having ended the same way."""
        folder, env = Path.cwd(), {**ENVIRONMENT, **env}
        forked = Forked(arguments, folder, env, subprocess.DEVNULL)
        said, _ = forked.communicate(PATIENCE)
        started = subprocess.run(
            [sys.executable, "-m", "twisted", *arguments],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual((said, forked.wait()), (started.stdout, started.returncode))
        return said

    def test_same(self) -> None:
        """
        It has its command line, its environment and its folder, and fails as it should.
        """
        self.assertIn("3333", self.same("ollama-gateway", "--check", GATEWAY_PORT="3333"))
        Path(".env").write_text("GATEWAY_PORT=4444")
        self.assertIn("4444", self.same("ollama-gateway", "--check"))
        self.assertIn("GATEWAY_PORT", self.same("ollama-gateway", "--check", GATEWAY_PORT="x"))

    def test_descriptors(self) -> None:
        """
        Nothing is open in it that belongs to another: whoever waits for an end will see it.
        """
        one, two = SimulatedNode(), SimulatedNode()
        self.addCleanup(one.stop)
        self.addCleanup(two.stop)
        pipes = [
            {os.readlink(each) for each in Path(f"/proc/{node.process.pid}/fd").iterdir()}
            - {os.devnull, "anon_inode:[eventpoll]"}
            for node in (one, two)
        ]
        self.assertGreater(len(pipes[0]), 2)
        self.assertEqual(pipes[0] & pipes[1], set())

    def test_killed(self) -> None:
        """
        What ended it is told, and it is not signalled any more.
        """
        node = SimulatedNode()
        self.addCleanup(node.stop)
        self.assertEqual(node.process.poll(), None)
        self.assertRaises(subprocess.TimeoutExpired, node.process.wait, 0)
        node.process.kill()
        self.assertEqual(node.process.wait(PATIENCE), -signal.SIGKILL)
        node.process.send_signal(signal.SIGKILL)
