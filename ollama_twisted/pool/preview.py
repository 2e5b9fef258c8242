"""What would become of a request if it came now: who may serve it, who would, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ollama_twisted.pool.eligibility import Refusal, Want, lacks
from ollama_twisted.pool.models import ModelName
from ollama_twisted.pool.node import Node


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
