"""Bodies that came compressed: opened only to be looked into, and only as far as a node would."""

from __future__ import annotations

from mmap import mmap

from zstandard import ZstdDecompressor, ZstdError

#: What a node opens at most (``maxDecompressedBodySize`` in Ollama's ``server/cloud_proxy.go``),
#: and the memory that it spends on a frame's window.
MAX_OPENED = 20 * 2**20
_MAX_WINDOW = 8 * 2**20
_SLICE = 2**16


class CannotOpen(ValueError):
    """It is not what it says, or too long.  ``str()`` says which."""


def opened(body: bytes | mmap, limit: int = MAX_OPENED) -> bytes:
    """
    The bytes that ``body`` stands for, in however many frames.

    Of one that breaks off it is what there was.

    @raise CannotOpen: it is no zstd, or gives more than ``limit``.
    """
    parts: list[bytes] = []
    size = 0
    try:
        decompressor = ZstdDecompressor(max_window_size=_MAX_WINDOW)
        with (
            memoryview(body) as view,
            decompressor.stream_reader(view, read_across_frames=True) as reader,
        ):
            while part := reader.read(_SLICE):
                parts.append(part)
                size += len(part)
                if size > limit:
                    raise CannotOpen("http: request body too large")
    except ZstdError as bad:
        raise CannotOpen(str(bad)) from bad
    return b"".join(parts)
