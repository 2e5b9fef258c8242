"""Which nodes may serve what, remembered from one request to the next."""

from __future__ import annotations

from collections.abc import Callable

from ollama_twisted.pool.eligibility import Refusal, Want, refusals
from ollama_twisted.pool.models import LONGEST_NAME
from ollama_twisted.pool.node import Node
from ollama_twisted.services import Service

#: Names whose nodes are remembered; an outsider's inventions push out no more than that.
REMEMBERED = 1024

#: A model, if one is asked for, and what it is asked to do.
Key = tuple[str | None, Service]


class Known:
    """
    The nodes by what is asked, and in words why the others may not serve it.

    Whoever asks chooses the names: neither their number nor their length may fill
    the memory.  ``judge`` tells of each node why it may not serve a request, or ``None``.
    """

    __slots__ = ("_judge", "nodes", "passed_over")

    def __init__(self, judge: Callable[[Want], list[tuple[Node, Refusal | None]]]) -> None:
        self._judge = judge
        self.nodes: dict[Key, tuple[Node, ...]] = {}
        self.passed_over: dict[Key, str] = {}

    def find(self, want: Want) -> tuple[Node, ...]:
        """Those that may serve the request; so it is, until it is forgotten."""
        key = want.model, want.service
        found = self.nodes.get(key)
        if found is None:
            judged = self._judge(want)
            found = tuple(node for node, refusal in judged if refusal is None)
            self._remember(key, found, refusals(judged))
        return found

    def _remember(self, key: Key, nodes: tuple[Node, ...], passed_over: str) -> None:
        model, _ = key
        if model is None or len(model) <= LONGEST_NAME:
            if len(self.nodes) >= REMEMBERED:
                self.forget()
            self.nodes[key] = nodes
            self.passed_over[key] = passed_over

    def forget(self) -> None:
        """It must be asked anew."""
        self.nodes.clear()
        self.passed_over.clear()
