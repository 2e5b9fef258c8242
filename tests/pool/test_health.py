"""How many checks it takes to change a mind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pool.health import Health


def after(checks: str, rise: int = 2, fall: int = 3) -> list[bool]:
    """Whether the node is healthy after each check, ``+`` good and ``-`` bad."""
    health = Health(rise, fall)
    seen = []
    for check in checks:
        before = health.healthy, health.starting
        changed = health.passed() if check == "+" else health.failed(0.0)
        assert changed == ((health.healthy, health.starting) != before)
        seen.append(health.healthy)
    return seen


class HealthTests(SynchronousTestCase):
    """Rise and fall."""

    def test_unchecked(self) -> None:
        """A node that was never checked is neither healthy nor down."""
        health = Health()
        self.assertEqual((health.starting, health.healthy, health.down), (True, False, False))

    def test_first(self) -> None:
        """The first check decides at once."""
        self.assertEqual((after("-"), after("+")), ([False], [True]))

    def test_start_period(self) -> None:
        """From the first check on, bad ones are for nothing as long as it lasts."""
        health = Health(start_period=5.0)
        seen = [health.failed(now) for now in (100.0, 104.0, 105.0)]
        self.assertEqual((seen, health.down), ([False, False, True], True))

    def test_fall(self) -> None:
        """Three bad checks in a row turn a node unhealthy."""
        self.assertEqual(after("+---"), [True, True, True, False])

    def test_rise(self) -> None:
        """Two good checks in a row turn it healthy again."""
        self.assertEqual(after("-++"), [False, False, True])

    def test_streak_broken(self) -> None:
        """One check of the other kind begins the count anew."""
        self.assertEqual(after("+--+--"), [True] * 6)
        self.assertEqual(after("-+-+"), [False] * 4)

    @given(st.text("+-", min_size=1, max_size=30), st.integers(1, 4), st.integers(1, 4))
    def test_as_told(self, checks: str, rise: int, fall: int) -> None:
        """The last long enough run of equal checks decides, or else the first check."""
        expected = checks[0] == "+"
        run = 0
        for index, check in enumerate(checks):
            run = run + 1 if index and check == checks[index - 1] else 1
            if run >= (rise if check == "+" else fall):
                expected = check == "+"
        self.assertEqual(after(checks, rise, fall)[-1], expected)
