"""Tests for the looking: which tool, how often, and what is left when none works."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe.command import Finished
from ollama_twisted.probe.prober import TRY_BETTER, Estimate, Prober
from ollama_twisted.probe.run import DEADLINE
from ollama_twisted.probe.snapshot import Method, Quality, Reason, Snapshot
from tests.probe.children import FakeChild, FakeReactor, Refusing
from tests.probe.recorded import binary, text, whole

PORT = 11434
SS = text("ss-linux-v4loopback-nonroot.txt")
NETLINK = whole(binary("netlink-linux-two-servers-nonroot.bin"))
EVENT = (
    "UNCONN 0 0 127.0.0.1:11434 127.0.0.1:5 ino:0 sk:abc mss:9 bytes_sent:300 bytes_acked:301 "
    "bytes_received:21\r\n"
)
NETSTAT = text("netstat-linux-v4loopback-wide.txt")
PROC = text("procnettcp-linux-v4loopback.txt") + text("procnettcp6-linux-empty.txt")


class ProberCase(SynchronousTestCase):
    """A prober whose tools do what `tools` says: print and end well, or whatever else is to be."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.reactor.script = self.act
        self.tools: dict[str, str | None] = {"ss": SS, "cat": PROC, "netstat": NETSTAT}
        self.kernel = Refusing()
        self.started: list[str] = []
        self.events: FakeChild | None = None
        self.folder = self.mktemp()
        os.makedirs(self.folder)
        for name in ("ss", "cat", "netstat", "lsof", "powershell.exe"):
            path = os.path.join(self.folder, name)
            with open(path, "w") as file:
                file.write("#!/bin/sh\n")
            os.chmod(path, 0o755)

    def act(self, child: FakeChild) -> None:
        if "-E" in child.argv:
            self.events = child
            return
        self.started.append(child.tool)
        said = self.tools.get(child.tool)
        if child.written:
            child.says(said or "")
        elif said is not None:
            child.says(said)
            child.ends()
        else:
            child.says(err="cannot\n")
            child.ends(1)

    def prober(self, **options: Any) -> Prober:
        options.setdefault("platform", "linux")
        options.setdefault("kernel", self.kernel)
        self.made = Prober(self.reactor, [PORT], interval=1, path=self.folder, **options)
        return self.made

    def begin(self, **options: Any) -> Snapshot:
        """Start it, live through its first second, and take what it saw."""
        first = self.prober(**options).start()
        self.reactor.pump([0.01] * 120)
        return self.successResultOf(first)

    def look(self, seconds: float = 1) -> Snapshot:
        self.reactor.pump([0.1] * round(seconds * 10))
        return self.made.snapshot


class LinuxTests(ProberCase):
    """ss and what stands in for it."""

    def test_first(self) -> None:
        """
        ss is enough: nothing else is started, and counting begins at zero.
        """
        seen = self.begin()
        self.assertEqual((seen.source, set(self.started)), ("ss", {"ss"}))
        self.assertEqual(seen.connections[PORT].established, 2)
        traffic = seen.traffic[PORT]
        self.assertEqual(
            (traffic.sent, traffic.method, traffic.quality), (0, Method.SS_EVENTS, Quality.EXACT)
        )
        self.assertEqual((seen.sees_others, seen.hint), (True, ""))
        self.assertTrue(seen.probes["ss_events"].success)

    def test_events(self) -> None:
        """
        Endings are heard under a terminal, in pieces, and counted.
        """
        self.begin()
        assert self.events is not None
        self.assertTrue(self.events.pty)
        for piece in EVENT[:50], EVENT[50:] + EVENT[:9], EVENT[9:]:
            self.events.says(piece)
        traffic = self.look().traffic[PORT]
        self.assertEqual((traffic.sent, traffic.received, traffic.closed), (300, 20, 1))

    def test_overflow(self) -> None:
        """
        When endings were dropped it is said, and they are heard again after a moment.
        """
        self.begin()
        assert self.events is not None
        first = self.events
        first.says("netlink receive error No buffer space available (105)\r\n")
        first.ends(255)
        seen = self.look()
        self.assertEqual(seen.traffic[PORT].quality, Quality.LOWER_BOUND)
        self.assertEqual(seen.probes["ss_events"].failures[Reason.OVERFLOW], 1)
        later = self.look(4)
        self.assertIsNot(self.events, first)
        self.assertEqual(later.traffic[PORT].quality, Quality.EXACT)
        self.assertTrue(later.probes["ss_events"].success)

    def test_no_events(self) -> None:
        """
        An ss that cannot follow endings is polled, and asked again ever more rarely.
        """
        self.reactor.script = lambda child: (
            (child.says("ss: invalid option -- 'E'\r\n"), child.ends(255))
            if "-E" in child.argv
            else self.act(child)
        )
        traffic = self.begin().traffic[PORT]
        self.assertEqual((traffic.method, traffic.quality), (Method.SS_POLL, Quality.LOWER_BOUND))
        self.look(60)
        self.assertIn("invalid option", self.made.snapshot.hint)
        attempts = sum("-E" in child.argv for child in self.reactor.children)
        self.assertTrue(4 <= attempts <= 8, attempts)

    def test_next_tool(self) -> None:
        """
        When ss fails the next that works is kept, without bytes; ss gets another chance later.
        """
        self.begin()
        self.tools["ss"] = None
        seen = self.look()
        self.assertEqual(seen.source, "proc")
        self.assertEqual(seen.connections[PORT].established, 2)
        self.assertEqual(seen.traffic[PORT].sent, None)
        self.assertEqual((seen.probes["ss"].success, seen.probes["ss"].exit_code), (False, 1))
        self.assertEqual(seen.probes["ss"].failures[Reason.EXIT], 1)
        self.started.clear()
        self.look(3)
        self.assertEqual(set(self.started), {"cat"})
        self.tools["ss"] = SS
        self.assertEqual(self.look(TRY_BETTER).source, "ss")

    def test_kept_fails(self) -> None:
        """
        When the kept one fails, all the others are tried again in the same look.
        """
        self.tools["ss"] = None
        self.assertEqual(self.begin().source, "proc")
        self.tools["cat"] = None
        self.tools["ss"] = SS
        self.assertEqual(self.look().source, "ss")

    def test_all_fail(self) -> None:
        """
        When none works nothing is known: no count, no bytes, no listener; but why.
        """
        self.begin()
        self.tools.clear()
        seen = self.look()
        self.assertEqual(
            (seen.source, dict(seen.connections), dict(seen.traffic), seen.sees_others),
            (None, {}, {}, None),
        )
        self.assertEqual({each.success for name, each in seen.probes.items()
                          if name != "ss_events"}, {False})  # fmt: skip
        self.assertIn("iproute2", seen.hint)

    def test_unmeasured(self) -> None:
        """
        Where the kernel does not answer ss, connections are known and bytes are absent.
        """
        self.tools["ss"] = text("ss-linux-procfallback.txt")
        seen = self.begin()
        self.assertEqual((seen.source, seen.connections[PORT].established), ("ss", 3))
        self.assertEqual((seen.traffic[PORT].sent, seen.traffic[PORT].method), (None, None))
        self.assertIn("does not tell ss of bytes", seen.hint)

    def test_nobody_listens(self) -> None:
        """
        Where nothing listens on the port the operator is told what that may mean.
        """
        self.tools["ss"] = ""
        self.assertIn("network_mode", self.begin().hint)

    def test_hanging(self) -> None:
        """
        A tool that hangs costs its deadline once; meanwhile there is the last snapshot.
        """
        first = self.begin()
        self.reactor.script = lambda child: None if child.tool == "ss" else self.act(child)
        self.assertEqual(self.look(2).at, self.made.snapshot.at)
        self.assertEqual(self.made.snapshot.source, first.source)
        ss = [child for child in self.reactor.children if child.tool == "ss"]
        self.reactor.pump([0.1] * round(10 * DEADLINE))
        self.assertIn("TERM", ss[-1].signals)
        ss[-1].ends(None, killed=15)
        self.assertEqual(self.look(2).source, "proc")

    def test_shared(self) -> None:
        """
        Two who ask at a time share one look.
        """
        prober = self.prober()
        one, two = prober.probe(), prober.probe()
        self.reactor.advance(0)
        self.assertIs(self.successResultOf(one), self.successResultOf(two))
        self.assertEqual(self.started, ["ss"])

    def test_watch(self) -> None:
        """
        Every new snapshot is told, also to others when one who is told fails.
        """
        told: list[Snapshot] = []
        prober = self.prober()
        prober.watch(lambda _: 1 // 0)
        stop = prober.watch(told.append)
        prober.probe()
        self.reactor.advance(0)
        stop()
        prober.probe()
        self.reactor.advance(0)
        self.assertEqual(len(told), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_stop(self) -> None:
        """
        Stopping ends the loop and the listening child, for good.
        """
        self.begin()
        assert self.events is not None
        stopped = self.made.stop()
        self.assertEqual(self.events.signals, ["TERM"])
        self.events.ends(None, killed=15)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class KernelTests(ProberCase):
    """The kernel, which is asked before any tool."""

    def test_first(self) -> None:
        """
        Where it answers no ss is started but the one that hears endings, and bytes are exact.
        """
        self.kernel.answer = Finished(exit_code=0, reading=NETLINK)
        seen = self.begin()
        self.assertEqual((seen.source, self.started), ("netlink", []))
        self.assertEqual(seen.connections[PORT].established, 4)
        traffic = seen.traffic[PORT]
        self.assertEqual((traffic.method, traffic.quality), (Method.SS_EVENTS, Quality.EXACT))
        self.assertEqual(seen.hint, "")

    def test_refused(self) -> None:
        """
        Where it does not, ss does as before; why is told, and it is asked again after a while.
        """
        seen = self.begin()
        self.assertEqual((seen.source, set(self.started)), ("ss", {"ss"}))
        report = seen.probes["netlink"]
        self.assertEqual((report.success, report.exit_code), (False, None))
        self.assertEqual(report.failures[Reason.DENIED], 1)
        self.assertEqual(report.detail, "netlink: Operation not permitted")
        self.assertEqual(seen.traffic[PORT].method, Method.SS_EVENTS)
        self.kernel.answer = Finished(exit_code=0, reading=NETLINK)
        self.assertEqual(self.look(3).source, "ss")
        self.assertEqual(self.look(TRY_BETTER).source, "netlink")


class ElsewhereTests(ProberCase):
    """Systems that this was not written on."""

    def test_windows(self) -> None:
        """
        On Windows bytes are an estimate, if one is configured, and said to be.
        """
        self.tools["netstat"] = "  TCP  0.0.0.0:11434  0.0.0.0:0  LISTENING  4\r\n"
        self.begin(platform="win32", estimate=Estimate(5000, 100))
        self.tools["netstat"] = str(self.tools["netstat"]) + (
            "  TCP  10.0.0.1:11434  10.0.0.2:5  ESTABLISHED  4\r\n"
        )
        traffic = self.look().traffic[PORT]
        self.assertEqual(
            (traffic.sent, traffic.received, traffic.quality), (5000, 100, Quality.ESTIMATED)
        )

    def test_powershell(self) -> None:
        """
        PowerShell is started once, and asked a line for each look.
        """
        self.tools["netstat"] = None
        self.tools["powershell.exe"] = '[["10.0.0.1:11434","10.0.0.2:5",5]]\r\n'
        seen = self.begin(platform="win32")
        self.assertEqual((seen.source, seen.connections[PORT].established), ("powershell", 1))
        (shell,) = [each for each in self.reactor.children if each.tool == "powershell.exe"]
        self.assertEqual(len(shell.written), 2)  # the second look waits for its answer
        shell.says('[["10.0.0.1:11434","10.0.0.2:5",5],["10.0.0.1:11434","10.0.0.2:6",5]]\r\n')
        self.assertEqual(self.made.snapshot.connections[PORT].established, 2)

    def test_macos(self) -> None:
        """
        macOS's own sums are a lower bound.
        """
        head = "Proto Recv-Q Send-Q Local Foreign (state) rxbytes txbytes rest\n"
        row = "tcp4 0 0 10.0.0.1.11434 10.0.0.2.5 ESTABLISHED {} {} 1 ollama:4 000000000025c5ff\n"
        self.tools["netstat"] = head + row.format(10, 100)
        self.begin(platform="darwin")
        self.tools["netstat"] = head + row.format(30, 400)
        traffic = self.look().traffic[PORT]
        self.assertEqual((traffic.received, traffic.sent), (20, 300))
        self.assertEqual(
            (traffic.method, traffic.quality), (Method.NETSTAT_POLL, Quality.LOWER_BOUND)
        )
