"""Which models are loaded, and until when."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ollama_twisted.simulator.engine import Engine
from ollama_twisted.simulator.library import Model

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def keep_alive(value: Any) -> float:
    """
    Seconds for which a model stays loaded, as Ollama reads them.

    A number is seconds, a text is a Go duration such as ``1h30m``; what is
    negative means for ever.  Raises ValueError for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"Unsupported type: '{type(value).__name__}'")
    seconds = _duration(value) if isinstance(value, str) else float(value)
    return math.inf if seconds < 0 else seconds


def _duration(text: str) -> float:
    body = text.lstrip("+-")
    sign = -1.0 if text.startswith("-") else 1.0
    if body == "0":
        return 0.0
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


@dataclass(slots=True)
class Loaded:
    """A model that is loaded, or being loaded."""

    model: Model
    keep_alive: float
    context: int | None = None
    expires_at: float = math.inf
    in_use: int = 0
    begun: bool = False
    ready: bool = False
    awaiting: list[Deferred[None]] = field(default_factory=list)
    unused: list[Deferred[None]] = field(default_factory=list)


class Memory:
    """
    The loaded models of a node.

    A model is loaded by the first request that needs it; who comes meanwhile
    waits for the same load, which goes on when the first one leaves.
    """

    _log = Logger()

    def __init__(
        self, engine: Engine, clock: IReactorTime, most: int = 0, keep_alive: float = 300.0
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._most = most
        self._keep_alive = keep_alive
        self._loaded: dict[str, Loaded] = {}
        self._next: IDelayedCall | None = None
        #: How many loads were begun.
        self.loads = 0

    def loaded(self) -> list[Loaded]:
        """What is ready, that which stays longest first."""
        ready = [each for each in self._loaded.values() if each.ready]
        return sorted(ready, key=self._left, reverse=True)

    def left(self, entry: Loaded) -> float:
        """For how many more seconds it will stay."""
        return self._left(entry) - self._clock.seconds()

    @asynccontextmanager
    async def use(
        self, model: Model, keep: float | None, context: int | None = None
    ) -> AsyncIterator[float]:
        """
        Have the model loaded for as long as the block lasts; gives the seconds it took.

        One that is loaded with another context than is asked for is loaded again, as
        soon as nobody uses it.

        Afterwards it is kept for as long as the last request asked, or as is usual here.
        """
        asked = self._clock.seconds()
        entry = await self._with_context(model, context)
        if entry is None:
            await self._make_room()
            new = Loaded(model, self._keep_alive, context)
            entry = self._loaded.setdefault(model.name, new)
        entry.in_use += 1
        try:
            if not entry.ready:
                await self._loading(entry)
            entry.keep_alive = self._keep_alive if keep is None else keep
            yield self._clock.seconds() - asked
        finally:
            entry.in_use -= 1
            if not entry.in_use:
                while entry.unused:
                    entry.unused.pop(0).callback(None)
            entry.expires_at = self._clock.seconds() + entry.keep_alive
            self._expire()

    def unload(self, model: Model) -> None:
        """Let it go as soon as nobody uses it."""
        entry = self._loaded.get(model.name)
        if entry is not None:
            entry.keep_alive = 0.0
            entry.expires_at = self._clock.seconds()
            self._expire()

    async def stop(self) -> None:
        """Let everything go."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._loaded.clear()
        await self._engine.stop()

    async def _with_context(self, model: Model, context: int | None) -> Loaded | None:
        """The model if it is loaded as is asked; else it is not loaded any more."""
        while (entry := self._loaded.get(model.name)) is not None:
            if context is None or context == (entry.context or model.context_length):
                break
            if not entry.in_use:
                await self._let_go(entry)
                return None
            waiter: Deferred[None] = Deferred(entry.unused.remove)
            entry.unused.append(waiter)
            await waiter
        return entry

    def _left(self, entry: Loaded) -> float:
        return self._clock.seconds() + entry.keep_alive if entry.in_use else entry.expires_at

    def _loading(self, entry: Loaded) -> Deferred[None]:
        waiter: Deferred[None] = Deferred(entry.awaiting.remove)
        entry.awaiting.append(waiter)
        if not entry.begun:
            entry.begun = True
            self.loads += 1
            work = Deferred.fromCoroutine(self._engine.load(entry.model))
            work.addCallbacks(self._came, self._failed, (entry,), {}, (entry,))
            work.addErrback(lambda failure: self._log.failure("loading", failure))
        return waiter

    def _came(self, _: None, entry: Loaded) -> None:
        entry.ready = True
        entry.expires_at = self._clock.seconds() + entry.keep_alive
        while entry.awaiting:
            entry.awaiting.pop(0).callback(None)
        self._expire()

    def _failed(self, failure: Failure, entry: Loaded) -> None:
        self._loaded.pop(entry.model.name, None)
        while entry.awaiting:
            entry.awaiting.pop(0).errback(failure)

    async def _make_room(self) -> None:
        idle = [each for each in self.loaded() if not each.in_use]
        if self._most and len(self._loaded) >= self._most and idle:
            await self._let_go(idle[-1])

    async def _let_go(self, entry: Loaded) -> None:
        del self._loaded[entry.model.name]
        await self._engine.unload(entry.model)

    def _expire(self) -> None:
        """Let go what has had its time, and come again when the next has."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        now = self._clock.seconds()
        idle = [each for each in self._loaded.values() if each.ready and not each.in_use]
        for entry in [each for each in idle if each.expires_at <= now]:
            idle.remove(entry)
            work = Deferred.fromCoroutine(self._let_go(entry))
            work.addErrback(lambda failure: self._log.failure("unloading", failure))
        soonest = min((each.expires_at for each in idle), default=math.inf)
        if soonest < math.inf:
            self._next = self._clock.callLater(max(0.0, soonest - now), self._expire)
