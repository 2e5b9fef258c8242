"""Compressed bodies."""

from __future__ import annotations

import random
from mmap import mmap

from twisted.trial.unittest import SynchronousTestCase
from zstandard import ZstdCompressionParameters, ZstdCompressor

from ollama_twisted.wire.zstd import CannotOpen, opened

compress = ZstdCompressor().compress


class OpenedTests(SynchronousTestCase):
    """What is opened, and what is not."""

    def test_frames(self) -> None:
        """A body is one frame or several, with or without its size, or nothing."""
        unsized = ZstdCompressor().compressobj()
        for body, expected in (
            (compress(b"abc"), b"abc"),
            (compress(b"abc") + compress(b"def"), b"abcdef"),
            (unsized.compress(b"abc") + unsized.flush(), b"abc"),
            (compress(b""), b""),
            (b"", b""),
        ):
            self.assertEqual(opened(body), expected)

    def test_limit(self) -> None:
        """A body that gives as much as is allowed is opened, one byte more is not."""
        self.assertEqual(len(opened(compress(bytes(200_000)), 200_000)), 200_000)
        self.assertRaises(CannotOpen, opened, compress(bytes(200_001)), 200_000)

    def test_bomb(self) -> None:
        """What a few bytes blow up to is not opened beyond a node's own limit."""
        bomb = compress(bytes(2**20)) * 1000
        self.assertLess(len(bomb), 100_000)
        self.assertRaises(CannotOpen, opened, bomb)

    def test_window(self) -> None:
        """A frame that wants more memory than a node would spend is refused."""
        parameters = ZstdCompressionParameters(window_log=25, enable_ldm=True)
        frame = ZstdCompressor(compression_params=parameters).compressobj()
        body = frame.compress(random.Random(0).randbytes(2**16)) + frame.flush()
        self.assertRaises(CannotOpen, opened, body)

    def test_junk(self) -> None:
        """What is no frame is refused; of one that breaks off there is at most a part."""
        for body in (b"abc", compress(b"abc") + b"junk"):
            self.assertRaises(CannotOpen, opened, body)
        whole = random.Random(0).randbytes(200_000)
        self.assertTrue(whole.startswith(opened(compress(whole)[:-3])))

    def test_mapped_file(self) -> None:
        """A body may be in a mapped file, which can be closed afterwards, whatever it holds."""
        for body in (compress(b"abc"), b"junk"):
            with mmap(-1, len(body)) as mapped:
                mapped[:] = body
                if body == b"junk":
                    self.assertRaises(CannotOpen, opened, mapped)
                else:
                    self.assertEqual(opened(mapped), b"abc")
