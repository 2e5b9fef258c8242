"""Numbers, times and names for a terminal."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.top import words


class WordTests(SynchronousTestCase):
    """Each kind of word."""

    def test_number(self) -> None:
        """
        Three digits that count.
        """
        cases: dict[Any, str] = {
            0: "0", 7: "7", 0.416: "0.42", 38.06: "38.1", 212.4: "212", 9999: "9999",
            12_540: "12.5k", 3_000_000: "3M", 2.5e9: "2.5G",
        }  # fmt: skip
        self.assertEqual({each: words.number(each) for each in cases}, cases)

    def test_unknown(self) -> None:
        """
        What is not known, or is no number, is a dash.
        """
        for each in (None, "7", True, float("nan"), float("inf"), [1]):
            for shown in (words.number, words.size, words.duration):
                self.assertEqual(shown(each), "-", each)

    def test_size(self) -> None:
        """
        Bytes as Ollama prints them.
        """
        cases = {12: "12 B", 815e6: "815 MB", 4.7e9: "4.7 GB", 1.5e3: "1.5 kB", 2e12: "2 TB"}
        self.assertEqual({each: words.size(each) for each in cases}, cases)

    def test_duration(self) -> None:
        """
        Seconds, in the unit that fits.
        """
        cases = {
            0.2314: "231 ms", 0.9999: "1 s", 3.21: "3.2 s", 42.4: "42 s", 90: "1.5 min",
            1500: "25 min", 7200: "2 h", 200_000: "2 d",
        }  # fmt: skip
        self.assertEqual({each: words.duration(each) for each in cases}, cases)

    def test_clock(self) -> None:
        """
        The time of day of a moment; a dash if it is none.
        """
        self.assertRegex(words.clock("2026-11-26T01:02:03.004Z"), r"^\d\d:\d\d:03$")
        self.assertEqual([words.clock(None), words.clock("soon")], ["-", "-"])

    @given(st.text())
    def test_plain(self, text: str) -> None:
        """
        Nothing that a terminal would obey is left of a name.
        """
        self.assertTrue(words.plain(text).isprintable())
        self.assertEqual(words.plain("llama3:8b größer 模型"), "llama3:8b größer 模型")

    def test_bars(self) -> None:
        """
        The largest is the highest; what is not known is a gap.
        """
        self.assertEqual(words.bars([0, 7, None, 14]), "▁▅ █")
        self.assertEqual((words.bars([]), words.bars([0, 0])), ("", "▁▁"))
