"""What would become of a request if it came now: who may serve it, who would, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ollama_twisted.pool.eligibility import Refusal, Want, lacks
from ollama_twisted.pool.models import ModelName
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.selection import Strategy


class Verdict(Enum):
    """What would happen."""

    SEND = "send"
    WAIT = "wait in line"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Preview:
    """
    The decision that would be taken now, as far as it is not up to chance.

    ``judged`` is every node with the reason against it, ``best`` are those among
    whom the strategy would choose, and ``why`` is what they have in common.
    """

    want: Want
    judged: tuple[tuple[Node, Refusal | None], ...]
    best: tuple[Node, ...]
    why: str
    verdict: Verdict

    @property
    def fallback(self) -> bool:
        """Has nobody the model, so that all whom its size fits may be asked for it?"""
        if self.want.model is None:
            return False
        name = ModelName.parse(self.want.model)
        may = [node for node, refusal in self.judged if refusal is None or refusal.passing]
        return bool(may) and all(lacks(node, name) for node in may)


def foretold(
    want: Want,
    judged: Iterable[tuple[Node, Refusal | None]],
    strategy: Strategy,
    line_has_room: bool,
) -> Preview:
    """What follows from the reasons against each node."""
    judged = tuple(judged)
    candidates = [node for node, refusal in judged if refusal is None]
    if candidates:
        best = tuple(strategy.best(candidates, want))
        return Preview(want, judged, best, strategy.why, Verdict.SEND)
    may = any(refusal is not None and refusal.passing for _, refusal in judged)
    waits = may and line_has_room
    return Preview(want, judged, (), "", Verdict.WAIT if waits else Verdict.REFUSE)
