"""
What ``lsof -F`` prints: the files of processes, a field a line.

Without root it shows the sockets of the user's own processes only, and of nobody
else's it says nothing at all: an empty answer is then no answer.  Sockets that no
process holds any more (``TIME_WAIT`` and the like) never show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ollama_twisted.probe.connection import Reading, Row, end, state_called

_BREAK = re.compile(r"[\0\n]+")


def command(ports: Sequence[int]) -> list[str]:
    """The arguments; columns instead of ``-F`` would be cut, escaped and thrice as dear."""
    return ["lsof", "-nP", "-w", *(f"-iTCP:{port}" for port in ports), "-FpfPtnT"]


def read(text: str) -> Reading:
    """Read the fields; a file of which the state is missing was cut and is left out."""
    rows: list[Row] = []
    refused = 0
    pid: int | None = None
    found: dict[str, str] = {}
    for line in [*_BREAK.split(text[: text.rfind("\n") + 1]), "f"]:
        name, value = line[:1], line[1:].rstrip("\r")
        # Older versions do not print the descriptor; the type is then a file's first field.
        if name in {"p", "f"} or (name == "t" and "n" in found):
            if "n" in found and found.get("P") == "TCP" and "T" in found:
                try:
                    rows.append(_row(found["n"], found["T"], pid))
                except ValueError:
                    refused += 1
            found = {}
            if name == "p":
                pid = int(value) if value.isascii() and value.isdigit() else None
        elif name == "T":
            if value.startswith("ST="):
                found["T"] = value[3:]
        elif name in {"P", "n"}:
            found[name] = value
        elif line and not (name.isascii() and name.isalpha()):
            refused += 1
    return Reading(rows, refused)


def _row(ends: str, state: str, pid: int | None) -> Row:
    local, arrow, peer = ends.partition("->")
    here_ip, _, here_port = local.rpartition(":")
    here = end(here_ip, here_port)
    if not arrow:
        return Row(*here, "*", 0, state_called(state), None, pid)
    there_ip, _, there_port = peer.rpartition(":")
    return Row(*here, *end(there_ip, there_port), state_called(state), None, pid)
