"""
The tables of live data in docs/API.md, written from the types that are sent.

``python -m tests.live_document`` writes them anew.
"""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, UnsetType

from ollama_twisted.pulse import shape
from tests.parts import ROOT

DOCUMENT = ROOT / "docs" / "API.md"
BEGIN, END = "<!-- live data -->\n", "<!-- end of live data -->\n"

#: In the order in which one wants to read of them.
KINDS: tuple[type[Struct], ...] = (
    shape.Snapshot,
    shape.Delta,
    shape.State,
    shape.Clients,
    shape.Hub,
    shape.Server,
    shape.Loaded,
    shape.Failure,
    shape.Model,
    shape.Link,
    shape.Copy,
    shape.Event,
    shape.Gone,
    shape.History,
)
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def _bare(kind: Any) -> tuple[Any, str]:
    """The type and its description, however it is annotated."""
    said = ""
    while get_origin(kind) is Annotated:
        said = next(each.description or "" for each in get_args(kind)[1:] if isinstance(each, Meta))
        kind = kind.__origin__
    return kind, said


def in_words(kind: Any) -> str:
    """A type, for people who know JSON."""
    kind, _ = _bare(kind)
    of = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        words = [in_words(each) for each in of if each not in (NoneType, UnsetType)]
        return " or ".join(words + ["null"] * (NoneType in of) + ["absent"] * (UnsetType in of))
    if get_origin(kind) in (list, tuple):
        return f"list of {in_words(of[0])}"
    if get_origin(kind) is dict:
        return f"object of {in_words(of[1])}"
    return _WORDS.get(kind) or f"*{kind.__name__}*"


def tables() -> str:
    """A table for each kind of object."""
    lines = []
    for kind in KINDS:
        hints = get_type_hints(kind, include_extras=True)
        about = " ".join((kind.__doc__ or "").split()).replace("``", "`")
        lines += [f"*{kind.__name__}*: {about}", "", "| field | is | |", "|---|---|---|"]
        for field in msgspec.structs.fields(kind):
            hint = hints[field.name]
            lines.append(f"| `{field.name}` | {in_words(hint)} | {_bare(hint)[1]} |")
        lines.append("")
    return "\n".join(lines)


def current(text: str) -> str:
    """The document with the tables as they are now."""
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    return re.sub(pattern, lambda _: f"{BEGIN}\n{tables()}\n{END}", text, count=1, flags=re.DOTALL)


if __name__ == "__main__":
    DOCUMENT.write_text(current(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
