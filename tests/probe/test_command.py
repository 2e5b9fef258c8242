"""Tests for what is made of how a tool ended."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe.command import Failure, Finished, Look, Tool, judge, tools
from ollama_twisted.probe.snapshot import Method, Reason
from tests.probe.recorded import binary, text, whole

PORT = 11434


def tool(name: str, root: bool = False, platform: str = "linux") -> Tool:
    """The tool of that name."""
    return next(each for each in tools(platform, [PORT], root) if each.name == name)


class OrderTests(SynchronousTestCase):
    """Which tools, in which order."""

    def test_order(self) -> None:
        """
        Best first, on each system.
        """
        self.assertEqual(
            {
                platform: [each.name for each in tools(platform, [PORT], False)]
                for platform in ("linux", "darwin", "win32", "freebsd14")
            },
            {
                "linux": ["netlink", "ss", "proc", "netstat", "lsof"],
                "darwin": ["netstat", "lsof"],
                "win32": ["netstat", "powershell"],
                "freebsd14": ["netstat", "lsof"],
            },
        )


class KernelTests(SynchronousTestCase):
    """What is made of an answer that is no text."""

    def test_rows(self) -> None:
        """
        The kernel's answer counts bytes as ss's does; another one is not believed.
        """
        asked = tool("netlink")
        said = whole(binary("netlink-linux-two-servers-nonroot.bin"))
        good = Finished(exit_code=0, reading=said)
        look = judge(asked, good, [PORT], "utf-8")
        assert isinstance(look, Look)
        self.assertEqual((len(look.rows), look.method), (11, Method.SS_POLL))
        other = judge(asked, Finished(exit_code=0, reading=whole(b"what\n")), [PORT], "utf-8")
        self.assertEqual(other, Failure(Reason.PARSE, "netlink answered what it never answers"))


class JudgeTests(SynchronousTestCase):
    """Rows, or a reason why there are none."""

    def judge(
        self, name: str, out: str = "", err: str = "", code: int = 0, root: bool = False
    ) -> Look | Failure:
        finished = Finished(out.encode(), err.encode(), code)
        return judge(tool(name, root), finished, [PORT], "utf-8")

    def reason(self, name: str, out: str = "", err: str = "", code: int = 0) -> Reason:
        found = self.judge(name, out, err, code)
        assert isinstance(found, Failure), found
        return found.reason

    def test_nothing_connected(self) -> None:
        """
        Nothing printed and a good end means that nobody is connected.
        """
        self.assertEqual(self.judge("ss"), Look([], [PORT], Method.SS_POLL))

    def test_exit(self) -> None:
        """
        A bad end is a failure, with the first line of the complaint.
        """
        err = text("ss-linux-badfilter.stderr.txt")
        found = self.judge("ss", "", err, 1)
        assert isinstance(found, Failure)
        self.assertEqual(found.reason, Reason.EXIT)
        self.assertIn('"bogus" does not look like a port', found.detail)

    def test_denied(self) -> None:
        """
        Not being allowed is told apart from other bad ends.
        """
        self.assertEqual(self.reason("ss", "", "open: Permission denied\n", 1), Reason.DENIED)
        self.assertEqual(self.reason("ss", "", "Operation not permitted\n", 1), Reason.DENIED)

    def test_parse(self) -> None:
        """
        What is not this tool's is refused, even if it ended well.
        """
        self.assertEqual(self.reason("ss", "not\nwhat\nwe want\n"), Reason.PARSE)
        self.assertEqual(self.reason("netstat", ""), Reason.PARSE)
        self.assertEqual(self.reason("proc", ""), Reason.PARSE)

    def test_unmeasured(self) -> None:
        """
        ss without the kernel's sums is good for who is connected, and for no bytes.
        """
        found = self.judge("ss", text("ss-linux-procfallback.txt"))
        assert isinstance(found, Look)
        self.assertEqual((len(found.rows), found.method), (4, None))

    def test_no_ipv6(self) -> None:
        """
        Where IPv6 is switched off one of the two tables is missing, and the other is enough.
        """
        err = "cat: /proc/self/net/tcp6: No such file or directory\n"
        found = self.judge("proc", text("procnettcp-linux-v4loopback.txt"), err, 1)
        self.assertIsInstance(found, Look)
        self.assertEqual(self.reason("proc", "", err + err, 1), Reason.EXIT)

    def test_lsof_blind(self) -> None:
        """
        As another user lsof finds nothing: that is not being allowed to look, not nobody there.
        """
        self.assertEqual(self.reason("lsof", "", "", 1), Reason.DENIED)
        self.assertEqual(self.judge("lsof", "", "", 1, root=True), Look([], [PORT]))

    def test_lsof_owner(self) -> None:
        """
        As the server's own user it sees all of it; as a client's, only that it sees not all.
        """
        mine = self.judge("lsof", text("lsof-linux-F-asowner.txt"))
        assert isinstance(mine, Look)
        self.assertTrue(mine.sees_others)
        client = "p1\nf3\ntIPv4\nPTCP\nn127.0.0.1:5000->127.0.0.1:11434\nTST=ESTABLISHED\n"
        theirs = self.judge("lsof", client)
        assert isinstance(theirs, Look)
        self.assertFalse(theirs.sees_others)

    def test_lsof_error(self) -> None:
        """
        lsof ends alike when it found nothing and when it failed; a complaint tells them apart.
        """
        self.assertEqual(
            self.reason("lsof", "", text("lsof-linux-badport.stderr.txt"), 1), Reason.EXIT
        )

    def test_fault(self) -> None:
        """
        What the fence said is believed before anything else.
        """
        finished = Finished(fault=Reason.TIMEOUT, detail="too long", exit_code=-1)
        self.assertEqual(
            judge(tool("ss"), finished, [PORT], "utf-8"), Failure(Reason.TIMEOUT, "too long")
        )
