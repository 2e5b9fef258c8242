"""
Field lines, ``Name: value``, as heads and trailers have them.

Only what RFC 9110 section 5 allows passes: names are tokens, values are free
of control characters, a line is never continued on the next one.  Two parsers
that read a loosely written field differently are how requests are smuggled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Fields = list[tuple[bytes, bytes]]
"""Names and values in the order and the letters in which they came."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"

# A value starts with a visible character or is empty.  Were it allowed to
# start with the blanks before it, a long run of them would take quadratic time.
_VALUE = rb"(?:[!-~\x80-\xff][\t -~\x80-\xff]*)?"
FIELD_LINE = TOKEN + rb":[ \t]*" + _VALUE
_FIELD = re.compile(rb"\r\n(" + TOKEN + rb"):[ \t]*(" + _VALUE + rb")(?=\r\n|\Z)")


def read_fields(block: bytes, start: int = 0) -> Fields | None:
    """
    The fields of ``block`` from ``start`` on, or None if any line is not one.

    Each line is preceded by CRLF, and the last one is not followed by it.
    """
    fields = _FIELD.findall(block, start)
    # Every match begins at a CRLF and contains no other one, so that equal
    # numbers mean that nothing lies between the matches.
    if len(fields) != block.count(b"\r\n", start):
        return None
    if b" \r\n" in block or b"\t\r\n" in block or block.endswith((b" ", b"\t")):
        return [(name, value.rstrip(b" \t")) for name, value in fields]
    return fields


def first_values(fields: Fields) -> dict[bytes, bytes]:
    """The first value of each field, by its name in lower case."""
    return {name.lower(): value for name, value in reversed(fields)}


def values(fields: Fields, name: bytes) -> list[bytes]:
    """Every value of the field called ``name``, which is given in lower case."""
    return [value for each, value in fields if each.lower() == name]


def listed(lines: Iterable[bytes]) -> frozenset[bytes]:
    """The members, in lower case, of a list that may be spread over several fields."""
    members = {member.strip(b" \t").lower() for line in lines for member in line.split(b",")}
    members.discard(b"")
    return frozenset(members)
