"""Tests for putting an answer together."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval.answer import Answer, BadAnswer, Reading, error_of

DONE = {"done": True, "eval_count": 2, "eval_duration": 500_000_000, "prompt_eval_count": 9}
LINES: list[dict[str, Any]] = [
    {"message": {"content": "", "thinking": "hm"}, "done": False},
    {"message": {"content": "dé"}, "done": False},
    {"message": {"content": "f"}, "done": False},
    {"message": {"content": ""}, "done_reason": "stop", **DONE},
]
STREAM = b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in LINES)


def of(*pieces: bytes) -> Answer:
    """The answer that came in these pieces."""
    reading = Reading(lambda: 1.0)
    for each in pieces:
        reading.feed(each)
    return reading.answer()


class ReadingTests(SynchronousTestCase):
    """Streams, whole and broken."""

    @given(st.lists(st.integers(0, len(STREAM)), max_size=6))
    def test_split(self, cuts: list[int]) -> None:
        """However it is cut into pieces, it says the same."""
        edges = [0, *sorted(cuts), len(STREAM)]
        pieces = [STREAM[a:b] for a, b in pairwise(edges)]
        self.assertEqual(of(*pieces), Answer("déf", "hm", 9, 2, 0.5, "stop"))

    def test_generate(self) -> None:
        """The completion's form is read too, and numbers may be missing."""
        self.assertEqual(of(b'{"response":"a"}\n{"response":"","done":true}'), Answer("a"))

    def test_broken(self) -> None:
        """An answer that ends without its last line, or says so, is none."""
        for data in (b"", STREAM[:60], b"junk\n", b"[]\n", b'{"error":"out of memory"}\n'):
            self.assertRaises(BadAnswer, of, data)

    def test_refusals(self) -> None:
        """Refusals are read in each protocol's form."""
        for data, told in (
            (b'{"error":"no"}', "no"),
            (b'{"error":{"message":"no"}}', "no"),
            (b"Bad Gateway", "Bad Gateway"),
            (b"[]", "[]"),
        ):
            self.assertEqual(error_of(data), told)
