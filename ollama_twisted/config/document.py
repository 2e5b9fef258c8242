"""The configuration file as JSON: where it cannot be read, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from ollama_twisted.config.reader import Object
from ollama_twisted.errors import ConfigError

#: Thousands of nodes fit; a device file that never ends does not.
MAX_SIZE = 16 * 2**20


def read_document(path: Path, shown: str) -> Any:
    """
    The JSON in a file, its objects as ``Object``.

    @raise ConfigError: there is none; it says in which line and column of ``shown``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError([f"{shown}: cannot be read: {why}"]) from None
    return parse_document(data, shown)


def parse_document(data: bytes, shown: str) -> Any:
    """
    The JSON in a text that is called ``shown``, its objects as ``Object``.

    @raise ConfigError: there is none; it says in which line and column.
    """
    if len(data) > MAX_SIZE:
        raise ConfigError([f"{shown}: is too long to be a configuration"])
    try:
        # Editors on Windows like to begin with a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = _place(data[: error.start].decode("utf-8-sig"))
        raise ConfigError([f"{shown}: {where}: not UTF-8"]) from None
    try:
        return json.loads(text, object_pairs_hook=Object, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        message = f"{error.msg[:1].lower()}{error.msg[1:]}"
        fault = f"{shown}: line {error.lineno}, column {error.colno}: {message}"
    except ValueError as error:
        fault = f"{shown}: {error}"
    except RecursionError:
        fault = f"{shown}: nested too deeply"
    raise ConfigError([fault])


def _place(before: str) -> str:
    lines = before.split("\n")
    return f"line {len(lines)}, column {len(lines[-1]) + 1}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
