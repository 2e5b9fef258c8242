"""
Which nodes a change of models is for, in the words of an operator or of a request.

``all``; a number: that many, which the gateway chooses; or names and labels with
commas between them: ``gpu-1,label:zone=attic``.  What stands in double quotes is a
name, whatever it looks like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

EXPECTED = "expected all, a number of nodes, or names and label:KEY=VALUE with commas between"
MOST = 100_000
LONGEST = 8192

_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s](?:[^",]*[^",\s])?))\s*(?:,|\Z)')
_LABEL = "label:"


@dataclass(frozen=True, slots=True)
class Targets:
    """The nodes that are meant: all of them, ``count`` of them, or those named."""

    every: bool = False
    count: int | None = None
    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """In the words that ``read_targets`` reads."""
        if self.every:
            return "all"
        if self.count is not None:
            return str(self.count)
        names = (_quoted(name) for name in self.names)
        return ",".join((*names, *(f"{_LABEL}{key}={value}" for key, value in self.labels)))


def read_targets(text: str) -> Targets:
    """
    The nodes that a text means.

    @raise ValueError: it means none; the message says what is expected.
    """
    if len(text) > LONGEST:
        raise ValueError("too long")
    plain = text.strip()
    if plain == "all":
        return Targets(every=True)
    if plain.isascii() and plain.isdecimal():
        if not 1 <= int(plain[:9]) <= MOST or len(plain) > 9:
            raise ValueError(f"expected a number of nodes from 1 to {MOST}")
        return Targets(count=int(plain))
    names: dict[str, None] = {}
    labels: dict[tuple[str, str], None] = {}
    at = 0
    while at < len(text) or not at:
        found = _ITEM.match(text, at)
        if found is None:
            raise ValueError(EXPECTED)
        quoted, word = found.groups()
        if quoted is not None:
            names[re.sub(r"\\(.)", r"\1", quoted)] = None
        elif word.startswith(_LABEL):
            key, equals, value = word[len(_LABEL) :].partition("=")
            if not key or not equals:
                raise ValueError(f"{word}: a label is named by its key and value: label:KEY=VALUE")
            labels[key, value] = None
        elif word == "all" or word.isdecimal():
            raise ValueError(f"{word} stands alone; a node of that name is named in double quotes")
        else:
            names[word] = None
        at = found.end()
    return Targets(names=tuple(names), labels=tuple(labels))


def _quoted(name: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{escaped}"'
