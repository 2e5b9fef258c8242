"""The probes on a real system: bytes counted exactly, and children that misbehave."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ollama_twisted.probe.command import Finished, Look, judge, tools
from ollama_twisted.probe.connection import count
from ollama_twisted.probe.kernel import Kernel
from ollama_twisted.probe.prober import Prober
from ollama_twisted.probe.run import Runner
from ollama_twisted.probe.snapshot import Reason, Snapshot
from tests import parts
from tests.live.apart import apart
from tests.probe.children import Refusing


class AccountingTests(SynchronousTestCase):
    """What the clients counted, and what another user's prober says."""

    def test_to_the_byte(self) -> None:
        """
        Hundreds of connections, most shorter than a look, are accounted to the byte without root.

        Whatever the interval and whoever is asked, in both directions; a connection
        that is reset may be wrong by one byte.
        """
        report = apart("tests.live.accounting")
        truth = report["truth"]
        self.assertGreaterEqual(truth["connections"], 300)
        self.assertGreater(truth["resets"], 50)
        for told in report["told"]:
            last = told["last"]
            port = last["ports"][str(report["port"])]
            self.assertNotEqual(last["uid"], 0)
            self.assertEqual((port["method"], port["quality"]), ("ss_events", "exact"))
            self.assertEqual((port["sent"], port["unaccounted"]), (truth["sent"], 0))
            self.assertLessEqual(abs(port["received"] - truth["received"]), truth["resets"])
            self.assertEqual((port["opened"], port["closed"]), (truth["connections"],) * 2)
            # So few are there at a time that dumps alone would have missed most.
            self.assertLess(told["most"], truth["connections"] / 3)
        self.assertEqual(
            [(told["interval"], told["last"]["source"]) for told in report["told"]],
            [(1.0, "netlink"), (5.0, "netlink"), (1.0, "ss"), (5.0, "ss")],
        )
        self.assertEqual(report["left"], [], "children that outlived their prober")

    def test_overflow(self) -> None:
        """
        When endings are dropped the sums become a lower bound, say so, and recover.
        """
        report = apart("tests.live.overflow")
        before, after, later = report["before"], report["after"], report["later"]
        self.assertEqual((before["sent"], before["quality"]), (100_000, "exact"))
        self.assertEqual(report["worst"], "lower_bound")
        self.assertEqual(after["quality"], "exact")
        self.assertLess(after["sent"], 14_100_000)
        # Nothing is left of most that were missed, but the kernel knows how many came.
        missed = 14_100 - after["opened"]
        self.assertTrue(missed <= after["unaccounted"] <= 14_100, report)
        self.assertEqual(later["sent"] - after["sent"], 100_000)
        self.assertTrue(later["events"]["success"])


class ToolsTests(TestCase):
    """The real tools, each on its own, on one real server and its clients."""

    timeout = 30

    async def test_agree(self) -> None:
        """
        Every tool of this system sees the same clients, each once.
        """
        parts.executable("ss")
        parts.executable("netstat")
        parts.executable("lsof")
        with ExitStack() as held:
            listener = held.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
            port = listener.getsockname()[1]
            for _ in range(3):
                held.enter_context(socket.create_connection(("::1", port)))
                held.enter_context(listener.accept()[0])
            runner = Runner(reactor)
            seen = {}
            for tool in tools(sys.platform, [port], os.geteuid() == 0):
                if tool.question:
                    finished = await Kernel(reactor).ask(tool.question)
                else:
                    finished = await runner.run(tool.name, tool.argv)
                look = judge(tool, finished, [port], "utf-8")
                assert isinstance(look, Look), look
                found = count(look.rows, [port])[port]
                seen[tool.name] = (found.established, found.listening, dict(found.peers))
        right = (3, True, {"::1": 3})
        self.assertEqual(seen, dict.fromkeys(("netlink", "ss", "proc", "netstat", "lsof"), right))


class LackingTests(TestCase):
    """Systems on which something is missing, made of links to the real tools."""

    timeout = 60

    async def look(self, *names: str, ss: str = "", netlink: bool = False) -> Snapshot:
        """What is seen of one connection with these tools alone."""
        kernel = None if netlink else Refusing()
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        for name in (*names, "setsid"):
            (folder / name).symlink_to(parts.executable(name))
        if ss:
            (folder / "ss").write_text(f"#!/bin/sh\n{ss}\n")
            (folder / "ss").chmod(0o755)
        with ExitStack() as held:
            listener = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            self.port = listener.getsockname()[1]
            held.enter_context(socket.create_connection(("127.0.0.1", self.port)))
            held.enter_context(listener.accept()[0])
            prober = Prober(reactor, [self.port], interval=60, path=str(folder), kernel=kernel)
            try:
                return await prober.start()
            finally:
                await prober.stop()

    async def test_no_events(self) -> None:
        """
        An ss that knows no -E gives a lower bound, and the hint says why.
        """
        seen = await self.look(
            ss='case "$*" in *-E*) echo "invalid option -- E"; exit 255;; esac\n'
            f'exec {parts.executable("ss")} "$@"'
        )
        traffic = seen.traffic[self.port]
        self.assertEqual((seen.source, seen.connections[self.port].established), ("ss", 1))
        self.assertEqual((traffic.method, traffic.quality), ("ss_poll", "lower_bound"))
        self.assertIn("invalid option", seen.hint)

    async def test_kernel_alone(self) -> None:
        """
        Without any tool the kernel tells of connections and of a lower bound of their bytes.
        """
        seen = await self.look(netlink=True)
        traffic = seen.traffic[self.port]
        self.assertEqual((seen.source, seen.connections[self.port].established), ("netlink", 1))
        self.assertEqual((traffic.method, traffic.quality), ("ss_poll", "lower_bound"))
        self.assertIn("ss is not installed", seen.hint)

    async def test_no_ss(self) -> None:
        """
        Without ss the others count connections, and bytes are absent.
        """
        for tools_, source in [(("cat", "netstat"), "proc"), (("netstat",), "netstat")]:
            seen = await self.look(*tools_)
            self.assertEqual((seen.source, seen.connections[self.port].established), (source, 1))
            self.assertEqual((seen.traffic[self.port].sent, seen.sees_others), (None, True))
            self.assertIn("iproute2", seen.hint)

    async def test_nothing(self) -> None:
        """
        Without any tool nothing is known, and every probe says why.
        """
        seen = await self.look()
        self.assertEqual((seen.source, seen.connections, seen.traffic), (None, {}, {}))
        self.assertEqual(
            {name: [reason for reason in Reason if each.failures[reason]]
             for name, each in seen.probes.items()},
            {"netlink": [Reason.DENIED]} | {
                name: [Reason.NOT_FOUND] for name in ("ss", "ss_events", "proc", "netstat", "lsof")
            },
        )  # fmt: skip


SCRIPTS = {
    "hangs": "exec sleep 1000",
    "deaf": "trap '' TERM; while :; do sleep 1; done",
    "floods": "exec yes",
    "complains": "exec yes >&2",
    "leaves": "sleep 1000 & echo said",
    "foreign": r"printf 'h\377\200llo\n'",
    "fails": "echo cannot >&2; exit 3",
    "dies": "kill -9 $$",
}


class ChildrenTests(TestCase):
    """Tools that do not behave, started as the real ones are."""

    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        for name, script in SCRIPTS.items():
            path = self.folder / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        (self.folder / "plain").write_text("#!/bin/sh\necho no\n")
        (self.folder / "broken").write_text("#!/no/such/interpreter\n")
        (self.folder / "broken").chmod(0o755)
        path = f"{self.folder.resolve()}:/usr/bin:/bin"
        self.runner = Runner(reactor, path)

    async def test_misbehaving(self) -> None:
        """
        Each gets its own reason, all are over within seconds, and nothing is left of any.
        """
        began = time.monotonic()
        names = [*SCRIPTS, "plain", "broken", "absent"]
        ends: list[Finished] = await gatherResults(
            [self.runner.run(name, [name]) for name in names]
        )
        took = time.monotonic() - began
        reasons = {name: end.fault for name, end in zip(names, ends, strict=True) if end.fault}
        broken = reasons.pop("broken", None)  # found by us, or by setsid
        self.assertIn(broken, {None, Reason.NOT_FOUND})
        self.assertEqual(
            reasons,
            {
                "hangs": Reason.TIMEOUT,
                "deaf": Reason.TIMEOUT,
                "floods": Reason.OVERFLOW,
                "complains": Reason.OVERFLOW,
                "dies": Reason.EXIT,
                "plain": Reason.NOT_FOUND,
                "absent": Reason.NOT_FOUND,
            },
        )
        found = dict(zip(names, ends, strict=True))
        self.assertEqual(found["leaves"].out, b"said\n")
        self.assertLess(found["leaves"].duration, 2)
        self.assertEqual(found["foreign"].out, b"h\xff\x80llo\n")
        self.assertEqual((found["fails"].exit_code, found["fails"].err), (3, b"cannot\n"))
        self.assertLess(took, 9)
        self.assertEqual(self.left(), [])

    async def test_stop(self) -> None:
        """
        Stopping ends what is running, deaf ones too.
        """
        runs = gatherResults([self.runner.run(name, [name]) for name in ("hangs", "deaf")])
        await self.runner.stop()
        await runs
        self.assertEqual(self.left(), [])

    def left(self) -> list[str]:
        """Processes that our children left behind."""
        marks = str(self.folder.resolve()).encode(), b"sleep\x001000"
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                environment, line = (path / "environ").read_bytes(), (path / "cmdline").read_bytes()
            except OSError:
                continue
            if marks[0] in environment and line:
                found.append(line.decode("utf-8", "replace"))
        return found
