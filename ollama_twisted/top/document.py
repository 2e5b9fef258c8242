"""What a server tells of itself (``/api/events``): read as it comes, and kept current."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any

#: So many events are kept.
MOST_EVENTS = 100

#: A line that is longer than this is not of ours.
MAX_LINE = 64 * 2**20

Item = dict[str, Any]


class EventReader:
    """
    Reads ``text/event-stream``, however it is cut.

    ``told`` is called with the name and the data of each event.  Comments, and fields
    that are not known, are passed over.
    """

    def __init__(self, told: Callable[[str, str], None]) -> None:
        self._told = told
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._name = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> None:
        """
        Read on.

        @raise ValueError: a line has no end.
        """
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        for line in lines:
            self._line(line.removesuffix("\r"))
        if len(self._rest) > MAX_LINE:
            raise ValueError("a line without an end")

    def _line(self, line: str) -> None:
        if not line:
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            if data:
                self._told(name, "\n".join(data))
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)


class Document:
    """
    The newest that is known: nodes and links by id, the gateway, the last events.

    What is not of the expected form is passed over: a newer server may say more.
    """

    def __init__(self) -> None:
        self.role: str = ""
        self.gateway: Item = {}
        self.nodes: dict[str, Item] = {}
        self.links: dict[str, Item] = {}
        self.events: list[Item] = []
        self._seq: float = -1

    @property
    def known(self) -> bool:
        """Has anything been told yet?"""
        return self._seq >= 0

    def hear(self, name: str, data: str) -> None:
        """Take one event of the stream."""
        try:
            told = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(told, dict):
            return
        if name == "snapshot":
            self.replace(told)
        elif name == "delta":
            self.update(told)

    def replace(self, told: Item) -> None:
        """Take a whole document."""
        self.nodes, self.links = _by_id(told.get("nodes")), _by_id(told.get("links"))
        self.role = _text(told.get("role"))
        self.gateway = _item(told.get("gateway"))
        self.events = _items(told.get("events"))[-MOST_EVENTS:]
        self._seq = _number(told.get("seq"), 0)

    def update(self, told: Item) -> None:
        """Take what has changed, unless that is older than what is known."""
        seq = _number(told.get("seq"), -1)
        if seq <= self._seq:
            return
        self._seq = seq
        self.gateway = _item(told.get("gateway")) or self.gateway
        self.nodes.update(_by_id(told.get("nodes")))
        self.links.update(_by_id(told.get("links")))
        removed = _item(told.get("removed"))
        for kept, gone in ((self.nodes, removed.get("nodes")), (self.links, removed.get("links"))):
            for name in gone if isinstance(gone, list) else ():
                kept.pop(_text(name), None)
        self.events = [*self.events, *_items(told.get("events"))][-MOST_EVENTS:]

    @property
    def servers(self) -> list[Item]:
        """The nodes that answer requests: no clients, no models, not the gateway."""
        return [each for each in self.nodes.values() if each.get("kind") in ("node", "external")]


def _item(value: Any) -> Item:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Item]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _by_id(value: Any) -> dict[str, Item]:
    return {each["id"]: each for each in _items(value) if isinstance(each.get("id"), str)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any, otherwise: float) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else otherwise
