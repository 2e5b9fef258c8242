"""What can go wrong outside a single request: a configuration nobody can run."""

from __future__ import annotations

from collections.abc import Iterable


class Fault(str):
    """
    Something that is wrong in a configuration, in one line.

    ``path`` is where in the document, ``message`` what; ``source`` is the document.
    """

    __slots__ = ("message", "path")

    path: str
    message: str

    def __new__(cls, message: str, path: str = "", source: str = "") -> Fault:
        fault = super().__new__(cls, ": ".join(filter(None, (source, path, message))))
        fault.path, fault.message = path, message
        return fault


class ConfigError(Exception):
    """The configuration cannot be used.  It names every fault, not just the first one."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(each if isinstance(each, Fault) else Fault(each) for each in faults)
        super().__init__("\n".join(self.faults))
