"""How long recordings last, told by themselves."""

from __future__ import annotations

import io
import struct
import wave

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.audio import seconds_of
from tests.parts import ROOT

RECORDED = ROOT / "tests" / "recorded" / "audio"


def sound(seconds: float, rate: int = 8000) -> bytes:
    """Silence as a WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(rate)
        made.writeframes(b"\0\0" * round(seconds * rate))
    return file.getvalue()


def lasting(data: bytes) -> float | None:
    """How long it lasts, with other bytes around it."""
    return seconds_of(b"--x\r\n" + data + b"\r\n--x--", 5, 5 + len(data))


class SecondsTests(SynchronousTestCase):
    """What is told, and what is not."""

    def test_wav(self) -> None:
        """A WAV tells by its bytes."""
        self.assertEqual([lasting(sound(each)) for each in (0.5, 90.25)], [0.5, 90.25])

    def test_encoded(self) -> None:
        """Other forms tell by what stands in their headers, or on their last page."""
        found = {
            name: lasting((RECORDED / name).read_bytes())
            for name in ("speech.flac", "opus.ogg", "speech.m4a", "speech.mp3")
        }
        self.assertEqual(
            {name: round(each or 0, 2) for name, each in found.items()},
            {"speech.flac": 0.74, "opus.ogg": 0.74, "speech.m4a": 0.74, "speech.mp3": 0.83},
        )

    def test_tagged(self) -> None:
        """A title and a picture before an MP3 make no difference."""
        tag = b"ID3\x04\0\0" + bytes((0, 0, 0x10, 0)) + bytes(2048)
        found = lasting(tag + (RECORDED / "speech.mp3").read_bytes())
        self.assertEqual(round(found or 0, 2), 0.83)

    def test_unknown(self) -> None:
        """What does not tell exactly, or is nothing that can be read, is unknown."""
        names = ("uncounted.mp3", "speech.webm", "README.md")
        self.assertEqual([lasting((RECORDED / each).read_bytes()) for each in names], [None] * 3)
        self.assertEqual([lasting(each) for each in (b"", b"RIFF", sound(0))], [None] * 3)

    def test_cut(self) -> None:
        """A WAV that says more than is there was written into a pipe, or cut on its way."""
        whole = sound(2)
        self.assertIsNone(lasting(whole[:-100]))
        endless = whole[:40] + struct.pack("<I", 0x7FFFF000) + whole[44:]
        self.assertIsNone(lasting(endless))

    def test_boasting(self) -> None:
        """Nobody puts an hour into a kilobyte."""
        flac = bytearray((RECORDED / "speech.flac").read_bytes())
        flac[22:26] = b"\xff\xff\xff\xff"  # of the number of samples
        self.assertIsNone(lasting(bytes(flac)))

    def test_endless_work(self) -> None:
        """What would take too long to read is left unread."""
        crowd = b"RIFF\0\0\0\0WAVE" + b"junk\2\0\0\0ab" * 200_000
        self.assertIsNone(lasting(crowd))
        heavy = b"RIFF\0\0\0\0WAVEfmt \0\0\0\x10" + bytes(3 * 2**20)
        self.assertIsNone(lasting(heavy))

    @given(st.sampled_from(sorted(RECORDED.glob("*.*"))), st.data())
    def test_damaged(self, file: object, data: st.DataObject) -> None:
        """Whatever has been done to a recording, it raises nothing and promises little."""
        whole = bytearray(file.read_bytes())  # type: ignore[attr-defined]
        for _ in range(data.draw(st.integers(0, 4))):
            whole[data.draw(st.integers(0, min(len(whole) - 1, 300)))] = data.draw(
                st.integers(0, 255)
            )
        found = lasting(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
        self.assertTrue(found is None or 0 < found * 25 <= len(whole))
