"""
A form (``multipart/form-data``) read while it comes: what it asks for, and where its file stands.

A form may hold hours of audio.  It is read piece by piece, as the pieces arrive,
and nothing of a file is kept: what a form says is known when its last byte is here.
"""

from __future__ import annotations

from collections.abc import Iterator

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

_LONGEST_VALUE = 4096  # nobody's model has such a name
_MOST_PARTS = 1000
_MOST_CUTS = 1000
_WANTED = frozenset({"model", "stream"})
# What servers written with FastAPI take for yes and for no.
_FLAGS = dict.fromkeys(("true", "1", "on", "yes", "t", "y"), True)
_FLAGS |= dict.fromkeys(("false", "0", "off", "no", "f", "n"), False)
_HEAD_END = b"\r\n\r\n"


class Form:
    """
    The fields that matter of one form; the first of each name counts, as in Go.

    What is malformed is read as far as it is not: complaining about it is the
    node's business.
    """

    __slots__ = ("_cuts", "_fed", "_parser", "_reading", "_size", "_start", "_tail", "_values")

    def __init__(self, content_type: bytes) -> None:
        self._parser: PushMultipartParser | None = _parser_for(content_type)
        self._values: dict[str, bytes] = {}
        #: The field whose value comes at present; empty within the first file.
        self._reading: str | None = None
        self._fed = 0
        self._start: int | None = None
        self._size: int | None = None
        #: While heads are looked for: how many may have been found, and the last bytes.
        self._cuts = 0
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Read the next piece; pieces may be cut anywhere."""
        if self._parser is None:
            return
        try:
            for piece in self._pieces(data):
                self._fed += len(piece)
                self._parse(piece)
        except (MultipartError, UnicodeError):
            self._parser = None

    @property
    def model(self) -> str | None:
        """The model that is asked for."""
        value = self._values.get("model", b"")
        return value.decode("utf-8", "replace") or None

    @property
    def stream(self) -> bool | None:
        """Whether the answer is to come piece by piece, if that is said."""
        value = self._values.get("stream", b"")
        return _FLAGS.get(value.decode("latin-1").strip().lower())

    @property
    def file(self) -> tuple[int, int] | None:
        """Where in the body the first file begins and ends, once it is here whole."""
        if self._start is None or self._size is None or self._reading == "":
            return None
        return self._start, self._start + self._size

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """
        ``data`` cut behind each empty line, while the file's head is still to come.

        So whoever has read a head has read nothing beyond it, and knows where it ends.
        """
        while self._start is None and self._cuts < _MOST_CUTS and data:
            known = len(self._tail)
            found = (self._tail + data).find(_HEAD_END)
            if found < 0:
                self._tail = (self._tail + data)[-3:]
                break
            end = found + len(_HEAD_END) - known
            self._cuts += 1
            self._tail = b""
            yield data[:end]
            data = data[end:]
        if data:
            yield data

    def _parse(self, piece: bytes) -> None:
        assert self._parser is not None
        for event in self._parser.parse(piece):
            if isinstance(event, MultipartSegment):
                self._begin(event)
            elif event is None:
                self._reading = None
            elif self._reading == "":
                self._size = (self._size or 0) + len(event)
            elif self._reading is not None:
                self._values[self._reading] += event
                if len(self._values[self._reading]) > _LONGEST_VALUE:
                    self._values[self._reading] = b""
                    self._reading = None

    def _begin(self, part: MultipartSegment) -> None:
        if part.filename is not None:
            if self._start is None and self._cuts < _MOST_CUTS:
                self._reading, self._start, self._size = "", self._fed, 0
        elif part.name in _WANTED and part.name not in self._values:
            self._reading = part.name
            self._values[part.name] = b""


def _parser_for(content_type: bytes) -> PushMultipartParser | None:
    kind, options = parse_options_header(content_type.decode("latin-1"))
    if kind != "multipart/form-data":
        return None
    try:
        boundary = options.get("boundary", "").encode("latin-1")
        return PushMultipartParser(boundary, max_segment_count=_MOST_PARTS)
    except (MultipartError, UnicodeError):
        return None
