"""What every object of the configuration file has in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

_T = TypeVar("_T")
#: What may be left out.  The default that it then has is in ``resolved``.
Maybe: TypeAlias = _T | UnsetType


class _Faulty:
    def __repr__(self) -> str:
        return "FAULTY"


#: In place of a value that was refused already, so that the others can still be judged.
FAULTY: Any = _Faulty()


def says(description: str) -> Meta:
    """What the JSON Schema, and so an operator's editor, says of a key."""
    return Meta(description=description)


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object of the file."""

    def given(self) -> dict[str, Any]:
        """What the operator said, by name."""
        values = msgspec.structs.asdict(self)
        return {name: value for name, value in values.items() if value is not UNSET}

    def faults(self) -> Iterator[tuple[str, str]]:
        """
        What is wrong though each value alone is right: where in the object, and what.

        Any value may be ``FAULTY``.
        """
        return iter(())

    def __repr__(self) -> str:
        # Values may be secrets, and logs and tracebacks show what repr() gives.
        return f"<{type(self).__name__}>"
