"""Every recorded output of every tool, read: who is connected, and what is refused."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe.connection import count
from ollama_twisted.probe.proc import accepted
from tests.probe.recorded import names, reader, seen, text

PORT = 11434

# On the laboratory's port: the server's view of the same clients, whatever the tool.
LOOPBACK = {"listen": 1, "established": 2, "close_wait": 1, "fin_wait2": 1}
DUAL = {"listen": 1, "established": 6, "close_wait": 4, "fin_wait2": 1}
ENDING = {"fin_wait1": 4, "fin_wait2": 2, "time_wait": 1, "close_wait": 1, "last_ack": 2}
OPENING = {
    **{"listen": 1, "syn_recv": 3, "fin_wait1": 2, "fin_wait2": 4},
    **{"time_wait": 1, "close_wait": 1, "last_ack": 1},
}
# lsof does not see what no process holds: of one connection only the client's end.
BY_LSOF = {"listen": 1, "established": 2, "close_wait": 2}

SEEN = {
    "lsof-linux-F-asowner.txt": {"listen": 1, "established": 2, "close_wait": 1},
    "lsof-linux-F-nul-root.txt": BY_LSOF,
    "lsof-linux-F-root.txt": BY_LSOF,
    "lsof-linux-Fmin-root.txt": BY_LSOF,
    "lsof-linux-dualstack-F-root.txt": {"listen": 1, "established": 6, "close_wait": 5},
    "netstat-linux-closing-states.txt": ENDING,
    "netstat-linux-dualstack-nonroot.txt": DUAL,
    "netstat-linux-dualstack-root.txt": DUAL,
    "netstat-linux-dualstack-wide.txt": DUAL,
    "netstat-linux-process-nonroot.txt": LOOPBACK,
    "netstat-linux-process-root.txt": LOOPBACK,
    "netstat-linux-synrecv.txt": OPENING,
    "netstat-linux-timers.txt": LOOPBACK,
    "netstat-linux-v4loopback-root.txt": LOOPBACK,
    "netstat-linux-v4loopback-wide.txt": LOOPBACK,
    "powershell-windows-json-array.txt": {"listen": 1, "established": 1},
    "powershell-windows-json-single.txt": {"established": 1},
    # One table each; the clients of a server for both families stand in either.
    "procnettcp-linux-dualstack.txt": {"established": 1, "close_wait": 1, "fin_wait2": 1},
    "procnettcp-linux-synrecv.txt": {"listen": 1, "syn_recv": 3, "time_wait": 1, "close_wait": 2},
    "procnettcp-linux-v4loopback.txt": LOOPBACK,
    "procnettcp6-linux-dualstack.txt": DUAL,
    "ss-linux-E-events-nonroot.txt": {"closed": 3},
    "ss-linux-closing-states-info.txt": ENDING,
    "ss-linux-closing-states.txt": ENDING,
    "ss-linux-dualstack-extended.txt": DUAL,
    "ss-linux-dualstack-header.txt": DUAL,
    "ss-linux-dualstack-nonroot.txt": DUAL,
    "ss-linux-dualstack-plain.txt": DUAL,
    "ss-linux-dualstack-root.txt": DUAL,
    "ss-linux-dualstack-v6only.txt": DUAL,
    "ss-linux-procfallback.txt": {"listen": 1, "established": 3},
    "ss-linux-remote-veth.txt": {"listen": 1, "established": 3},
    "ss-linux-state-connected.txt": {"established": 6, "close_wait": 4, "fin_wait2": 1},
    "ss-linux-synrecv-info.txt": OPENING,
    "ss-linux-synrecv.txt": OPENING,
    "ss-linux-two-servers-nonroot.txt": {
        "listen": 1,
        "established": 4,
        "close_wait": 1,
        "fin_wait2": 1,
    },
    "ss-linux-v4loopback-multiline-i.txt": LOOPBACK,
    "ss-linux-v4loopback-nonroot.txt": LOOPBACK,
    "ss-linux-v4loopback-plain.txt": LOOPBACK,
    "ss-linux-v4loopback-process-nonroot.txt": LOOPBACK,
    "ss-linux-v4loopback-process-root.txt": LOOPBACK,
    "ss-linux-v4loopback-root.txt": LOOPBACK,
}

# Rows in those that have nothing on that port; a machine of somebody else's.
ROWS = {
    "netstat-freebsd-an.txt": 4,
    "netstat-macos-anv-26.txt": 3,
    "netstat-macos-anv-loopback-both-ends.txt": 3,
    "netstat-macos-anv-tahoe-spaces.txt": 2,
    "netstat-macos-v-mojave.txt": 2,
    "netstat-windows-an-de-cp850.txt": 7,
    "netstat-windows-ano-de.txt": 5,
    "netstat-windows-ano-zhcn-cp936.txt": 3,
    "netstat-windows-ano-zhtw-cp950.txt": 5,
    "netstat-windows-aon-en.txt": 36,
    "netstat-windows-aonb-en.txt": 9,
    "powershell-windows-csv-typeline.txt": 1,
    "powershell-windows-csv.txt": 2,
}

# Names instead of numbers, addresses cut, a column missing, the head missing, complaints.
REFUSED = {
    "lsof-linux-badport.stderr.txt",
    "lsof-linux-badstate.stderr.txt",
    "netstat-linux-names.txt",
    "netstat-linux-process-nonroot.stderr.txt",
    "netstat-macos-Abn-bytes-10.14.txt",
    "netstat-macos-names-10.14.txt",
    "netstat-macos-natvln-15.1.txt",
    "ss-linux-badfilter.stderr.txt",
    "ss-linux-badflag.stderr.txt",
    "ss-linux-names.txt",
    "ss-linux-state-established.txt",
}


class RecordedTests(SynchronousTestCase):
    """What the readers make of each."""

    def test_states(self) -> None:
        """
        Each client is counted once, in the state of the server's end, by whatever tool.
        """
        self.assertEqual({name: seen(name, PORT) for name in SEEN}, SEEN)

    def test_rows(self) -> None:
        """
        Other machines' outputs are read too, and nothing in them is on our port.
        """
        readings = {name: reader(name)(text(name)) for name in ROWS}
        self.assertEqual({name: len(each.rows) for name, each in readings.items()}, ROWS)
        self.assertEqual([name for name, each in readings.items() if not each.believable], [])
        self.assertEqual([name for name in ROWS if seen(name, PORT)], [])

    def test_refused(self) -> None:
        """
        An output that is not what the tool prints when called as we call it is not believed.
        """
        believed = {name for name in REFUSED if reader(name)(text(name)).believable}
        self.assertEqual(believed, set())

    def test_nothing(self) -> None:
        """
        The others hold nothing, or columns that we never ask for: no row is made of them.
        """
        others = set(names()) - set(SEEN) - set(ROWS) - REFUSED
        self.assertEqual([name for name in others if reader(name)(text(name)).rows], [])

    def test_peers(self) -> None:
        """
        Clients are told apart by address, and an IPv4 client is one on a server for both.
        """
        rows = reader("ss-")(text("ss-linux-dualstack-root.txt")).rows
        self.assertEqual(
            count(rows, [PORT])[PORT].peers,
            {
                "192.168.1.1": 2,
                "2001:db8:1::1": 1,
                "fe80::30b1:87ff:fe3c:a4e7": 1,
                "::1": 1,
                "127.0.0.1": 1,
            },
        )

    def test_words(self) -> None:
        """
        Windows's states are known in German and in English under Chinese heads.
        """
        for name, states in {
            "netstat-windows-an-de-cp850.txt": {
                **{"listen": 2, "established": 2, "fin_wait2": 1},
                **{"close_wait": 1, "time_wait": 1},
            },
            "netstat-windows-ano-zhtw-cp950.txt": {"listen": 2, "time_wait": 1, "established": 2},
        }.items():
            found: dict[str, int] = {}
            for row in reader(name)(text(name)).rows:
                found[row.state.value] = found.get(row.state.value, 0) + 1
            self.assertEqual(found, states)

    def test_macos_bytes(self) -> None:
        """
        macOS's sums and keys are found, though names of processes may hold blanks.
        """
        rows = reader("netstat-macos")(text("netstat-macos-anv-tahoe-spaces.txt")).rows
        self.assertEqual(
            [(row.key, row.received, row.sent) for row in rows],
            [("000000000025c5ff", 118268, 40208), ("000000000025c5f1", 358, 127)],
        )


class NumbersTests(SynchronousTestCase):
    """The kernel's own count of connections."""

    def test_accepted(self) -> None:
        """
        Found by its name; absent where it is not.
        """
        text = "Ip: Forwarding\nIp: 1\nTcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 7 42\n"
        self.assertEqual(
            [accepted(each) for each in (text, text[:-1], "", "Tcp: x\n", "Tcp: x\nTcp: 1\n")],
            [42, None, None, None, None],
        )
