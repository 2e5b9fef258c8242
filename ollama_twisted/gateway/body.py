"""A request's body, kept so that it can be sent to a second node if the first one fails."""

from __future__ import annotations

import mmap
from tempfile import TemporaryFile
from typing import BinaryIO

from ollama_twisted.wire.ask import Ask, ask_of
from ollama_twisted.wire.framing import ChunkedBody
from ollama_twisted.wire.head import BadRequest, RequestHead
from ollama_twisted.wire.routes import Route

#: Bytes of a body that must come each second on average, once it has had its first time.
SLOWEST = 1024


class Body:
    """
    The bytes of one request's body: in memory up to a bound, in a file beyond it.

    It is whole before any node is asked, so a client that sends slowly holds no
    place on a node, and a second attempt sends the same bytes again.

    @raise BadRequest: its head says that it is longer than it may be.
    """

    #: What sets its limit, for those who meet it.
    limited_by = "gateway.max_body"

    __slots__ = ("_bound", "_file", "_framing", "_length", "_limit", "_parts", "ended", "size")

    def __init__(
        self, bound: int = 2**20, head: RequestHead | None = None, limit: int = 2**63
    ) -> None:
        self._bound = bound
        self._limit = limit
        self._length = head.length if head is not None else 0
        if self._length > limit:
            raise too_long(limit, self.limited_by)
        self._framing = ChunkedBody() if head is not None and head.chunked else None
        self._parts: list[bytes] = []
        self._file: BinaryIO | None = None
        self.size = 0
        #: Nothing more of it will come.
        self.ended = self._framing is None and not self._length

    def feed(self, data: bytes) -> bytes:
        """
        Take what the client has sent; what came behind the body's end is given back.

        @raise BadRequest: it is longer than it may be.
        @raise FramingError: nothing after these bytes means anything.
        """
        if self._framing is not None:
            _, payload, self.ended, rest = self._framing.feed(data)
            if self.size + len(payload) > self._limit:
                raise too_long(self._limit, self.limited_by)
        else:
            missing = self._length - self.size
            payload, rest = data[:missing], data[missing:]
            self.ended = len(payload) == missing
        if payload:
            self.add(payload)
        return rest

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
    def length(self) -> int:
        """How long it is, once it has ended."""
        return self.size

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

    def ask(self, route: Route, head: RequestHead, looks: bool) -> Ask:
        """What the request asks for; ``looks``: also what tells which node is ready for it."""
        return ask_of(route, head, self.whole(), looks)

    def close(self) -> None:
        """Forget the body.  Call it once no node can be asked again."""
        self._parts = []
        if self._file is not None:
            self._file.close()
            self._file = None


#: That of all requests that have none: nothing is ever added to it.
NO_BODY = Body()


def too_long(limit: int, limited_by: str) -> BadRequest:
    """What is said of a body that is longer than it may be, and by which setting."""
    return BadRequest(413, f"the body is longer than {limit} bytes (see {limited_by})")
