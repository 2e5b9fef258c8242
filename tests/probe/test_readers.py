"""Properties of all readers: nothing makes them raise, or invent a connection."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe import ss
from tests.probe.recorded import READERS, names, reader, text

SAMPLES = [name for name in names() if reader(name)(text(name)).rows]

# Words and signs the readers look for, in any order and any number.
PIECES = [
    *("TCP", "tcp", "tcp4", "tcp6", "tcp46", "udp", "Proto", "sl local_address", "ESTAB", "LISTEN"),
    *(
        "ESTABLISHED",
        "HERGESTELLT",
        "ABH™REN",
        "À L'ÉCOUTE",
        "侦听",
        "已建立",
        "確立",
        "FIN-WAIT-1",
    ),
    *("0", "1", "5", "-", "*", ":", ".", "%", "[", "]", "->", "127.0.0.1:11434", "[::1]:11434"),
    *("*.*", "*:*", "::ffff:1.2.3.4:5", "1.2.3.4.5", "0100007F:2CAA", "0A", "01", "rxbytes"),
    *("txbytes", "sk:", " sk:1f", " mss:1", " bytes_sent:5", " bytes_received:x", " rtt:1/2"),
    *(" lastsnd:5", "p1", "f3", "tIPv4", "PTCP", "nlocalhost:1", "n*:11434", "TST=LISTEN"),
    *("{", "}", "null", '"State"', "[[]]", '["a","b"]', "#TYPE", '"LocalAddress"', "\ufeff"),
    *("\0", "\t", " ", "  ", "\n", "\n", "\r\n", "\x1b[2J", "9" * 400),
]

noise = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=40).map("".join)


class GarbageTests(SynchronousTestCase):
    """Whatever a child may print."""

    @given(noise)
    def test_noise(self, text: str) -> None:
        """
        No text makes a reader raise, and what it reads is in normal form.
        """
        for read in READERS.values():
            for row in read(text + "\n").rows:
                self.assertTrue(0 <= row.local_port < 65536 and 0 <= row.peer_port < 65536)

    @given(st.binary(max_size=200))
    def test_bytes(self, data: bytes) -> None:
        """
        Nor do any bytes, decoded as well as may be.
        """
        for read in READERS.values():
            self.assertEqual(read(data.decode("utf-8", "replace") + "\n").rows, [])

    @settings(max_examples=200)
    @given(st.sampled_from(SAMPLES), st.data())
    def test_cut(self, name: str, data: st.DataObject) -> None:
        """
        However an output is cut, only connections are read that stand in the whole of it.
        """
        whole = text(name)
        cut = whole[: data.draw(st.integers(0, len(whole)))]
        read = reader(name)
        known = {row[:4] for row in read(whole).rows}
        self.assertEqual({row[:4] for row in read(cut).rows} - known, set())

    @settings(max_examples=200)
    @given(st.sampled_from(SAMPLES), st.data())
    def test_line_missing(self, name: str, data: st.DataObject) -> None:
        """
        A line that got lost takes no other connection with it than its own.
        """
        lines = text(name).splitlines(keepends=True)
        at = data.draw(st.integers(0, len(lines) - 1))
        read = reader(name)
        known = [row[:4] for row in read("".join(lines)).rows]
        left = [row[:4] for row in read("".join(lines[:at] + lines[at + 1 :])).rows]
        self.assertEqual(set(left) - set(known), set())

    @settings(max_examples=100)
    @given(st.sampled_from(SAMPLES), st.sampled_from(SAMPLES))
    def test_another_tool(self, name: str, other: str) -> None:
        """
        A tool that prints what another one prints is not believed, or read as what it is.
        """
        reading = reader(name)(text(other))
        known = {row[:4] for row in reader(other)(text(other)).rows}
        self.assertTrue(not reading.rows or {row[:4] for row in reading.rows} <= known)


class MemoryTests(SynchronousTestCase):
    """The reader of dumps that remembers the last one."""

    @settings(max_examples=60)
    @given(
        st.lists(
            st.sampled_from([name for name in SAMPLES if name.startswith("ss-linux")]),
            min_size=2,
            max_size=5,
        ),
        st.integers(0, 9),
    )
    def test_same(self, sequence: list[str], digit: int) -> None:
        """
        What it makes of a dump does not depend on the dumps before.
        """
        remembering = ss.Reader()
        for name in sequence:
            for dump in text(name), text(name).replace("bytes_received:1", f"bytes_sent:{digit}"):
                self.assertEqual(remembering.read(dump), ss.Reader().read(dump))
