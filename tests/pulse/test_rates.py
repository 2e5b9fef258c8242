"""How fast counts grow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pulse.rates import Pace, digits


class PaceTests(SynchronousTestCase):
    """Counts looked at every second."""

    def test_unknown(self) -> None:
        """
        One look says nothing.
        """
        pace = Pace()
        self.assertEqual(pace.of("a", 2), (None, None))
        pace.look(0, {"a": (5, 5)})
        self.assertEqual(pace.of("a", 2), (None, None))

    def test_five_seconds(self) -> None:
        """
        The pace is that of the last five seconds.
        """
        pace = Pace()
        for second, count in enumerate((0, 100, 100, 100, 100, 100, 105)):
            pace.look(float(second), {"a": (count,)})
        self.assertEqual(pace.of("a", 1), (1.0,))

    def test_never_negative(self) -> None:
        """
        What was reckoned too high is no progress backwards.
        """
        pace = Pace()
        for second, count in enumerate((10, 7)):
            pace.look(float(second), {"a": (count,)})
        self.assertEqual(pace.of("a", 1), (0.0,))

    def test_still(self) -> None:
        """
        Two looks at one moment say no more than one.
        """
        pace = Pace()
        for count in (1, 2):
            pace.look(7.0, {"a": (count,)})
        self.assertEqual(pace.of("a", 1), (None,))

    def test_forgotten(self) -> None:
        """
        A row that is not named is unknown when it comes back.
        """
        pace = Pace()
        for second, rows in enumerate(({"a": (1,)}, {}, {"a": (9,)})):
            pace.look(float(second), rows)
        self.assertEqual(pace.of("a", 1), (None,))

    def test_from_nothing(self) -> None:
        """
        Where rows begin from nothing, a new one has grown since the last look.
        """
        pace = Pace(from_nothing=True)
        pace.look(0, {"a": (1,)})
        pace.look(1, {"a": (1,), "b": (9,)})
        self.assertEqual((pace.of("a", 1), pace.of("b", 1)), ((0.0,), (9.0,)))

    @given(st.floats(0, 1e12))
    def test_digits(self, value: float) -> None:
        """
        Three digits are as good as the number.
        """
        self.assertLessEqual(abs(digits(value) - value), abs(value) * 0.005 + 1e-300)
