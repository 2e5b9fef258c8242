"""The body of a blob: its digest and its length are kept, its bytes are not."""

from __future__ import annotations

from hashlib import sha256
from io import RawIOBase
from typing import Any


class Hashed(RawIOBase):
    """A file that forgets what is written to it, so that a blob may be of any size."""

    def __init__(self) -> None:
        super().__init__()
        self._hash = sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """The digest of all that was written, as blobs are named by it."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: Any) -> int:
        """Take some of the blob."""
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        """The number of bytes so far."""
        return self.size

    def seek(self, offset: int, whence: int = 0) -> int:
        """Twisted goes back to the beginning before it hands a body over."""
        return offset
