"""Completions of the problems: as they should be, wrong, and changed a little."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ollama_twisted.humaneval.problems import Problem

_CHANGES = (
    (" + 1", " + 2"),
    (" - 1", ""),
    (" < ", " <= "),
    (" > ", " >= "),
    (" == ", " != "),
    (" and ", " or "),
    ("True", "False"),
    ("[0]", "[-1]"),
    ("sorted(", "list("),
    ("range(1,", "range(0,"),
    ("max(", "min("),
    ("lower()", "upper()"),
    (" % 2", " % 3"),
    ("return ", "return not "),
)

# Each is put in front of a body that would be right.
_ODD = (
    "    import sys\n    sys.exit(0)\n",
    "    raise SystemExit\n",
    "    raise KeyboardInterrupt\n",
    "    input()\n",
    "    import os\n    os.getcwd()\n",
    "    import os\n    os._exit(0)\n",
    "    print('a' * 1000)\n",
    "    this is no Python\n",
    "    while True:\n        pass\n",
    "    import resource\n",
    "    assert False\n",
    "    help('os')\n",
    "    from collections import Counter\n    import math, re, itertools\n",
    "    open('mine', 'w').write('1')\n",
    "    import sys\n    sys.setrecursionlimit(5000)\n",
    "    print(__name__)\n    assert __name__ != '__main__'\n",
    "    import sys\n    print('\\ud800', file=sys.stderr)\n",
)


def right(problems: Sequence[Problem]) -> list[str]:
    """The solutions that came with the problems."""
    return [each.canonical_solution for each in problems]


def wrong(problems: Sequence[Problem]) -> list[str]:
    """Answers that are right nowhere."""
    return ["    return 'wrong'\n" if n % 2 else "    pass\n" for n, _ in enumerate(problems)]


def mixed(problems: Sequence[Problem], seed: int = 7) -> list[str]:
    """Solutions with a change that may break them, or may not."""
    random = Random(seed)
    made = []
    for number, each in enumerate(problems):
        body = each.canonical_solution
        if number < len(_ODD):
            made.append(_ODD[number] + body)
            continue
        possible = [change for change in _CHANGES if change[0] in body]
        if possible and random.random() < 0.8:
            body = body.replace(*random.choice(possible), 1)
        made.append(body)
    return made
