"""When a node is ejected, for how long, and what brings it back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pool.breaker import LIVED_DOWN, LONGEST, Breaker, Circuit


def fail(breaker: Breaker, now: float = 0.0, unreachable: bool = False) -> None:
    """One request that fails."""
    breaker.failed(breaker.admitted(now), now, unreachable)


def ejected(cooldown: float = 10.0, unreachable: bool = False) -> Breaker:
    """A breaker that has ejected its node at 0."""
    breaker = Breaker(failures=1, cooldown=cooldown)
    fail(breaker, unreachable=unreachable)
    return breaker


class EjectionTests(SynchronousTestCase):
    """What ejects a node."""

    def test_in_a_row(self) -> None:
        """As many failures in a row as configured eject."""
        breaker = Breaker(failures=3)
        admits = []
        for _ in range(3):
            admits.append(breaker.admits(0))
            fail(breaker)
        self.assertEqual((admits, breaker.admits(0)), ([True] * 3, False))

    def test_success_between(self) -> None:
        """A success in between begins the count anew."""
        breaker = Breaker(failures=2)
        fail(breaker)
        breaker.succeeded(breaker.admitted(0))
        fail(breaker)
        self.assertEqual(breaker.circuit, Circuit.CLOSED)

    def test_unreachable(self) -> None:
        """A node that cannot be reached is ejected at once."""
        breaker = Breaker(failures=5)
        fail(breaker, unreachable=True)
        self.assertEqual(breaker.ejected(0), True)

    def test_abandoned(self) -> None:
        """What a client abandoned counts neither for nor against the node."""
        breaker = Breaker(failures=2)
        fail(breaker)
        breaker.abandoned(breaker.admitted(0))
        self.assertEqual((breaker.circuit, breaker.in_a_row), (Circuit.CLOSED, 1))
        fail(breaker)
        self.assertEqual(breaker.circuit, Circuit.OPEN)


class CooldownTests(SynchronousTestCase):
    """How long an ejection lasts."""

    def cooldowns(self, breaker: Breaker, trials: int) -> list[float]:
        """How long the node is left alone after each failed trial."""
        lasted, now = [], 0.0
        for _ in range(trials):
            fail(breaker, now)
            lasted.append(breaker.retry_at - now)
            now = breaker.retry_at
        return lasted

    def test_growth(self) -> None:
        """Each failed trial makes the next cooldown longer."""
        self.assertEqual(
            self.cooldowns(Breaker(failures=1, cooldown=5), 4), [5.0, 10.0, 15.0, 20.0]
        )

    def test_longest(self) -> None:
        """No cooldown is longer than the longest."""
        lasted = self.cooldowns(Breaker(failures=1, cooldown=100), 5)
        self.assertEqual(lasted, [100.0, 200.0, 300.0, LONGEST, LONGEST])

    def test_jitter(self) -> None:
        """The cooldown is stretched by the factor given."""
        breaker = Breaker(failures=1, cooldown=10)
        breaker.failed(breaker.admitted(0), 0, jitter=1.1)
        self.assertEqual((breaker.ejected(10.9), breaker.ejected(11.1)), (True, False))

    def test_flapping(self) -> None:
        """A node that fails again soon after it came back is left alone for longer."""
        breaker = ejected(cooldown=5)
        breaker.succeeded(breaker.admitted(5))
        fail(breaker, now=5 + LIVED_DOWN)
        self.assertEqual(breaker.retry_at, 5 + LIVED_DOWN + 10)

    def test_lived_down(self) -> None:
        """A node that was well for long starts with the shortest cooldown again."""
        breaker = ejected(cooldown=5)
        breaker.succeeded(breaker.admitted(5))
        fail(breaker, now=6 + LIVED_DOWN)
        self.assertEqual(breaker.retry_at, 6 + LIVED_DOWN + 5)

    def test_asked_all_the_same(self) -> None:
        """Failures while it is ejected renew the ejection, and make it no longer."""
        breaker = ejected(cooldown=10)
        fail(breaker, now=3)
        fail(breaker, now=4)
        self.assertEqual((breaker.retry_at, breaker.ejections), (14.0, 1))


class TrialTests(SynchronousTestCase):
    """The one request that decides."""

    def test_one(self) -> None:
        """After the cooldown one request goes through; the next waits for its outcome."""
        breaker = ejected(cooldown=10)
        admits = [breaker.admits(9), breaker.admits(10)]
        breaker.admitted(10)
        self.assertEqual([*admits, breaker.admits(10)], [False, True, False])
        self.assertEqual(breaker.circuit, Circuit.HALF_OPEN)

    def test_success(self) -> None:
        """A trial that succeeds closes the breaker."""
        breaker = ejected()
        breaker.succeeded(breaker.admitted(10))
        self.assertEqual((breaker.circuit, breaker.in_a_row), (Circuit.CLOSED, 0))

    def test_answering(self) -> None:
        """A trial whose answer begins well closes the breaker before it ends."""
        breaker = ejected()
        trial = breaker.admitted(10)
        self.assertEqual(breaker.answering(trial), True)
        self.assertEqual(breaker.circuit, Circuit.CLOSED)

    def test_answering_cut(self) -> None:
        """An answer to no trial forgives no failure by beginning: it may yet be cut."""
        breaker = Breaker(failures=2)
        for _ in range(2):
            request = breaker.admitted(0)
            self.assertEqual(breaker.answering(request), False)
            breaker.failed(request, 0)
        self.assertEqual(breaker.circuit, Circuit.OPEN)

    def test_failure(self) -> None:
        """A trial that fails ejects again at once, however many failures that takes else."""
        breaker = Breaker(failures=3, cooldown=5)
        for _ in range(3):
            fail(breaker)
        fail(breaker, now=5)
        self.assertEqual((breaker.circuit, breaker.retry_at), (Circuit.OPEN, 15.0))

    def test_abandoned(self) -> None:
        """A trial whose client leaves may be had by the next request."""
        breaker = ejected()
        breaker.abandoned(breaker.admitted(10))
        self.assertEqual(breaker.admits(10), True)

    def test_abandoned_by_another(self) -> None:
        """Only the trial itself can give the trial back."""
        breaker = Breaker(failures=1, cooldown=10)
        early = breaker.admitted(0)
        fail(breaker)
        beside = breaker.admitted(1)
        breaker.admitted(10)
        breaker.abandoned(early)
        breaker.abandoned(beside)
        self.assertEqual((breaker.circuit, breaker.admits(10)), (Circuit.HALF_OPEN, False))

    def test_abandoned_late(self) -> None:
        """A trial that another failure has overtaken gives back nothing."""
        breaker = ejected(cooldown=10)
        first = breaker.admitted(10)
        fail(breaker, now=11)
        second = breaker.admitted(31)
        self.assertEqual(breaker.circuit, Circuit.HALF_OPEN)
        breaker.abandoned(first)
        self.assertEqual(breaker.circuit, Circuit.HALF_OPEN)
        breaker.abandoned(second)
        self.assertEqual(breaker.circuit, Circuit.OPEN)


class OutdatedTests(SynchronousTestCase):
    """What was sent before an ejection and ends after it."""

    def setUp(self) -> None:
        self.breaker = Breaker(failures=1, cooldown=10)
        self.old = self.breaker.admitted(0)
        fail(self.breaker, unreachable=True)

    def test_success(self) -> None:
        """An old success does not bring the node back."""
        self.breaker.succeeded(self.old)
        self.assertEqual(self.breaker.circuit, Circuit.OPEN)

    def test_failure_during_trial(self) -> None:
        """An old failure does not decide the trial."""
        trial = self.breaker.admitted(10)
        self.breaker.failed(self.old, 11)
        self.assertEqual(self.breaker.circuit, Circuit.HALF_OPEN)
        self.breaker.succeeded(trial)
        self.assertEqual(self.breaker.circuit, Circuit.CLOSED)

    def test_failure_after_return(self) -> None:
        """An old failure does not count against a node that is back."""
        self.breaker.succeeded(self.breaker.admitted(10))
        self.breaker.failed(self.old, 11)
        self.assertEqual(self.breaker.circuit, Circuit.CLOSED)

    def test_asked_all_the_same(self) -> None:
        """What was sent during the ejection, for want of a better node, does count."""
        self.breaker.succeeded(self.breaker.admitted(1))
        self.assertEqual(self.breaker.circuit, Circuit.CLOSED)

    def test_forget(self) -> None:
        """When the node is another one, nothing that was sent before counts."""
        young = self.breaker.admitted(10)
        self.breaker.forget()
        self.breaker.failed(young, 11)
        self.assertEqual((self.breaker.circuit, self.breaker.ejections), (Circuit.CLOSED, 0))


class CheckTests(SynchronousTestCase):
    """What good checks can end."""

    def test_unreachable(self) -> None:
        """Enough good checks in a row end an ejection for not being reachable."""
        breaker = ejected(cooldown=60, unreachable=True)
        seen = []
        for good in (True, False, True, True):
            breaker.checked(good, needed=2)
            seen.append(breaker.circuit)
        self.assertEqual(seen, [Circuit.OPEN] * 3 + [Circuit.CLOSED])

    def test_since(self) -> None:
        """Only checks since the ejection count."""
        breaker = Breaker(failures=1)
        breaker.checked(True, needed=2)
        fail(breaker, unreachable=True)
        breaker.checked(True, needed=2)
        self.assertEqual(breaker.circuit, Circuit.OPEN)

    def test_bad_answers(self) -> None:
        """An ejection for bad answers runs its time, because checks never saw those."""
        breaker = ejected()
        for _ in range(5):
            breaker.checked(True, needed=2)
        self.assertEqual(breaker.circuit, Circuit.OPEN)

    def test_bad_answers_and_unreachable(self) -> None:
        """A node that is unreachable as well does not come back by being reachable."""
        breaker = ejected()
        fail(breaker, now=1, unreachable=True)
        for _ in range(5):
            breaker.checked(True, needed=2)
        self.assertEqual(breaker.circuit, Circuit.OPEN)

    def test_during_trial(self) -> None:
        """Nobody waits for a silent trial when checks find the node reachable."""
        breaker = ejected(unreachable=True)
        breaker.admitted(10)
        breaker.checked(True, needed=1)
        self.assertEqual(breaker.admits(10), True)


class AnyOrderTests(SynchronousTestCase):
    """Whatever happens, in whatever order."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["admit", "succeed", "fail", "refuse", "abandon", "check"]),
                st.integers(0, 5),
                st.floats(0, 30),
            ),
            max_size=40,
        )
    )
    def test_never_shut_for_good(self, events: list[tuple[str, int, float]]) -> None:
        """Once every outcome that is owed has come, the node is tried within the longest time."""
        breaker = Breaker(failures=2, cooldown=5)
        owed: list[int] = []
        now = 0.0
        for what, which, later in events:
            now += later
            if what == "admit":
                trials = breaker.circuit is Circuit.HALF_OPEN
                owed.append(breaker.admitted(now))
                self.assertLessEqual(trials, breaker.circuit is Circuit.HALF_OPEN)
            elif what == "check":
                breaker.checked(which > 0, needed=2)
            elif owed:
                request = owed.pop(which % len(owed))
                if what == "succeed":
                    breaker.succeeded(request)
                elif what == "abandon":
                    breaker.abandoned(request)
                else:
                    breaker.failed(request, now, unreachable=what == "refuse")
        for request in owed:
            breaker.abandoned(request)
        self.assertNotEqual(breaker.circuit, Circuit.HALF_OPEN)
        self.assertEqual(breaker.admits(now + LONGEST), True)
