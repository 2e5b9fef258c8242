"""
What the Python clients of OpenAI and Anthropic get to hear.

``python conversations.py URL NODE`` talks to whatever is at ``URL``, and prints a
JSON object of what each conversation came to.  ``NODE`` is the URL of the simulated
node behind it, or of it itself; it is asked whether clients that leave are noticed.
It runs in an environment of its own and knows nothing of this project.
"""

# ruff: noqa: D103 - the name of a conversation says what it is about

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import anthropic
import openai

MODEL = "llama3:8b"
NOBODY = "nobody-has:1b"
PNG = "iVBORw0KGgo="
HELLO: Any = [{"role": "user", "content": "hello"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PATIENCE = 10.0

URL, NODE = sys.argv[1:]
OPENAI = openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)
ANTHROPIC = anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0)


def fault(text: str) -> dict[str, str]:
    """What makes a simulated node fail in this request."""
    return {"X-Simulator-Fault": text}


def cancelled() -> int:
    """How many clients the node has seen leave."""
    with urlopen(f"{NODE}/simulator/state") as answer:
        return int(json.load(answer)["cancelled"])


def noticed(before: int) -> bool:
    """Whether the node sees one more leave, soon."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if cancelled() > before:
            return True
        time.sleep(0.01)
    return False


def raised(act: Callable[[], Any]) -> Any:
    """The exception that a client raises, in its own words."""
    try:
        act()
    except (openai.APIError, anthropic.APIError) as error:
        kind = f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"
        return [kind, getattr(error, "status_code", None), error.body]
    return None


# OpenAI


def completion(**more: Any) -> Any:
    return OPENAI.chat.completions.create(**{"model": MODEL, "messages": HELLO, **more})


def openai_chat() -> Any:
    said = completion()
    choice = said.choices[0]
    return [choice.message.content, choice.finish_reason, said.usage.total_tokens, said.id]


def openai_stream() -> Any:
    chunks = list(completion(stream=True, stream_options={"include_usage": True}))
    texts = [each.choices[0].delta.content for each in chunks if each.choices]
    return [[each for each in texts if each], chunks[-1].usage.completion_tokens]


def openai_abort() -> Any:
    before = cancelled()
    stream = completion(stream=True, extra_headers=fault("stall-at-token=2"))
    first = next(iter(stream)).choices[0].delta.content
    stream.close()
    return [first, noticed(before)]


def openai_unknown() -> Any:
    return raised(lambda: completion(model=NOBODY))


def openai_unknown_stream() -> Any:
    return raised(lambda: completion(model=NOBODY, stream=True))


def openai_refused() -> Any:
    return raised(lambda: completion(messages=[]))


def openai_cut() -> Any:
    stream = completion(stream=True, extra_headers=fault("cut-at-token=3"))
    return raised(lambda: list(stream))


def openai_responses_cut() -> Any:
    headers = fault("cut-at-token=3")
    stream = OPENAI.responses.create(model=MODEL, input="hello", stream=True, extra_headers=headers)
    return raised(lambda: list(stream))


def openai_tools() -> Any:
    function = {"name": "weather", "description": "of a city", "parameters": SCHEMA}
    said = completion(tools=[{"type": "function", "function": function}], tool_choice="auto")
    return said.choices[0].message.content


def openai_image() -> Any:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    content = [{"type": "text", "text": "hello"}, picture]
    return completion(messages=[{"role": "user", "content": content}]).choices[0].message.content


def openai_embeddings() -> Any:
    said = OPENAI.embeddings.create(model=MODEL, input=["a", "b"], dimensions=4)
    return [[round(number, 6) for number in each.embedding] for each in said.data]


def openai_models() -> Any:
    named = OPENAI.models.retrieve(MODEL).id
    return [[each.id for each in OPENAI.models.list()], named]


def openai_responses() -> Any:
    said = OPENAI.responses.create(model=MODEL, input="hello")
    with OPENAI.responses.stream(model=MODEL, input="hello") as stream:
        kinds = [each.type for each in stream]
    return [said.output_text, said.status, sorted(set(kinds)), len(kinds)]


def openai_completions() -> Any:
    return OPENAI.completions.create(model=MODEL, prompt="once", max_tokens=3).choices[0].text


# Anthropic


def message(**more: Any) -> Any:
    said = {"model": MODEL, "messages": HELLO, "max_tokens": 100, **more}
    return ANTHROPIC.messages.create(**said)


def anthropic_chat() -> Any:
    said = message(system="be brief")
    return [said.content[0].text, said.stop_reason, said.usage.output_tokens]


def anthropic_stream() -> Any:
    with ANTHROPIC.messages.stream(model=MODEL, messages=HELLO, max_tokens=100) as stream:
        texts = list(stream.text_stream)
        return [texts, stream.get_final_message().usage.output_tokens]


def anthropic_abort() -> Any:
    before = cancelled()
    stream = message(stream=True, extra_headers=fault("stall-at-token=2"))
    first = next(iter(stream)).type
    stream.close()
    return [first, noticed(before)]


def anthropic_unknown() -> Any:
    return raised(lambda: message(model=NOBODY))


def anthropic_refused() -> Any:
    return raised(lambda: message(messages=[]))


def anthropic_cut() -> Any:
    stream = message(stream=True, extra_headers=fault("cut-at-token=3"))
    return raised(lambda: list(stream))


def anthropic_tools() -> Any:
    tool = {"name": "weather", "description": "of a city", "input_schema": SCHEMA}
    return message(tools=[tool]).content[0].text


def anthropic_image() -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "text", "text": "hello"}, {"type": "image", "source": source}]
    return message(messages=[{"role": "user", "content": content}]).content[0].text


def main() -> None:
    """Hold all conversations, one after the other."""
    found = {}
    for name, conversation in list(globals().items()):
        if name.startswith(("openai_", "anthropic_")):
            try:
                found[name] = conversation()
            except Exception as error:
                found[name] = {"unforeseen": repr(error)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
