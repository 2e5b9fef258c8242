"""
How long a recording lasts, read from its own headers, without decoding any of it.

Only what a file says exactly counts: WAV, FLAC, Ogg, MP4 and AIFF say it, and an MP3
whose first frame counts the others.  What a file says that cannot be is not believed.
"""

from __future__ import annotations

from io import SEEK_CUR, SEEK_END, SEEK_SET
from mmap import mmap
from typing import BinaryIO, cast

from tinytag import TinyTag, TinyTagException

#: Reading takes no longer than this many steps, and none of them is larger; a step takes
#: some microseconds.  An hour of speech in Ogg takes about ten thousand.
_STEPS = 2**16
_LARGEST_STEP = 2**20
# Silence in FLAC takes 50.
_LEAST_BYTES_A_SECOND = 25
_COUNTS_FRAMES = (b"Xing", b"Info", b"VBRI")


class _Excerpt:
    """A stretch of bytes as a file, for a reader that shall not take long."""

    def __init__(self, data: bytes | mmap, start: int, stop: int) -> None:
        self._data = data
        self._start = start
        self._at = start
        self._stop = stop
        self._steps = _STEPS

    def read(self, size: int = -1) -> bytes:
        stop = self._stop if size < 0 else min(self._at + size, self._stop)
        if stop - self._at > _LARGEST_STEP or not self._steps:
            raise OSError("more than is worth reading")
        self._steps -= 1
        found = self._data[self._at : stop]
        self._at = max(self._at, stop)
        return found

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        origins = {SEEK_SET: self._start, SEEK_CUR: self._at, SEEK_END: self._stop}
        place = origins[whence] + offset
        if place < self._start:
            raise OSError("before the begin")
        self._at = place
        return self.tell()

    def tell(self) -> int:
        return self._at - self._start


def seconds_of(data: bytes | mmap, start: int, stop: int) -> float | None:
    """How long the recording lasts that is in this stretch of ``data``; None if unknown."""
    file = cast(BinaryIO, _Excerpt(data, start, stop))
    try:
        found = TinyTag.get(file_obj=file, tags=False)
        if found.mime_type == "audio/mpeg" and not _counts_frames(file):
            return None
    except (TinyTagException, OSError):
        return None
    seconds, size = found.duration, stop - start
    if not seconds or seconds * _LEAST_BYTES_A_SECOND > size:
        return None
    if found.mime_type is not None and found.mime_type.startswith("audio/wav") and found.bitrate:
        # One that was written into a pipe has any length in its header.
        return seconds if seconds * found.bitrate * 1000 / 8 <= size else None
    return seconds


def _counts_frames(file: BinaryIO) -> bool:
    """Has an MP3 the frame that tells how many there are?  Without it their number is a guess."""
    file.seek(0)
    head = file.read(10)
    tag = 0
    if head.startswith(b"ID3") and len(head) == 10:
        for part in head[6:]:
            tag = tag << 7 | part & 0x7F
        tag += 10
    file.seek(tag)
    first = file.read(64)
    return any(mark in first for mark in _COUNTS_FRAMES)
