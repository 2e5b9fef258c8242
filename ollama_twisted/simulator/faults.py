"""
Which fault strikes which request.

A fault is written as ``KIND`` or ``KIND=VALUE``.  A rule is a fault followed by
what limits it: ``cut-at-token=5 path=/api/chat times=3 share=0.5``.  Nothing
here touches a connection: that is for `ollama_twisted.simulator.answer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from random import Random


class Kind(Enum):
    """What can go wrong with a node, in the order in which a client would meet it."""

    REFUSE = "refuse"
    """No listener for VALUE seconds."""
    RESET_BEFORE_HEAD = "reset-before-head"
    EOF_BEFORE_HEAD = "eof-before-head"
    STALL_BEFORE_HEAD = "stall-before-head"
    """Silence for VALUE seconds, then an answer; without a value for ever."""
    JUNK_HEAD = "junk-head"
    STATUS = "status"
    """An answer with that status, in the words Ollama has for it."""
    STALL_AFTER_HEAD = "stall-after-head"
    SLOW = "slow"
    """VALUE bytes of body a second."""
    RESET_AT_BYTE = "reset-at-byte"
    RESET_AT_TOKEN = "reset-at-token"
    CUT_AT_TOKEN = "cut-at-token"
    """An orderly end of the connection after VALUE tokens, but not of the answer."""
    STALL_AT_TOKEN = "stall-at-token"
    ERROR_AT_TOKEN = "error-at-token"
    """The engine fails after VALUE tokens, and Ollama says so in the stream."""
    MALFORMED_AT_TOKEN = "malformed-at-token"
    """A chunk whose size is no number, after VALUE tokens."""
    DEAF = "deaf"
    """Until this request is answered no other one is, as of a server that works in its loop."""


_NEEDS_VALUE = {Kind.REFUSE, Kind.STATUS, Kind.SLOW}


class BadFault(ValueError):
    """What was written is not a fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong; what the value counts depends on the kind."""

    kind: Kind
    value: float | None = None

    @property
    def count(self) -> int:
        """The value as a number of tokens or bytes; without one: before the first."""
        return int(self.value or 0)

    def __str__(self) -> str:
        return self.kind.value if self.value is None else f"{self.kind.value}={self.value:g}"


@dataclass(slots=True)
class Rule:
    """A fault, and the requests it is for.  ``times`` goes down with each that it strikes."""

    fault: Fault
    path: str = ""
    times: int | None = None
    share: float = 1.0

    def strikes(self, path: str, random: Random) -> bool:
        """Does it strike this request?  Chance is asked only where it has a say."""
        return (
            path.startswith(self.path)
            and self.times != 0
            and (self.share >= 1.0 or random.random() < self.share)
        )

    def __str__(self) -> str:
        parts = [str(self.fault)]
        if self.path:
            parts.append(f"path={self.path}")
        if self.times is not None:
            parts.append(f"times={self.times}")
        if self.share < 1.0:
            parts.append(f"share={self.share:g}")
        return " ".join(parts)


def parse_fault(text: str) -> Fault:
    """Read ``KIND`` or ``KIND=VALUE``."""
    name, equals, value = text.strip().partition("=")
    try:
        kind = Kind(name)
    except ValueError:
        known = ", ".join(each.value for each in Kind)
        raise BadFault(f"{name!r} is not a fault; known are: {known}") from None
    if not equals:
        if kind in _NEEDS_VALUE:
            raise BadFault(f"{name} needs a value, as in {name}={_example(kind)}")
        return Fault(kind)
    number = _number(name, value)
    if kind is Kind.STATUS and not 400 <= number <= 599:
        raise BadFault(f"status={value}: not the status of an error")
    if kind is Kind.SLOW and number < 1:
        raise BadFault(f"slow={value}: less than a byte a second")
    return Fault(kind, number)


def parse_rule(text: str) -> Rule:
    """Read a fault and what limits it, blanks between them."""
    first, *rest = text.split() or [""]
    rule = Rule(parse_fault(first))
    for each in rest:
        name, _, value = each.partition("=")
        if name == "path":
            rule.path = value
        elif name == "times":
            rule.times = int(_number(name, value))
        elif name == "share":
            rule.share = _number(name, value)
        else:
            raise BadFault(f"{each!r}: a fault is limited by path=, times= and share=")
    return rule


class Faults:
    """The rules in force."""

    def __init__(self, random: Random, rules: Iterable[Rule] = ()) -> None:
        self._random = random
        self.rules = list(rules)

    def decide(self, path: str, asked: str | None = None) -> Fault | None:
        """
        The fault for a request: the one it asks for itself, else that of the first rule
        which strikes it.
        """
        if asked is not None:
            return parse_fault(asked)
        for rule in self.rules:
            if rule.strikes(path, self._random):
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise BadFault(f"{name}={value}: not a number") from None
    if not 0 <= number < 1e15:
        raise BadFault(f"{name}={value}: out of range")
    return number


def _example(kind: Kind) -> str:
    return {Kind.REFUSE: "5", Kind.STATUS: "503", Kind.SLOW: "1000"}[kind]
