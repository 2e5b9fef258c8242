"""Loading, keeping and letting go."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.simulator.library import Model, invent
from ollama_twisted.simulator.memory import Memory, keep_alive

FIRST, SECOND = (invent(name, "2026-01-01T00:00:00Z") for name in ("first", "second"))


class KeepAliveTests(SynchronousTestCase):
    """Durations as Ollama reads them."""

    def test_read(self) -> None:
        """Numbers are seconds, texts are Go's durations, what is negative is for ever."""
        for value, seconds in (
            (0, 0.0),
            (90, 90.0),
            (-1, math.inf),
            ("0", 0.0),
            ("5m", 300.0),
            ("1h30m", 5400.0),
            ("1.5s", 1.5),
            ("250ms", 0.25),
            ("-1m", math.inf),
        ):
            with self.subTest(value):
                self.assertEqual(keep_alive(value), seconds)

    def test_refused(self) -> None:
        """Anything else is refused."""
        for value in ("", "5", "m", "5 m", "5mm5", True, [], {}, None):
            with self.subTest(value):
                self.assertRaises(ValueError, keep_alive, value)

    @given(st.integers(0, 10**6), st.sampled_from(["s", "m", "h"]))
    def test_negative_is_for_ever(self, number: int, unit: str) -> None:
        """However much is owed, what is below zero never comes due."""
        self.assertEqual(keep_alive(f"-{number + 1}{unit}"), math.inf)


class _Engine:
    """An engine that says what it was told to do."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.done: list[str] = []
        self.fails = False

    async def load(self, model: Model) -> None:
        self.done.append(f"load {model.name}")
        await deferLater(self.clock, 2.0)
        if self.fails:
            raise RuntimeError("out of memory")

    async def unload(self, model: Model) -> None:
        self.done.append(f"unload {model.name}")

    async def stop(self) -> None:
        self.done.append("stop")


class MemoryTests(SynchronousTestCase):
    """A memory for two models, where a model stays for a minute."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.engine = _Engine(self.clock)
        self.memory = Memory(self.engine, self.clock, 2, 60.0)  # type: ignore[arg-type]
        self.took: list[float] = []

    def use(
        self,
        model: Model,
        keep: float | None = None,
        work: float = 1.0,
        context: int | None = None,
    ) -> Deferred[None]:
        async def user() -> None:
            async with self.memory.use(model, keep, context) as load:
                self.took.append(load)
                await deferLater(self.clock, work)

        return Deferred.fromCoroutine(user())

    def names(self) -> list[str]:
        return [each.model.name for each in self.memory.loaded()]

    def test_context(self) -> None:
        """Another context loads the model again, once nobody uses it; no context does not."""
        for context in (2048, 2048, None, 8192):
            self.use(FIRST, context=context)
        self.clock.pump([0.5] * 20)
        load, unload = "load first:latest", "unload first:latest"
        self.assertEqual(self.engine.done, [load, unload, load])
        self.assertEqual((self.took, self.memory.loads), ([2.0, 2.0, 2.0, 5.0], 2))

    def test_paid_once(self) -> None:
        """The first request pays for the load, who comes meanwhile waits for the rest of it."""
        self.use(FIRST)
        self.clock.advance(0.5)
        self.use(FIRST)
        self.clock.advance(1.5)
        self.clock.advance(1.0)
        self.use(FIRST)
        self.assertEqual((self.took, self.engine.done), ([2.0, 1.5, 0.0], ["load first:latest"]))

    def test_goes_on(self) -> None:
        """A load goes on when the request that began it leaves."""
        self.use(FIRST).addErrback(lambda _: None).cancel()
        self.use(FIRST)
        self.clock.advance(2.0)
        self.assertEqual((self.took, self.engine.done), ([2.0], ["load first:latest"]))

    def test_nobody_left(self) -> None:
        """A load whose requests have all left is kept for the usual time."""
        self.use(FIRST).addErrback(lambda _: None).cancel()
        self.clock.advance(2.0)
        self.assertEqual(self.names(), ["first:latest"])
        self.clock.advance(60.0)
        self.assertEqual(self.names(), [])

    def test_expires(self) -> None:
        """Its time begins when the last request has ended."""
        self.use(FIRST, work=100.0)
        self.clock.pump([2.0, 100.0, 59.0])
        self.assertEqual(self.names(), ["first:latest"])
        self.clock.advance(1.0)
        self.assertEqual((self.names(), self.engine.done[-1]), ([], "unload first:latest"))

    def test_at_once(self) -> None:
        """With nothing to keep it for it goes with its request."""
        self.use(FIRST, keep=0.0)
        self.clock.pump([2.0, 1.0])
        self.assertEqual(self.engine.done, ["load first:latest", "unload first:latest"])

    def test_for_ever(self) -> None:
        """One that is to stay stays, and nothing is scheduled for it."""
        self.use(FIRST, keep=math.inf)
        self.clock.pump([2.0, 1.0])
        self.assertEqual((self.names(), self.clock.getDelayedCalls()), (["first:latest"], []))

    def test_unload_waits(self) -> None:
        """A model in use is not taken away."""
        self.use(FIRST, work=5.0)
        self.clock.advance(2.0)
        self.memory.unload(FIRST)
        self.assertEqual(self.names(), ["first:latest"])

    def test_makes_room(self) -> None:
        """When all room is taken, the idle one that would go first goes."""
        self.use(FIRST)
        self.use(SECOND, keep=30.0)
        self.clock.pump([2.0, 1.0])
        self.use(invent("third", FIRST.modified_at))
        self.clock.advance(2.0)
        self.assertEqual(sorted(self.names()), ["first:latest", "third:latest"])

    def test_load_fails(self) -> None:
        """A load that fails is everybody's failure, and the next request tries again."""
        self.engine.fails = True
        failed: list[Any] = []
        for _ in range(2):
            self.use(FIRST).addErrback(failed.append)
        self.clock.advance(2.0)
        self.assertEqual([each.type for each in failed], [RuntimeError, RuntimeError])
        self.engine.fails = False
        self.use(FIRST)
        self.clock.advance(2.0)
        self.assertEqual(self.names(), ["first:latest"])
