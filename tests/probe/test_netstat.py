"""Tests for netstat in languages that nobody has thought of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe import netstat
from ollama_twisted.probe.connection import State

words = st.text(st.characters(blacklist_categories=["Z", "C"]), min_size=1, max_size=12).filter(
    lambda word: not word.isdigit()
)


class ForeignTests(SynchronousTestCase):
    """Windows speaks the user's language."""

    @given(st.lists(words, max_size=3), st.integers(1, 65535))
    def test_any_word(self, word: list[str], peer: int) -> None:
        """
        Whatever the word for it is, a connection is one connection, between these ends.
        """
        text = f"  TCP    10.0.0.1:11434   10.0.0.2:{peer}   {' '.join(word)}   4711\n"
        rows = netstat.read_windows(text).rows
        self.assertEqual([row[:4] for row in rows], [("10.0.0.1", 11434, "10.0.0.2", peer)])
        self.assertIsNot(rows[0].state, State.LISTEN)

    @given(words)
    def test_listening(self, word: str) -> None:
        """
        A socket without a peer listens, whatever the word.
        """
        rows = netstat.read_windows(f"  TCP    [::]:11434   [::]:0   {word}   4\n").rows
        self.assertEqual([row.state for row in rows], [State.LISTEN])

    def test_nobody(self) -> None:
        """
        A connection of no process at all is waiting for its end.
        """
        rows = netstat.read_windows("  TCP  10.0.0.1:11434  10.0.0.2:9  OČEKÁVÁNÍ  0\n").rows
        self.assertEqual([row.state for row in rows], [State.TIME_WAIT])


class MacTests(SynchronousTestCase):
    """macOS's columns."""

    HEAD = "Proto Recv-Q Send-Q Local Foreign (state) rxbytes txbytes rhiwat process:pid gencnt\n"

    def test_sums(self) -> None:
        """
        Received and sent are told by the server's socket, with a key of sixteen digits.
        """
        row = (
            "tcp6 0 0 ::1.11434 ::1.59360 ESTABLISHED 1022 77 4078 Two Words:46 0000000000137f1f\n"
        )
        (found,) = netstat.read_macos(self.HEAD + row).rows
        self.assertEqual(found.key, "0000000000137f1f")
        self.assertEqual((found.received, found.sent), (1022, 77))

    def test_no_sums(self) -> None:
        """
        Of a socket that waits for its end the sums are not told, though zeros are printed.
        """
        row = "tcp4 0 0 1.2.3.4.11434 1.2.3.5.9 TIME_WAIT 0 0 4078 x:46 0000000000137f1f\n"
        (found,) = netstat.read_macos(self.HEAD + row).rows
        self.assertEqual((found.received, found.sent), (None, None))
