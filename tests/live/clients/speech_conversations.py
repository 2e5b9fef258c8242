"""
What OpenAI's Python client gets to hear of a recording.

``python speech_conversations.py URL FILE`` talks to whatever is at ``URL``, and prints
a JSON object of what each conversation came to.  It runs in an environment of its
own and knows nothing of this project.
"""

# ruff: noqa: D103 - the name of a conversation says what it is about

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import openai

URL, FILE = sys.argv[1:]
OPENAI = openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)
ASKED: Any = {"model": "whisper-1", "file": Path(FILE)}


def transcription() -> Any:
    return OPENAI.audio.transcriptions.create(**ASKED).text


def verbose() -> Any:
    said = OPENAI.audio.transcriptions.create(**ASKED, response_format="verbose_json")
    segments = said.segments or []
    return [said.text, said.duration, said.language, [each.start for each in segments]]


def translation() -> Any:
    return OPENAI.audio.translations.create(**ASKED).text


def refused() -> Any:
    try:
        OPENAI.audio.transcriptions.create(**ASKED, extra_body={"model_name": "nobody-has"})
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.response.json()]
    return None


if __name__ == "__main__":
    held = (transcription, verbose, translation, refused)
    print(json.dumps({each.__name__: each() for each in held}))
