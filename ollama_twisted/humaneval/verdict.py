"""What came of a candidate, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """The ways in which it can end."""

    PASSED = "passed"
    FAILED = "failed"
    """The program or its test raised."""
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    ENDED = "ended"
    """The process ended without a verdict."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One candidate's.  Times are in seconds; both are 0 when it could not be measured."""

    reason: Reason
    detail: str = ""
    wall: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0

    @property
    def passed(self) -> bool:
        return self.reason is Reason.PASSED


def read(said: str) -> tuple[Reason, str]:
    """What the jail's words mean."""
    if said == "passed":
        return Reason.PASSED, ""
    if said == "timeout":
        return Reason.TIMEOUT, ""
    word, _, detail = said.partition(" ")
    if word == "failed":
        return (Reason.MEMORY if detail.startswith("MemoryError") else Reason.FAILED), detail
    return Reason.ENDED, said
