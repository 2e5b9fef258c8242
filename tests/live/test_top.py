"""``ollama-gateway-top`` on a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.live.child import PATIENCE, ROOT
from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode

COMMAND = (sys.executable, "-c", "from ollama_twisted.top.cli import main; main()")
LEFT, SHOWN = "\x1b[?1049l", "\x1b[?25h"


class Terminal:
    """A terminal with the program on it."""

    def __init__(self, *options: str, width: int = 100, height: int = 30) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [*COMMAND, *options],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        self._theirs = theirs
        self.seen = ""

    def read(self) -> None:
        """Take in what has been written."""
        while select.select([self._ours], [], [], 0.02)[0]:
            self.seen += os.read(self._ours, 65536).decode("utf-8", "replace")

    def until(self, what: Callable[[], bool]) -> None:
        """Wait for what somebody asks for to be true."""
        until = time.monotonic() + PATIENCE
        while not what():
            if time.monotonic() > until:
                raise AssertionError(f"in vain: {self.plain[-3000:]}")
            self.read()

    def until_seen(self, text: str) -> None:
        """Wait until this has been written from now on."""
        self.seen = ""
        self.until(lambda: text in self.plain)

    @property
    def plain(self) -> str:
        """What was written, without what the terminal obeys."""
        return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", self.seen)

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    def end(self) -> int:
        """Wait for its end; the exit code."""
        self.until(lambda: self.process.poll() is not None)
        self.read()
        code: int = self.process.returncode
        return code

    @property
    def restored(self) -> bool:
        """Is the terminal as it was found?"""
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        """End what is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


class TopCase(SynchronousTestCase):
    """A gateway in front of one node."""

    def setUp(self) -> None:
        self.node = SimulatedNode("--model", "llama3:8b")
        self.addCleanup(self.node.stop)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.gateway = self.start()

    def start(self) -> RunningGateway:
        """The gateway, listening where the program looks for it."""
        listen = f"tcp:{self.port}:interface=127.0.0.1"
        gateway = RunningGateway({"gpu-1": self.node.port}, "--listen", listen)
        self.addCleanup(gateway.stop)
        return gateway.until_healthy("gpu-1")

    def terminal(self, *options: str, **size: int) -> Terminal:
        terminal = Terminal("--url", self.url, "--interval", "0.1", *options, **size)
        self.addCleanup(terminal.close)
        return terminal


class WatchTests(TopCase):
    """Watching."""

    def test_change(self) -> None:
        """
        What happens in the gateway is seen; q ends it and leaves the terminal as it was.
        """
        terminal = self.terminal()
        terminal.until_seen("● healthy")
        self.assertFalse(terminal.restored)
        self.node.lines("/api/generate", {"model": "llama3:8b", "prompt": "Why?"})
        terminal.until_seen("llama3:8b was loaded on gpu-1")
        terminal.press("q")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.restored)
        self.assertIn(LEFT, terminal.seen)
        self.assertIn(SHOWN, terminal.seen)

    def test_interrupt(self) -> None:
        """
        So does Ctrl-C, which the shell is told of.
        """
        terminal = self.terminal()
        terminal.until_seen("● healthy")
        os.kill(terminal.process.pid, signal.SIGINT)
        self.assertEqual(terminal.end(), 130)
        self.assertTrue(terminal.restored)
        self.assertIn(LEFT, terminal.seen)
        self.assertNotIn("Traceback", terminal.plain)

    def test_back(self) -> None:
        """
        A gateway that goes away is said to be away, and seen again when it is back.
        """
        terminal = self.terminal(width=60, height=20)
        terminal.until_seen("live")
        self.gateway.stop()
        terminal.until_seen("disconnected for")
        self.start()
        terminal.until_seen("live")
        terminal.press("q")
        self.assertEqual(terminal.end(), 0)


def run_top(*options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run it where there is no terminal."""
    return subprocess.run(
        [*COMMAND, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


class OnceTests(TopCase):
    """``--once``."""

    def test_once(self) -> None:
        """
        One table; where the gateway is may stand in the environment.
        """
        done = run_top("--once", OLLAMA_GATEWAY_URL=self.url)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^gpu-1 +healthy +0 ")
        self.assertNotIn("\x1b", done.stdout)

    def test_node(self) -> None:
        """
        What answers may be something else.
        """
        done = run_top("--once", "--url", f"http://127.0.0.1:{self.node.port}")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertRegex(done.stderr, r"^ollama-gateway-top: no gateway at .*\n$")


class RefusedTests(SynchronousTestCase):
    """What cannot be."""

    def test_nobody(self) -> None:
        """
        Nobody there is an exit code, and one line that says what to do.
        """
        done = run_top("--once", "--url", f"http://127.0.0.1:{free_port()}")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertRegex(done.stderr, r"^ollama-gateway-top: no gateway at .*refused.*\n$")

    def test_no_terminal(self) -> None:
        """
        Into a file nothing is drawn again and again.
        """
        done = run_top()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--once", done.stderr)

    def test_usage(self) -> None:
        """
        What is no address is refused.
        """
        done = run_top("--once", "--url", "ftp://x")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no http or https address", done.stderr)

    def test_nobody_to_watch(self) -> None:
        """
        Without a gateway it says what to do, and never takes the screen.
        """
        terminal = Terminal("--url", f"127.0.0.1:{free_port()}")
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.end(), 3)
        for said in ("connection refused", "twistd -n", "OLLAMA_GATEWAY_URL"):
            self.assertIn(said, terminal.plain)
        self.assertNotIn(LEFT, terminal.seen)
