"""Looking at the ports time and again: the first tool that works is kept until it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from ollama_twisted.probe.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes to assume for each connection where nothing can count them."""

    sent: int
    received: int


class Prober:
    """
    Keeps a fresh snapshot of some ports.

    ``start`` begins to look every ``interval`` seconds; ``stop`` ends every child
    and fires when they are gone.  ``probe`` looks once, now; calls during a look
    share its result, so there is never more than one.  It never fails: what went
    wrong stands in the snapshot.
    """

    def __init__(
        self,
        reactor: Any,
        ports: Sequence[int],
        *,
        interval: float = 2.0,
        estimate: Estimate | None = None,
        platform: str = "linux",
    ) -> None:
        self.snapshot = Snapshot()

    def start(self) -> Deferred[Snapshot]:
        """Begin; fires with the first snapshot."""
        raise NotImplementedError

    def stop(self) -> Deferred[None]:
        """End the loop and every child."""
        raise NotImplementedError

    def probe(self) -> Deferred[Snapshot]:
        """Look once."""
        raise NotImplementedError

    def watch(self, changed: Callable[[Snapshot], None]) -> Callable[[], None]:
        """Have every new snapshot told; returns what ends that."""
        raise NotImplementedError
