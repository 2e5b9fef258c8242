"""
Runs the tests with trial and ends with one line that a person and a machine can read.

``python -m tests.run`` runs everything; ``python -m tests.run tests.pool`` a
part.  The last line is ``N passed, N failed, N skipped``, and the exit code
is 0 only if something ran and nothing failed.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import NamedTuple

from twisted.trial.reporter import Reporter, TreeReporter
from twisted.trial.runner import TestLoader, TrialRunner

from tests import parts


class Summary(NamedTuple):
    """How many tests ended in which way."""

    passed: int
    failed: int
    skipped: int

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

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @property
    def exit_code(self) -> int:
        """For the shell; a run of no tests at all is not a success."""
        return 0 if self.passed and not self.failed else 1


def main(arguments: Sequence[str]) -> int:
    """Run the named tests, or all, and print the summary."""
    suite = TestLoader().loadByNames(list(arguments) or ["tests"], recurse=True)
    result = TrialRunner(TreeReporter, stream=sys.stdout, uncleanWarnings=False).run(suite)
    summary = Summary.of(result)
    # Whatever complains on its way out shall do so before the last line.
    del suite, result
    gc.collect()
    sys.stderr.flush()
    if parts.missing:
        wanted = (f"{each} ({parts.PACKAGES.get(each, '?')})" for each in sorted(parts.missing))
        print("\nNot tested, because these parts are missing here:", "; ".join(wanted))
    print(f"\n{summary}", flush=True)
    return summary.exit_code


if __name__ == "__main__":
    # As Twisted's own trial command does: log events may hold what a terminal cannot show.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))
