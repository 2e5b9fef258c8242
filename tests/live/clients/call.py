"""
One call of the official Python client, for a test to look at.

``call.py URL METHOD ARGUMENTS HEADERS``; the last two are JSON.  Prints what came of
it as JSON: the parts of a stream, or the one answer, and the error that it raised.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import ollama


def plain(value: Any) -> Any:
    """A part of an answer as JSON has it."""
    return (
        value.model_dump(exclude_none=True, mode="json") if hasattr(value, "model_dump") else value
    )


def main(url: str, method: str, arguments: str, headers: str) -> None:
    """Make the call."""
    told: dict[str, Any] = {"parts": []}
    try:
        answer = getattr(ollama.Client(url, headers=json.loads(headers)), method)(
            **json.loads(arguments)
        )
        for part in answer if hasattr(answer, "__next__") else [answer]:
            told["parts"].append(plain(part))
    except ollama.ResponseError as error:
        told["error"], told["status"] = error.error, error.status_code
    print(json.dumps(told))


main(*sys.argv[1:])
