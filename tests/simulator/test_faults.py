"""Faults: read from text, and struck as their rules say."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.simulator.faults import BadFault, Fault, Faults, Kind, parse_fault, parse_rule

_NO_VALUE = [each for each in Kind if each not in (Kind.REFUSE, Kind.STATUS, Kind.SLOW)]


class ParseTests(SynchronousTestCase):
    """What an experimenter writes."""

    @given(st.sampled_from(_NO_VALUE))
    def test_kind_alone(self, kind: Kind) -> None:
        """Most kinds need no value."""
        self.assertEqual(parse_fault(kind.value), Fault(kind))

    @given(st.sampled_from(list(Kind)), st.integers(400, 599))
    def test_round_trip(self, kind: Kind, value: int) -> None:
        """What a fault is written as is read as that fault."""
        fault = Fault(kind, float(value))
        self.assertEqual(parse_fault(str(fault)), fault)

    def test_rule(self) -> None:
        """Path, times and share limit a rule, and are told again."""
        text = "cut-at-token=5 path=/api/chat times=3 share=0.5"
        self.assertEqual(str(parse_rule(text)), text)

    def test_refused(self) -> None:
        """What is no fault is refused with the reason."""
        for text in (
            "",
            "cut",
            "slow",
            "refuse",
            "status",
            "status=200",
            "status=abc",
            "slow=0",
            "reset-at-byte=-1",
            "reset-at-byte=nan",
            "stall-before-head color=red",
            "stall-before-head times=x",
        ):
            with self.subTest(text):
                self.assertRaises(BadFault, parse_rule, text)

    def test_names_the_known(self) -> None:
        """Whoever mistypes a kind is told all of them."""
        error = self.assertRaises(BadFault, parse_fault, "cut-at-tokn=1")
        self.assertIn("cut-at-token", str(error))


class DecideTests(SynchronousTestCase):
    """Which request is struck."""

    def test_none(self) -> None:
        """Without rules nothing goes wrong."""
        self.assertIsNone(Faults(Random(0)).decide("/api/chat"))

    def test_path(self) -> None:
        """A rule with a path leaves others alone."""
        faults = Faults(Random(0), [parse_rule("status=500 path=/api/chat")])
        self.assertEqual(
            [faults.decide("/api/tags"), faults.decide("/api/chat")],
            [None, Fault(Kind.STATUS, 500.0)],
        )

    @given(st.integers(0, 5), st.integers(0, 10))
    def test_times(self, times: int, requests: int) -> None:
        """A rule strikes as often as it says, and no more."""
        faults = Faults(Random(0), [parse_rule(f"junk-head times={times}")])
        struck = [faults.decide("/") for _ in range(requests)]
        self.assertEqual(len([each for each in struck if each]), min(times, requests))

    def test_share(self) -> None:
        """A share strikes about as many as it says."""
        faults = Faults(Random(0), [parse_rule("junk-head share=0.25")])
        struck = sum(faults.decide("/") is not None for _ in range(1000))
        self.assertTrue(200 < struck < 300, struck)

    def test_header_first(self) -> None:
        """A request that asks for a fault gets that one."""
        faults = Faults(Random(0), [parse_rule("junk-head")])
        self.assertEqual(faults.decide("/", "eof-before-head"), Fault(Kind.EOF_BEFORE_HEAD))
