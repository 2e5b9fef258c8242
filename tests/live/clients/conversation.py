"""Conversations of other people's clients, each held in a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests import parts

_here = Path(__file__).resolve().parent
_python = parts.ROOT / ".venv-clients" / "bin" / "python"
_modules = parts.ROOT / "build" / "npm-clients"

Conversations = dict[str, Any]


def in_python(script: str = "conversations.py") -> list[str]:
    """What talks through the Python clients; the calling test is skipped if they are not here."""
    ready = parts.file(_python.parent.parent / ".ready", "the Python clients' environment")
    return [str(ready.parent / "bin" / "python"), str(_here / script)]


def in_javascript() -> list[str]:
    """The same of npm's clients."""
    node = parts.executable("node")
    modules = parts.file(_modules / ".ready", "the npm clients' folder").parent
    return [node, str(_here / "conversations.cjs"), str(modules)]


def held(command: list[str], url: str, node: str) -> Conversations:
    """
    What each conversation with the server at ``url`` came to, by its name.

    ``node`` is what else the conversations must know of it.
    """
    done = subprocess.run(
        [*command, url, node],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    found: Conversations = json.loads(done.stdout)
    return found
