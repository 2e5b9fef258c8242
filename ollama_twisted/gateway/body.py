"""A request's body, kept so that it can be sent to a second node if the first one fails."""

from __future__ import annotations

import mmap
from tempfile import TemporaryFile
from typing import BinaryIO


class Body:
    """
    The bytes of one request's body: in memory up to a bound, in a file beyond it.

    It is whole before any node is asked, so a client that sends slowly holds no
    place on a node, and a second attempt sends the same bytes again.
    """

    __slots__ = ("_bound", "_file", "_parts", "size")

    def __init__(self, bound: int = 2**20) -> None:
        self._bound = bound
        self._parts: list[bytes] = []
        self._file: BinaryIO | None = None
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self._file is not None:
            self._file.write(data)
            return
        self._parts.append(data)
        if self.size > self._bound:
            self._file = TemporaryFile(prefix="ollama-gateway-")  # noqa: SIM115
            self._file.writelines(self._parts)
            self._parts.clear()

    @property
    def spooled(self) -> BinaryIO | None:
        """The file that holds the body, at its start; ``None`` while it is in memory."""
        if self._file is not None:
            self._file.seek(0)
        return self._file

    def whole(self) -> bytes | mmap.mmap:
        """All of it, to look into.  A file is mapped rather than read."""
        if self._file is not None:
            self._file.flush()
            return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    def close(self) -> None:
        """Forget the body.  Call it once no node can be asked again."""
        self._parts = []
        if self._file is not None:
            self._file.close()
            self._file = None
