"""A simulated node: what it has, what it holds in memory, what it is doing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from ollama_twisted.simulator.ask import BadAsk
from ollama_twisted.simulator.engine import Engine
from ollama_twisted.simulator.faults import Faults
from ollama_twisted.simulator.library import Library, Model
from ollama_twisted.simulator.memory import Memory
from ollama_twisted.simulator.places import Places
from ollama_twisted.simulator.stamps import Stamps


@dataclass(slots=True)
class Counts:
    """
    What has come and gone.

    Each request is active until it is finished, cancelled (its client left) or
    broken (by a fault).
    """

    connections: int = 0
    requests: int = 0
    active: int = 0
    finished: int = 0
    cancelled: int = 0
    broken: int = 0
    tokens: int = 0
    paths: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a node can do at a time; 0 means without limit."""

    places: int = 4
    queue: int = 512
    loaded: int = 3
    pull_time: float = 1.0
    keep_alive: float = 300.0


class Node:
    """One Ollama server, as far as a client can tell."""

    def __init__(
        self,
        engine: Engine,
        clock: IReactorTime,
        stamps: Stamps,
        faults: Faults,
        limits: Limits,
        models: Iterable[str],
        version: str,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.stamps = stamps
        self.faults = faults
        self.limits = limits
        self.version = version
        self.counts = Counts()
        self.library = Library(engine.describe(name, stamps.now()) for name in models)
        self.memory = Memory(engine, clock, limits.loaded, limits.keep_alive)
        self.places = Places(limits.places, limits.queue)
        #: Held by whoever makes the node deaf to all others meanwhile.
        self.ears = DeferredLock()
        self._number = 0

    def number(self) -> int:
        """A number for an answer to be known by; always the same on a frozen node."""
        self._number += not self.stamps.frozen
        return self._number

    def model(self, name: str, needs: Iterable[str] = ()) -> Model:
        """The model of that name, if it is here and can do what is needed."""
        model = self.library.find(name)
        if model is None:
            raise BadAsk(404, f"model '{name}' not found")
        for capability in needs:
            if capability not in model.capabilities:
                raise BadAsk(400, f'"{name}" does not support {capability}')
        return model

    def state(self) -> dict[str, Any]:
        """What is going on, for whoever runs an experiment."""
        return {
            **asdict(self.counts),
            "waiting": self.places.waiting,
            "loads": self.memory.loads,
            "loaded": [each.model.name for each in self.memory.loaded()],
            "faults": [str(each) for each in self.faults.rules],
        }
