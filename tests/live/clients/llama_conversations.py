"""
What the Python clients of OpenAI and Anthropic get to hear from a llama.cpp server.

``python llama_conversations.py URL MODEL`` talks to whatever is at ``URL``, and prints
a JSON object of what each conversation came to.  It runs in an environment of its
own and knows nothing of this project.
"""

# ruff: noqa: D103 - the name of a conversation says what it is about

from __future__ import annotations

import json
import sys
from typing import Any

import anthropic
import openai

URL, MODEL = sys.argv[1:]
OPENAI = openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)
ANTHROPIC = anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0)
HELLO: Any = [{"role": "user", "content": "Say hello."}]
SAME: Any = {"max_tokens": 8, "temperature": 0}


def chat() -> Any:
    answer = OPENAI.chat.completions.create(model=MODEL, messages=HELLO, **SAME)
    (choice,) = answer.choices
    return [answer.model, choice.message.content, choice.finish_reason]


def stream() -> Any:
    found = OPENAI.chat.completions.create(model=MODEL, messages=HELLO, stream=True, **SAME)
    pieces, reasons = [], []
    for chunk in found:
        pieces += [each.delta.content for each in chunk.choices if each.delta.content]
        reasons += [each.finish_reason for each in chunk.choices if each.finish_reason]
    return [pieces, reasons]


def completion() -> Any:
    answer = OPENAI.completions.create(model=MODEL, prompt="Once upon a", **SAME)
    return [answer.model, answer.choices[0].text]


def responses() -> Any:
    answer = OPENAI.responses.create(
        model=MODEL, input="Say hello.", max_output_tokens=8, temperature=0
    )
    return [answer.model, answer.output_text]


def messages() -> Any:
    answer = ANTHROPIC.messages.create(
        model=MODEL, messages=HELLO, max_tokens=8, extra_body={"temperature": 0}
    )
    return [answer.model, answer.content[0].text, answer.stop_reason]


def models() -> Any:
    return sorted(each.id for each in OPENAI.models.list())


def no_such_model() -> Any:
    """It has one model, and answers with that for any name."""
    answer = OPENAI.chat.completions.create(model="nobody-has", messages=HELLO, **SAME)
    return answer.model


def no_such_path() -> Any:
    try:
        OPENAI.embeddings.create(model=MODEL, input="hello")
    except openai.APIStatusError as error:
        return [error.status_code, error.message]
    return None


if __name__ == "__main__":
    held = (chat, stream, completion, responses, messages, models, no_such_model, no_such_path)
    print(json.dumps({each.__name__: each() for each in held}))
