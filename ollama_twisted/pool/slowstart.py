"""
How a node that comes back gets its share: a small part at first, the whole after a while.

Such a node works on nothing, so that whoever looks at that would send it all there
is; and it holds no model in memory, and has no conversation's beginning cached.
"""

from __future__ import annotations

from collections.abc import Collection
from math import inf

from ollama_twisted.pool.node import Node

#: Of its share, however short a time a node has been back.
LEAST = 0.1


def share(since: float, window: float) -> float:
    """The part of its share that a node gets which has been back for so many seconds."""
    return 1.0 if since >= window else max(LEAST, since / window)


class SlowStart:
    """
    The nodes that have come back lately.

    A node comes back that could not be given any request for some time: it was down,
    ejected, drained or disabled, or starting, or is new after a reload.  Those that are
    there when the gateway starts, as their first check tells, do not.
    """

    __slots__ = ("_awaited", "_away", "back")

    def __init__(self, nodes: Collection[Node]) -> None:
        #: Those of the first nodes whose first check is on its way.
        self._awaited = {node for node in nodes if node.config.enabled}
        self._away = set(nodes) - self._awaited
        #: Those that have not their whole share yet, and when they came back.
        self.back: dict[Node, float] = {}

    def look(self, nodes: Collection[Node], now: float) -> None:
        """These are the nodes that there are; must be called whenever one has turned."""
        self._awaited = {
            node for node in self._awaited.intersection(nodes) if node.health.unchecked
        }
        away = {node for node in nodes if not node.serves} - self._awaited
        for node in nodes:
            if node in self._away and node not in away and node.config.health.slow_start:
                self.back[node] = now
                # By turns, its first one is the next: whether it does well is seen soon.
                node.turn = -inf
        for node in self.back.keys() - (set(nodes) - away):
            del self.back[node]
            node.give(1.0)
        self._away = away
        self.grow(now)

    def grow(self, now: float) -> None:
        """Give each what is due to it by now."""
        for node, since in tuple(self.back.items()):
            part = share(now - since, node.config.health.slow_start)
            node.give(part)
            if part >= 1.0:
                del self.back[node]
