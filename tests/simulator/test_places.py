"""Places and who waits for them."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.simulator.places import Places, QueueFull


class PlacesTests(SynchronousTestCase):
    """One place for each model, and room for one who waits."""

    def setUp(self) -> None:
        self.places = Places(1, 1)
        self.held: list[str] = []
        self.ends: list[Deferred[None]] = []

    def hold(self, model: str, name: str) -> tuple[Deferred[None], Deferred[None]]:
        ends: Deferred[None] = Deferred()
        self.ends.append(ends)

        async def holder() -> None:
            async with self.places.one(model):
                self.held.append(name)
                await ends

        return Deferred.fromCoroutine(holder()), ends

    def test_in_turn(self) -> None:
        """Who waits gets the place when it is given back."""
        _, first = self.hold("m", "first")
        self.hold("m", "second")
        self.assertEqual((self.held, self.places.waiting), (["first"], 1))
        first.callback(None)
        self.assertEqual((self.held, self.places.waiting), (["first", "second"], 0))

    def test_models_apart(self) -> None:
        """Each model has places of its own."""
        self.hold("m", "first")
        self.hold("n", "second")
        self.assertEqual(self.held, ["first", "second"])

    def test_full(self) -> None:
        """One more than may wait is refused."""
        self.hold("m", "first")
        self.hold("m", "second")
        self.failureResultOf(self.hold("m", "third")[0], QueueFull)

    def test_gives_up(self) -> None:
        """Who leaves the queue makes room in it, and takes no place later."""
        _, first = self.hold("m", "first")
        second, _ = self.hold("m", "second")
        second.addErrback(lambda _: None).cancel()
        self.hold("m", "third")
        first.callback(None)
        self.assertEqual(self.held, ["first", "third"])

    def test_leaves(self) -> None:
        """Who leaves its place gives it back."""
        first, _ = self.hold("m", "first")
        first.addErrback(lambda _: None).cancel()
        self.hold("m", "second")
        self.assertEqual(self.held, ["first", "second"])

    def test_no_limit(self) -> None:
        """Without a number of places everybody has one."""
        self.places = Places(0, 0)
        for name in "abc":
            self.hold("m", name)
        self.assertEqual(self.held, ["a", "b", "c"])
