"""
One line an exchange, written in batches and away from the reactor's thread.

A full disk or a stuck pipe loses lines, which are counted; it never holds up a
request.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from twisted.logger import Logger

from ollama_twisted.gateway.logline import as_json, as_text
from ollama_twisted.record import Record

_log = Logger()

#: Lines that wait to be written; beyond it the newest are dropped.
MAX_WAITING = 20_000

Run = Callable[[Callable[[], None], Callable[[], None]], Any]


class AccessLog:
    """
    Where exchanges are written down.

    A line is made at once, since a batch of thousands would hold up whoever
    streams at that moment; only the writing, which may block, goes elsewhere.

    @param path: a file's path, or ``-`` for standard output.
    @param run: calls its first argument where blocking is allowed, and then its
        second one back here.
    """

    def __init__(self, path: str, form: str, seconds: Callable[[], float], run: Run) -> None:
        self._path = path
        self._line = as_json if form == "json" else as_text
        self._run = run
        # Records carry monotonic times; people read wall clocks.
        self._seconds = seconds
        self._offset = time.time() - seconds()
        self._waiting: list[bytes] = []
        self._writing = False
        self._file: BinaryIO | None = None
        # Each is counted in one thread only.
        self._overflowed = 0
        self._lost = 0
        #: Why lines are lost at present, as the writer sees it and as it was said last.
        self._wrong = self._said = ""

    @property
    def dropped(self) -> int:
        """Lines that were never written."""
        return self._overflowed + self._lost

    def add(self, record: Record) -> None:
        """Write this exchange down, soon."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(self._line(record, self._offset))
        else:
            self._overflowed += 1

    def flush(self) -> None:
        """Have what waits written, unless the last batch is still on its way."""
        self._offset = time.time() - self._seconds()
        if self._waiting and not self._writing:
            batch, self._waiting = self._waiting, []
            self._writing = True
            self._run(lambda: self._write(batch), self._written)

    def begin(self) -> None:
        """Warn of a log that nobody can read: a daemon has no standard output."""
        if self._path == "-" and is_nowhere(1):
            _log.warn("standard output leads nowhere, so no request gets a line: --access-log FILE")

    def close(self) -> None:
        """Write what waits, here and now: the process is about to end."""
        batch, self._waiting = self._waiting, []
        self._write(batch)

    def _written(self) -> None:
        self._writing = False
        if self._wrong != self._said:
            self._said = self._wrong
            if self._wrong:
                _log.warn("the access log loses lines: {why}", why=self._wrong)
            else:
                _log.info("the access log is written again")

    def _write(self, batch: list[bytes]) -> None:
        try:
            output = self._output()
            output.write(b"".join(batch))
            output.flush()
            self._wrong = ""
        except (OSError, ValueError) as error:
            self._lost += len(batch)
            self._file = None
            self._wrong = str(error)

    def _output(self) -> BinaryIO:
        if self._path == "-":
            # twistd has put its own log where sys.stdout was.
            assert sys.__stdout__ is not None
            return cast(BinaryIO, sys.__stdout__.buffer)
        if self._file is not None and not self._rotated(self._file):
            return self._file
        self._file = open(self._path, "ab")  # noqa: SIM115
        return self._file

    def _rotated(self, file: BinaryIO) -> bool:
        """Has somebody moved the file away, as logrotate does?"""
        try:
            there, here = os.stat(self._path), os.fstat(file.fileno())
        except OSError:
            file.close()
            return True
        if (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev):
            return False
        file.close()
        return True


def is_nowhere(descriptor: int) -> bool:
    """Is whatever is written there thrown away?"""
    try:
        here, null = os.fstat(descriptor), os.stat(os.devnull)
    except OSError:
        return False
    return (here.st_dev, here.st_ino) == (null.st_dev, null.st_ino)
