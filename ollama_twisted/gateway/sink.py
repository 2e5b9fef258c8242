"""What an answer's body goes to, part by part, as it comes from a node."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Who takes an answer's body.  After ``ended`` or ``broke`` it is told no more."""

    def part(self, forward: bytes, payload: bytes) -> None:
        """Some of the body: as it is framed, and what it carries."""

    def ended(self) -> None:
        """That was all of it."""

    def broke(self, why: str, at_boundary: bool) -> None:
        """The rest will never come; ``at_boundary``: no chunk is half sent."""
