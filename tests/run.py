"""
Runs the tests with trial and ends with one line that a person and a machine can read.

``python -m tests.run`` runs everything, in several lanes at a time; ``python -m tests.run
tests.pool`` a part, in this process; ``--lanes N`` says how many lanes there are for
everything, and 1 is this process.  The last line is ``N passed, N failed, N skipped``, and
the exit code is 0 only if something ran and nothing failed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from twisted.trial.reporter import TreeReporter
from twisted.trial.runner import TestLoader, TrialRunner

from tests import jobs, lanes, parts
from tests.summary import Summary


def run(names: Sequence[str], folder: str = "_trial_temp") -> Summary:
    """Run what is named in this process."""
    suite = TestLoader().loadByNames(list(names), recurse=True)
    result = TrialRunner(
        TreeReporter, stream=sys.stdout, uncleanWarnings=False, workingDirectory=folder
    ).run(suite)
    summary = Summary.of(result)
    # Whatever complains on its way out shall do so before the last line.
    del suite, result
    gc.collect()
    sys.stderr.flush()
    return summary


def serve() -> None:
    """Be a lane: run each job that standard input names, and tell how it ended."""
    with os.fdopen(os.dup(0)) as named:
        # What the tests start shall not read on there.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for line in named:
            names = line.split()
            # Trial empties a folder before it is used; the log of each job shall stay.
            summary = run(names, f"_trial_temp.lanes/{names[0]}/_trial_temp")
            told = json.dumps([summary, sorted(parts.missing)])
            print(f"\n{lanes.END}{told}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Run the named tests, or all, and print the summary."""
    parser = ArgumentParser(prog="python -m tests.run")
    parser.add_argument("names", nargs="*", help="packages, modules, classes, tests; all if none")
    parser.add_argument("--lanes", type=int, default=lanes.usual(), help="processes at a time")
    parser.add_argument("--serve", action="store_true", help="be one of them")
    asked = parser.parse_args(arguments)
    if asked.serve:
        serve()
        return 0
    if asked.names or asked.lanes == 1:
        summary = run(asked.names or ["tests"])
    else:
        try:
            summary = lanes.run(jobs.everything(), asked.lanes)
        except KeyboardInterrupt:
            print("\ninterrupted")
            return 130
    if parts.missing:
        wanted = (f"{each} ({parts.PACKAGES.get(each, '?')})" for each in sorted(parts.missing))
        print("\nNot tested, because these parts are missing here:", "; ".join(wanted))
    print(f"\n{summary}", flush=True)
    return summary.exit_code


if __name__ == "__main__":
    # As Twisted's own trial command does: log events may hold what a terminal cannot show.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))
