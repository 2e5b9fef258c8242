"""How a run of tests ended: the counts of its last line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from twisted.trial.reporter import Reporter


class Summary(NamedTuple):
    """How many tests ended in which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @classmethod
    def of(cls, result: Reporter) -> Summary:
        """
        Count tests, not reports: one test may fail and leave errors behind as well.

        A module that cannot be imported is an error, hence a failure; a test
        that is expected to fail and does counts as skipped.
        """
        broken = [*result.failures, *result.errors, *result.unexpectedSuccesses]
        return cls(
            passed=result.successes,
            failed=len({id(each[0]) for each in broken}),
            skipped=len(result.skips) + len(result.expectedFailures),
        )

    @classmethod
    def total(cls, summaries: Iterable[Summary]) -> Summary:
        """All of them together."""
        return cls(*map(sum, zip(*summaries, cls(), strict=True)))

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @property
    def exit_code(self) -> int:
        """For the shell; a run of no tests at all is not a success."""
        return 0 if self.passed and not self.failed else 1
