"""Tests for what is special in ss's lines: sums, FINs, keys, and a kernel that does not answer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe import ss
from ollama_twisted.probe.connection import Row, State
from tests.probe.recorded import text

ENDS = "10.0.0.1:11434 10.0.0.2:5000 ino:0 sk:1f"


class LineTests(SynchronousTestCase):
    """One socket."""

    def read(self, state: str, told: str, unread: int = 0) -> Row:
        row = ss.read_line(f"{state} {unread} 0 {ENDS} {told}")
        assert row is not None
        return row

    def test_sums(self) -> None:
        """
        What was sent again is not counted twice; what is not printed is zero.
        """
        row = self.read(
            "ESTAB",
            "rtt:2.5/1 mss:9 bytes_sent:1500 bytes_retrans:500 bytes_acked:9 bytes_received:7 x:1",
        )
        self.assertEqual(row[5:], ("1f", None, 1000, 7, 500, 0.0025, False))
        self.assertEqual(self.read("ESTAB", "rtt:2/1 mss:9")[7:10], (0, 0, 0))

    def test_fin_of_the_living(self) -> None:
        """
        A client's FIN is one of the received bytes only once it has come.
        """
        told = "mss:9 bytes_received:41"
        received = {
            state: self.read(state, told).received
            for state in ("ESTAB", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING")
        }
        self.assertEqual(list(received.values()), [41, 41, 41, 40, 40, 40])

    def test_fin_of_the_dead(self) -> None:
        """
        The last word of a socket counts the FIN if ours was acknowledged, as no reset came then.
        """
        orderly = self.read("UNCONN", "mss:9 bytes_sent:30 bytes_acked:31 bytes_received:41")
        reset = self.read("UNCONN", "mss:9 bytes_sent:30 bytes_acked:30 bytes_received:40")
        self.assertEqual((orderly.received, reset.received), (40, 40))

    def test_doubt(self) -> None:
        """
        Whether the client's FIN came is in doubt, unless it is there still unread.
        """
        told = "mss:9 bytes_sent:30 bytes_acked:31 bytes_received:41"
        self.assertEqual(
            [self.read("UNCONN", told).doubt, self.read("UNCONN", told, unread=1).doubt],
            [True, False],
        )

    def test_bare(self) -> None:
        """
        A socket of which the kernel keeps only the address has a key and no sums.
        """
        row = self.read("TIME-WAIT", "timer:(timewait,59sec,0)")
        self.assertEqual((row.key, row.sent, row.received), ("1f", None, None))

    def test_event(self) -> None:
        """
        The lines of ss -E are endings with all sums.
        """
        rows = [ss.read_line(line) for line in text("ss-linux-E-events-nonroot.txt").splitlines()]
        self.assertEqual(
            [(row.state, row.key, row.sent, row.received) for row in rows if row],
            [
                (State.CLOSED, "6ba3", 100000, 12),
                (State.CLOSED, "6ba5", 200000, 12),
                (State.CLOSED, "32ea", 300000, 12),
            ],
        )


class DumpTests(SynchronousTestCase):
    """All sockets."""

    def test_measured(self) -> None:
        """
        Where ss had to read /proc there are rows without bytes, and the keys are none.
        """
        reading, measured = ss.Reader().read(text("ss-linux-procfallback.txt"))
        self.assertFalse(measured)
        self.assertEqual({(row.key, row.sent) for row in reading.rows}, {(None, None)})
        self.assertTrue(ss.Reader().read(text("ss-linux-dualstack-nonroot.txt")).measured)

    def test_command(self) -> None:
        """
        All ports are asked for at once; no option that hides rows or columns is used.
        """
        self.assertEqual(
            ss.dump_command([11434, 11435])[1:],
            [*["-H", "-t", "-a", "-n", "-e", "-i", "-O"], "( sport = :11434 or sport = :11435 )"],
        )
