"""A transcript in each of the forms that OpenAI has for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ollama_twisted.simulator.voice.base import JSON, dumps

_TEXT = "text/plain; charset=utf-8"
_VTT = "text/vtt; charset=utf-8"
_WORDS_A_SEGMENT = 12


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard: words, each with a blank before it but the first, and how long all took."""

    task: str
    words: Sequence[str]
    seconds: float

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def segments(self) -> list[dict[str, Any]]:
        """The words in sentences, spread evenly over the time."""
        each = self.seconds / max(len(self.words), 1)
        return [
            {
                "id": number,
                "start": round(start * each, 3),
                "end": round(min(start + _WORDS_A_SEGMENT, len(self.words)) * each, 3),
                "text": "".join(self.words[start : start + _WORDS_A_SEGMENT]),
            }
            for number, start in enumerate(range(0, len(self.words), _WORDS_A_SEGMENT))
        ]


def _json(said: Transcript) -> bytes:
    return dumps({"text": said.text})


def _text(said: Transcript) -> bytes:
    return said.text.encode() + b"\n"


def _verbose(said: Transcript) -> bytes:
    head = {"task": said.task, "language": "english", "duration": said.seconds}
    return dumps({**head, "text": said.text, "segments": said.segments})


def _srt(said: Transcript) -> bytes:
    blocks = (
        f"{each['id'] + 1}\n{_span(each).replace('.', ',')}\n{each['text'].strip()}\n"
        for each in said.segments
    )
    return "\n".join(blocks).encode()


def _vtt(said: Transcript) -> bytes:
    blocks = (f"{_span(each)}\n{each['text'].strip()}\n" for each in said.segments)
    return ("WEBVTT\n\n" + "\n".join(blocks)).encode()


def _span(segment: dict[str, Any]) -> str:
    return f"{_clock(segment['start'])} --> {_clock(segment['end'])}"


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"


#: What each form is called, its content type, and how it is written.
FORMS: dict[str, tuple[str, Callable[[Transcript], bytes]]] = {
    "json": (JSON, _json),
    "text": (_TEXT, _text),
    "verbose_json": (JSON, _verbose),
    "srt": (_TEXT, _srt),
    "vtt": (_VTT, _vtt),
}
