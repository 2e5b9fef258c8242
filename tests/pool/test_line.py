"""Who waits, and who comes next."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.lease import Lease, Outcome
from ollama_twisted.pool.line import Line, LineFull, Waiter
from tests.pool.nodes import node


class Places:
    """Free places, counted by the first letter of the model, and a line of those who want some."""

    def __init__(self, max_waiting: int = 1000) -> None:
        self.free: dict[str, int] = {}
        self.asked = 0
        self.all_alike = False
        self.granted: list[str] = []
        self.line = Line(max_waiting, self.nodes_for)

    def nodes_for(self, want: Want) -> Hashable:
        return "all" if self.all_alike else (want.model or "?")[0]

    def take(self, want: Want, without: frozenset[str]) -> Lease | None:
        self.asked += 1
        place = (want.model or "?")[0]
        if place in without or not self.free.get(place):
            return None
        self.free[place] -= 1
        return Lease(node(place), 0, self)

    def answering(self, lease: Lease, now: float) -> None:
        pass

    def ended(self, lease: Lease, outcome: Outcome, now: float) -> None:
        self.free[lease.node.name] += 1

    def join(
        self, model: str, then: Callable[[Lease], None] = lambda lease: None, *without: str
    ) -> Waiter:
        """Somebody joins, whose grant is written down under the model's name."""

        def granted(lease: Lease) -> None:
            self.granted.append(model)
            then(lease)

        return self.line.join(Want(model), granted, frozenset(without))

    def grant(self, **free: int) -> list[str]:
        """Who is granted when so many places are free."""
        self.free, self.granted = free, []
        self.line.grant(self.take)
        return self.granted


class OrderTests(SynchronousTestCase):
    """First come, first served."""

    def setUp(self) -> None:
        self.places = Places()

    def test_first(self) -> None:
        """Places go to those who came first, as far as there are any."""
        for model in ("a1", "a2", "a3"):
            self.places.join(model)
        self.assertEqual(self.places.grant(a=2), ["a1", "a2"])
        self.assertEqual(self.places.grant(a=2), ["a3"])
        self.assertEqual(len(self.places.line), 0)

    def test_other_nodes(self) -> None:
        """Nobody waits behind one who wants other nodes."""
        for model in ("a1", "b1", "a2", "b2"):
            self.places.join(model)
        self.assertEqual(self.places.grant(b=2), ["b1", "b2"])

    def test_between_nodes(self) -> None:
        """Those who can be served at the same time are served in the order they came."""
        for model in ("b1", "a1", "b2", "a2"):
            self.places.join(model)
        self.assertEqual(self.places.grant(a=9, b=9), ["b1", "a1", "b2", "a2"])

    def test_without(self) -> None:
        """One who can do only with other nodes does not hold up those behind."""
        self.places.join("a1", lambda lease: None, "a")
        self.places.join("a2")
        self.assertEqual(self.places.grant(a=2), ["a2"])

    def test_regroup(self) -> None:
        """When all want the same nodes from now on, they stand in one queue as they came."""
        for model in ("b1", "a1", "b2"):
            self.places.join(model)
        self.places.all_alike = True
        self.places.line.regroup()
        self.assertEqual(self.places.grant(b=9), ["b1"])
        self.assertEqual(self.places.grant(a=9, b=9), ["a1", "b2"])

    def test_cost(self) -> None:
        """To find that nobody can be served takes one look for all who want the same nodes."""
        for number in range(1000):
            self.places.join(f"a{number}")
        self.places.grant()
        self.assertEqual(self.places.asked, 1)


class LengthTests(SynchronousTestCase):
    """Who may wait, and who leaves."""

    def test_full(self) -> None:
        """One too many is refused, and nobody else is harmed."""
        places = Places(max_waiting=2)
        places.join("a1")
        places.join("b1")
        self.assertRaises(LineFull, places.join, "a2")
        self.assertEqual((len(places.line), places.grant(a=1, b=1)), (2, ["a1", "b1"]))

    def test_leave(self) -> None:
        """One who leaves is passed over, and is gone."""
        places = Places()
        waiters = [places.join(f"a{number}") for number in range(3)]
        places.line.leave(waiters[1])
        places.line.leave(waiters[1])
        self.assertEqual((len(places.line), places.grant(a=3)), (2, ["a0", "a2"]))

    def test_leave_late(self) -> None:
        """One who has a place has left already."""
        places = Places()
        first = places.join("a1")
        places.grant(a=1)
        places.join("a2")
        places.line.leave(first)
        self.assertEqual(len(places.line), 1)

    def test_nothing_stays(self) -> None:
        """A line that everybody has left keeps nothing of them."""
        places = Places()
        for waiter in [places.join(chr(97 + number)) for number in range(20)]:
            places.line.leave(waiter)
        self.assertEqual(places.line._queues, {})


class InTheMiddleTests(SynchronousTestCase):
    """What whoever is granted may do at once."""

    def setUp(self) -> None:
        self.places = Places()

    def test_ends(self) -> None:
        """A place that is given back at once goes to the next, and so on."""
        for number in range(500):
            self.places.join(f"a{number}", Lease.give_back)
        self.assertEqual(self.places.grant(a=1), [f"a{number}" for number in range(500)])

    def test_joins(self) -> None:
        """One who joins again stands behind those who wait already."""

        def again(lease: Lease) -> None:
            lease.give_back()
            self.places.join("a3")

        self.places.join("a1", again)
        self.places.join("a2", Lease.give_back)
        self.assertEqual(self.places.grant(a=1), ["a1", "a2", "a3"])

    def test_sends_away(self) -> None:
        """One who is sent away by another's grant is not granted any more."""
        waiters: list[Waiter] = []
        self.places.join("a1", lambda lease: self.places.line.leave(waiters[0]))
        waiters.append(self.places.join("a2"))
        self.assertEqual(self.places.grant(a=2), ["a1"])

    def test_regroups(self) -> None:
        """The nodes may change while places are given."""
        self.places.join("a1", lambda lease: self.places.line.regroup())
        self.places.join("a2")
        self.assertEqual(self.places.grant(a=2), ["a1", "a2"])

    def test_frees_another(self) -> None:
        """A place freed by a grant goes to one who was refused before it."""

        def free(lease: Lease) -> None:
            self.places.free["a"] = 1

        self.places.join("a1")
        self.places.join("b1", free)
        self.assertEqual(self.places.grant(b=1), ["b1", "a1"])


class AnyOrderTests(SynchronousTestCase):
    """However they come and go."""

    @given(
        st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=30),
        st.integers(0, 30),
        st.integers(0, 30),
    )
    def test_fifo(self, comers: list[tuple[str, bool]], free_a: int, free_b: int) -> None:
        """Of those who want the same and stay, the first are served, and nobody else."""
        places = Places()
        staying = []
        for number, (kind, stays) in enumerate(comers):
            model = f"{kind}{number}"
            waiter = places.join(model)
            if stays:
                staying.append(model)
            else:
                places.line.leave(waiter)
        served = [each for each in staying if each[0] == "a"][:free_a]
        served += [each for each in staying if each[0] == "b"][:free_b]
        order = sorted(served, key=staying.index)
        self.assertEqual(places.grant(a=free_a, b=free_b), order)
        self.assertEqual(len(places.line), len(staying) - len(served))
