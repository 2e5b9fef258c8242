"""A gateway as it is at one moment, for whoever tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ollama_twisted.pool.node import Node
from ollama_twisted.pulse.shape import Failure, Rate
from ollama_twisted.web.loaded import Model


class Rates(NamedTuple):
    """How fast a node works, or the gateway."""

    requests: Rate = None
    tokens: Rate = None
    bytes: Rate = None
    first_token: Rate = None
    failures: Rate = None


#: Of what was looked at less than twice.
UNKNOWN = Rates()


class Use(NamedTuple):
    """How much a model is asked for."""

    in_flight: int = 0
    rates: Rates = UNKNOWN


class Seen(NamedTuple):
    """A node, where it answered last, and what is known of it beyond what the pool knows."""

    node: Node
    url: str
    loaded: tuple[Model, ...] = ()
    rates: Rates = UNKNOWN
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """The gateway.  ``now`` is of the clock of the pool, ``date`` the same in words."""

    now: float
    date: str
    nodes: tuple[Seen, ...]
    rates: Rates = UNKNOWN
    version: str = ""
    strategy: str = ""
    notice: str = ""
    started: str = ""
    clients: int = 0
    waiting: int = 0
    max_waiting: int = 0
    models: Mapping[str, Use] = field(default_factory=dict)

    @property
    def in_flight(self) -> int:
        """Requests that nodes work on."""
        return sum(each.node.in_flight for each in self.nodes)
