"""
The file of results: one object a line, each written whole or not at all, and
read again by the run that goes on where another ended.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ollama_twisted.humaneval.prompt import Recipe

if os.name == "posix":
    import fcntl

Row = Mapping[str, Any]


class JournalError(Exception):
    """The file is not one to go on with; says what to do."""


class CannotWrite(Exception):
    """There is no room, or no right, to write.  What was written stays whole."""


class Journal:
    """A file of results that is open for more.  ``rows`` are those it had."""

    def __init__(self, path: Path, recipe: Recipe, resume: bool = True) -> None:
        self.path = path
        self.rows: list[Row] = []
        self._recipe = {**recipe.as_row(), "problems": recipe.problems}
        try:
            if path.exists() and not path.is_file():
                raise JournalError(f"{path} is no file that results can be kept in")
            if not resume and path.exists() and path.stat().st_size:
                path.replace(path.with_name(path.name + ".old"))
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise CannotWrite(f"{path}: {error.strerror}") from error
        try:
            self._lock()
            self._end = self._read()
        except BaseException:
            self._file.close()
            raise

    def append(self, row: Row) -> None:
        """Write one more; raises `CannotWrite`, having left the file as it was."""
        line = json.dumps({**row, "recipe": self._recipe}) + "\n"
        data = line.encode("ascii")
        try:
            done = 0
            while done < len(data):
                done += self._file.write(data[done:])
        except OSError as error:
            self._cut()
            spared = self._spare(data)
            raise CannotWrite(f"{self.path}: {error.strerror}; {spared}") from error
        self._end += len(data)

    def close(self) -> None:
        """Have all that was written on the disk, as far as the system says so."""
        if self._file.closed:
            return
        with suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()
        if not self._end:
            with suppress(OSError):
                self.path.unlink()

    def _lock(self) -> None:
        if os.name != "posix":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError(f"another run writes to {self.path}") from error

    def _read(self) -> int:
        self._file.seek(0)
        data = self._file.read()
        end = data.rfind(b"\n") + 1
        if end < len(data):  # a line that was cut when the run before was
            self._file.truncate(end)
        for number, line in enumerate(data[:end].splitlines(), 1):
            try:
                row = json.loads(line)
                recipe = row["recipe"]
                row["model"], row["task_id"], row["sample"], row["passed"]
            except (ValueError, KeyError, TypeError) as error:
                raise JournalError(
                    f"{self.path}, line {number} is no result: name another file with --out"
                ) from error
            if recipe != self._recipe:
                raise JournalError(f"{self.path} {_difference(recipe, self._recipe)}")
            self.rows.append(row)
        return end

    def _cut(self) -> None:
        with suppress(OSError):
            self._file.truncate(self._end)

    def _spare(self, data: bytes) -> str:
        """Put a result that has no room elsewhere."""
        try:
            handle, name = tempfile.mkstemp(prefix="ollama-humaneval-", suffix=".jsonl")
            with open(handle, "wb") as file:
                file.write(data)
        except OSError:
            return "the last answer is lost and will be asked for again"
        return f"the last result is in {name}"


def _difference(theirs: Any, ours: Mapping[str, Any]) -> str:
    theirs = theirs if isinstance(theirs, dict) else {}
    told = [
        f"{name} {theirs.get(name)!r}, not {value!r}"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    return f"was made with {'; '.join(told)}: name another file with --out, or say --no-resume"
