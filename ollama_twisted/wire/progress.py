"""
What several nodes tell of one pull, create or push, as one stream that a client understands.

Ollama's clients draw a bar for each digest, as long as the first ``total`` that they
are told of it, and take ``{"status": "success"}`` or ``{"error": ...}`` for the end.
So a layer's total is that of all nodes from the first line on, what is completed
never goes back, and the end comes once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ollama_twisted.wire.results import Result, verdict

#: Layers that are added up, and steps that are told apart; no model has as many.
MOST = 1024
_LARGEST = 2**60


class _Layer:
    """One layer on its way to all nodes."""

    __slots__ = ("completed", "share")

    def __init__(self) -> None:
        #: What one node has to move, as far as anybody has told.
        self.share = 0
        self.completed: dict[str, int] = {}


class Progress:
    """The nodes' progress.  ``verb`` is what they do: "pull"."""

    def __init__(self, nodes: Iterable[str], verb: str) -> None:
        self._nodes = tuple(nodes)
        self._verb = verb
        self._layers: dict[str, _Layer] = {}
        self._steps: set[str] = set()
        self._results: dict[str, Result] = {}

    def told(self, node: str, line: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a client is told of a line of one node's; ``None``: nothing."""
        if node in self._results:
            return None
        error, status, digest = line.get("error"), line.get("status"), line.get("digest")
        if error is not None:
            return self.failed(node, error if isinstance(error, str) else "it failed")
        if status == "success":
            return self._succeeded(node)
        if not isinstance(status, str):
            return None
        if isinstance(digest, str) and (digest in self._layers or len(self._layers) < MOST):
            return self._moved(node, status, digest, line)
        if status in self._steps or len(self._steps) >= MOST:
            return None
        self._steps.add(status)
        return {"status": status, "node": node}

    def _moved(
        self, node: str, status: str, digest: str, line: Mapping[str, Any]
    ) -> dict[str, Any]:
        layer = self._layers.setdefault(digest, _Layer())
        layer.share = max(layer.share, _bytes(line.get("total")))
        # A node that begins a layer anew has less of it than it said before.
        layer.completed[node] = max(layer.completed.get(node, 0), _bytes(line.get("completed")))
        return {"status": status, "digest": digest, **self._sum(layer), "node": node}

    def _sum(self, layer: _Layer) -> dict[str, int]:
        total = layer.share * len(self._nodes)
        # A node that is done has all of it, even if it did not tell of each layer.
        done = self.done
        completed = layer.share * len(done) + sum(
            min(each, layer.share) for node, each in layer.completed.items() if node not in done
        )
        # As Ollama writes it: a zero is left out.
        return {"total": total} | ({"completed": completed} if completed else {})

    def _succeeded(self, node: str) -> dict[str, Any] | None:
        self._results[node] = Result(node, 200)
        left = len(self._nodes) - len(self._results)
        return {"status": f"{node}: success", "node": node} if left else None

    def failed(self, node: str, error: str, status: int = 502) -> dict[str, Any] | None:
        """A node has failed, or has ended without a word of success; the others go on."""
        if node in self._results:
            return None
        self._results[node] = Result(node, status, error)
        return {"status": f"{node}: {error}", "node": node}

    @property
    def done(self) -> list[str]:
        """The nodes that have succeeded."""
        return [node for node, result in self._results.items() if result.ok]

    def last(self) -> tuple[int, dict[str, Any]]:
        """What all of it came to: a status, if there is still one to be told, and the last line."""
        missing = (
            Result(node, 502, "it has told of no end")
            for node in self._nodes
            if node not in self._results
        )
        return verdict((*self._results.values(), *missing), self._verb, {"status": "success"})


def _bytes(value: Any) -> int:
    """A number of bytes as a node told it; whatever else stood there is none."""
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return value if usable else 0
