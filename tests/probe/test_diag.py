"""Tests for the kernel's own answers: the same rows as ss's, and nothing that was not told."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe import ss
from ollama_twisted.probe.connection import Row, State
from ollama_twisted.probe.diag import End, Reader, question
from tests.probe.recorded import binary, text, whole

ANSWER = binary("netlink-linux-two-servers-nonroot.bin")
DONE = struct.pack("=IHHIIi", 20, 3, 2, 10, 0, 0)


def info(size: int, **sums: int) -> bytes:
    """A tcp_info of so many bytes."""
    at = {"rtt": (68, "=I"), "received": (128, "=Q"), "sent": (200, "=Q"), "again": (208, "=Q")}
    whole = bytearray(512)
    for name, value in sums.items():
        struct.pack_into(at[name][1], whole, at[name][0], value)
    return bytes(whole[:size])


def message(figures: bytes | None = None, state: int = 1, before: bytes = b"") -> bytes:
    """One socket, its attributes after what stands before them."""
    ends = struct.pack("!HH4s12x4s12x", 11434, 50000, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    body = struct.pack("=BBxx36s4xII20x", 2, state, ends, 0x1F, 2) + before
    if figures is not None:
        body += struct.pack("=HH", 4 + len(figures), 2) + figures
    return struct.pack("=IHHII", 16 + len(body), 18, 2, 2, 0) + body


def read(*messages: bytes) -> list[Row]:
    """The rows of a whole answer."""
    return whole(b"".join(messages) + DONE).rows


class RowTests(SynchronousTestCase):
    """What is read from an answer."""

    def test_as_ss(self) -> None:
        """
        A real answer says what ss printed of the same sockets: ends, states, keys, sums, times.
        """
        printed = ss.Reader().read(text("ss-linux-two-servers-nonroot.txt")).reading.rows
        reading = whole(ANSWER)
        self.assertEqual(sorted(reading.rows, key=str), sorted(printed, key=str))
        self.assertEqual((len(reading.rows), reading.refused, reading.believable), (11, 0, True))

    def test_sums(self) -> None:
        """
        What was sent again was sent once, and the peer's FIN is no byte of it.
        """
        figures = info(280, rtt=1500, received=13, sent=1000, again=200)
        row = Row("10.0.0.1", 11434, "10.0.0.2", 50000, State.ESTABLISHED, "20000001f")
        rows = read(message(figures), message(figures, state=8))
        self.assertEqual(
            rows,
            [
                row._replace(sent=800, received=13, retransmitted=200, rtt=0.0015),
                row._replace(
                    state=State.CLOSE_WAIT, sent=800, received=12, retransmitted=200, rtt=0.0015
                ),
            ],
        )

    def test_old_kernel(self) -> None:
        """
        What an older kernel does not count is absent, not zero.
        """
        for size, received in [(216, 7), (215, 7), (136, 7), (135, None), (0, None)]:
            (row,) = read(message(info(size, received=7, sent=5)))
            sent = 5 if size >= 216 else None
            self.assertEqual((row.received, row.sent), (received, sent), size)

    def test_no_figures(self) -> None:
        """
        What lingers has its key and no sums; nor has a listener any.
        """
        for state in (State.TIME_WAIT, State.LISTEN):
            number = {State.TIME_WAIT: 6, State.LISTEN: 10}[state]
            figures = None if state is State.TIME_WAIT else info(280, received=9, sent=9)
            (row,) = read(message(figures, state=number))
            self.assertEqual(
                (row.state, row.key, row.sent, row.received), (state, "20000001f", None, None)
            )

    def test_unknown(self) -> None:
        """
        Attributes that nobody knows are passed over, wherever the sums stand behind them.
        """
        strange = struct.pack("=HH5s3x", 9, 99, b"\x02\x00\x02\x00\x01")
        figures = info(240, received=3, sent=4)
        for before in (b"", strange, strange * 2):
            (row,) = read(message(figures, before=before))
            self.assertEqual((row.received, row.sent), (3, 4))

    def test_incomplete(self) -> None:
        """
        An answer without its end, or with an error in it, is not believed.
        """
        error = struct.pack("=IHHIIi", 20, 2, 0, 0, 0, -1)
        for data in (b"", ANSWER[: -len(DONE)], ANSWER + message(), error, message() + error):
            self.assertFalse(whole(data).believable, data[:40])
        self.assertTrue(whole(DONE).believable)


class GarbageTests(SynchronousTestCase):
    """Whatever may come."""

    @settings(max_examples=200)
    @given(st.integers(0, len(ANSWER)))
    def test_cut(self, at: int) -> None:
        """
        However an answer is cut, only connections are read that stand in the whole of it.
        """
        known = whole(ANSWER).rows
        self.assertEqual(set(whole(ANSWER[:at]).rows) - set(known), set())
        self.assertEqual(whole(ANSWER[:at]).believable, at == len(ANSWER))

    @given(st.binary(max_size=300))
    def test_noise(self, data: bytes) -> None:
        """
        Bytes that are no answer give no rows.
        """
        reading = whole(data)
        self.assertEqual((reading.rows, reading.believable), ([], False))

    @settings(max_examples=300)
    @given(
        st.lists(
            st.dictionaries(st.integers(0, len(ANSWER) - 1), st.integers(0, 255), max_size=6),
            min_size=1,
            max_size=4,
        )
    )
    def test_changed(self, changes: list[dict[int, int]]) -> None:
        """
        No change makes it raise, and what it reads does not depend on the answers before.
        """
        remembering = Reader()
        for change in ({}, *changes):
            data = bytearray(ANSWER)
            for at, value in change.items():
                data[at] = value
            self.assertEqual(whole(bytes(data), remembering), whole(bytes(data)))


class AskingTests(SynchronousTestCase):
    """What is asked, and when the answer is whole."""

    def test_question(self) -> None:
        """
        TCP of both families, all states, the figures, and a program of jumps for the ports.
        """
        asked = question([11434, 80]).message
        self.assertEqual(struct.unpack_from("=IHH", asked), (len(asked), 18, 0x301))
        self.assertEqual(asked[16:20] + asked[68:76], struct.pack("=xxxBI4x", 2, 0xFFF))
        self.assertEqual(
            asked[76:],
            struct.pack("=HH", 32, 1)
            + struct.pack("=BBHBBxxi", 7, 12, 16, 0, 0, 11434)
            + struct.pack("=BBH", 1, 4, 16)
            + struct.pack("=BBHBBxxi", 7, 12, 16, 0, 0, 80),
        )

    def test_end(self) -> None:
        """
        An end may come with the last sockets; it may say that they are not all.
        """
        interrupted = struct.pack("=IHHIIi", 20, 3, 0x12, 10, 0, 0)
        failed = struct.pack("=IHHIIi", 20, 3, 2, 10, 0, -105)
        error = struct.pack("=IHHIIi", 36, 2, 0, 10, 0, -1) + bytes(16)
        self.assertEqual(
            [
                Reader().take(memoryview(each))
                for each in (b"", message(), DONE, message() + DONE, interrupted, failed, error)
            ],
            [None, None, End(), End(), End(0, True), End(105), End(1)],
        )

    @given(st.sets(st.integers(0, 11)))
    def test_parts(self, cuts: set[int]) -> None:
        """
        In however many parts an answer comes, it says the same, the first time and again.
        """
        reader = Reader()
        for _ in range(2):
            reader.begin()
            part = at = number = 0
            while at < len(ANSWER):
                at += struct.unpack_from("=I", ANSWER, at)[0]
                if number in cuts or at == len(ANSWER):
                    reader.take(memoryview(ANSWER)[part:at])
                    part = at
                number += 1
            self.assertEqual(reader.reading(), whole(ANSWER))

    def test_begun_again(self) -> None:
        """
        What was read of an answer without its end is forgotten, and nothing else is.
        """
        reader = Reader()
        reader.take(memoryview(message(info(280, sent=5))))
        self.assertEqual(whole(message(info(280, sent=7)) + DONE, reader).rows[0].sent, 7)
        reader.begin()
        reader.take(memoryview(message(info(280, sent=9))))
        self.assertEqual(whole(DONE, reader), ([], 0))
