"""
A JSON document read into the structs of the schema, with every fault it has.

msgspec stops at the first fault.  An operator wants them all, so the document is
walked along the schema's types here, and msgspec judges each single value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Meta, UnsetType

from ollama_twisted.config.entry import FAULTY, Entry
from ollama_twisted.config.variables import expand
from ollama_twisted.errors import Fault

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_PLAIN_KEY = re.compile(r"\w[\w:-]*")


class Object(dict[str, Any]):
    """A JSON object that knows which of its keys stood in it more than once."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        super().__init__()
        self.repeated: list[str] = []
        for key, value in pairs:
            if key in self:
                self.repeated.append(key)
            self[key] = value


class Reader:
    """
    Reads one document, and collects on the way what is wrong with it.

    ``lacking`` are the secrets whose variable is not set, each with its path: whether
    that is a fault depends on more than the place.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[Fault] = []
        self.lacking: list[tuple[str, str]] = []

    def read(self, value: Any, kind: Any, path: str = "") -> Any:
        """``value`` as ``kind``, or ``FAULTY``.  In what is made, parts may be ``FAULTY`` too."""
        bare, kind, notes, nullable = unfold(kind)
        if value is None and nullable:
            return None
        if isinstance(bare, type) and issubclass(bare, Entry):
            return self._entry(value, bare, path)
        of = get_args(bare)
        if get_origin(bare) is tuple:
            return self._list(value, of[0], notes, path)
        if get_origin(bare) is dict:
            return self._dict(value, of[0], of[1], path)
        if get_origin(bare) is Literal:
            return self._choice(value, of, path)
        return self._value(value, kind, notes, path)

    def _entry(self, value: Any, kind: type[Entry], path: str) -> Any:
        if not isinstance(value, dict):
            return self._unexpected("an object", value, path)
        fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
        self._no_repetition(value, path)
        for key in value:
            if key not in fields:
                self._fault(below(path, key), f"unknown key; {nearest(key, fields)}")
        made = {}
        for key, each in fields.items():
            if key in value:
                made[each.name] = self.read(value[key], each.type, below(path, key))
            elif each.required:
                made[each.name] = FAULTY
                self._fault(below(path, key), "is missing")
        entry = kind(**made)
        for where, what in entry.faults():
            self._fault(f"{path}.{where}".strip("."), what)
        return entry

    def _list(self, value: Any, item: Any, notes: Iterable[Meta], path: str) -> Any:
        if not isinstance(value, list):
            return self._unexpected("a list", value, path)
        items = tuple(self.read(each, item, f"{path}[{i}]") for i, each in enumerate(value))
        if not items and any(each.min_length for each in notes):
            return self._fault(path, "needs at least one")
        return items

    def _dict(self, value: Any, key_kind: Any, item: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._unexpected("an object", value, path)
        self._no_repetition(value, path)
        return {
            self.read(key, key_kind, below(path, key)): self.read(each, item, below(path, key))
            for key, each in value.items()
        }

    def _choice(self, value: Any, known: tuple[str, ...], path: str) -> Any:
        text = self._value(value, str, (), path)
        if text is FAULTY or text in known:
            return text
        # As it was written: what a variable holds may be nobody else's business.
        return self._fault(path, f"unknown {shown(value)}; {nearest(text, known)}")

    def _value(self, value: Any, kind: Any, notes: Iterable[Meta], path: str) -> Any:
        extra = {name: it for each in notes for name, it in (each.extra or {}).items()}
        strict = True
        if isinstance(value, str):
            text, lacking = expand(value, self._environ)
            if lacking and "secret" in extra:
                self.lacking += [(path, name) for name in lacking]
                return ""
            if lacking:
                return self._fault(path, f"the variable {', '.join(lacking)} is not set")
            # A number that comes out of a variable is text.
            strict, value = text == value, text
        try:
            made = msgspec.convert(value, kind, strict=strict)
            if isinstance(made, float) and not isfinite(made):
                raise ValueError("expected a number")
            if "check" in extra:
                extra["check"](made)
        except msgspec.ValidationError as error:
            return self._fault(path, in_words(str(error)))
        except ValueError as error:
            return self._fault(path, str(error))
        return made

    def _no_repetition(self, value: dict[str, Any], path: str) -> None:
        for key in getattr(value, "repeated", ()):
            self._fault(below(path, key), "stands there twice")

    def _unexpected(self, wanted: str, value: Any, path: str) -> Any:
        return self._fault(path, f"expected {wanted}, got {kind_of(value)}")

    def _fault(self, path: str, what: str) -> Any:
        self.faults.append(Fault(what, path))
        return FAULTY


class Unfolded(NamedTuple):
    """A type as it is annotated, taken apart."""

    bare: Any
    noted: Any
    """With its bounds, as msgspec takes it."""
    notes: list[Meta]
    nullable: bool


def unfold(kind: Any) -> Unfolded:
    """The one kind of value that is meant, however it is annotated, and may it be null."""
    notes: list[Meta] = []
    bare, nullable = kind, False
    while True:
        if get_origin(bare) is Annotated:
            notes += bare.__metadata__
            bare = bare.__origin__
        elif get_origin(bare) in (Union, UnionType):
            members = set(get_args(bare)) - {UnsetType}
            nullable = nullable or NoneType in members
            (bare,) = members - {NoneType}
            kind = bare
        else:
            return Unfolded(bare, kind, notes, nullable)


def below(path: str, key: str) -> str:
    """The path of a key in the object at ``path``."""
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{shown(key)}]"
    return f"{path}.{key}" if path else key


def shown(text: str) -> str:
    """What an operator wrote, safe to print, and not too much of it."""
    return json.dumps(text if len(text) <= 60 else f"{text[:57]}...")


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at what was meant by a word that nobody knows."""
    known = list(known)
    close = get_close_matches(word[:60].lower(), known, n=1, cutoff=0.4)
    return f"did you mean {shown(close[0])}?" if close else f"known are {', '.join(known)}"


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "object", list: "array", str: "str", int: "int", float: "float"}
    return next((_WORDS[name] for of, name in names.items() if isinstance(value, of)), "null")


def in_words(message: str) -> str:
    """A message of msgspec's, in words of JSON instead of Python's types."""
    message = re.sub(r"`(\w+)`", lambda found: _WORDS.get(found[1], found[0]), message)
    return message[:1].lower() + message[1:]
