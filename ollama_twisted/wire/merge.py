"""
Many nodes' lists as one, in the shape that one node would give it.

What a node says of a model is passed on whole, fields that this program has never
heard of included.  On top comes who has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

#: Each node's name, and the list that it gave.
Lists = Sequence[tuple[str, Iterable[object]]]

_EMPTY = (None, "", 0)
_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(-)?", re.ASCII)


def merge_tags(lists: Lists) -> dict[str, Any]:
    """
    The ``models`` of several nodes' ``/api/tags``, sorted by name.

    Each model is told once, as the first node that has it tells it; what that node
    leaves out is filled in from others that have the very same one.  ``nodes`` are
    all those that have it.  Where the same name is not the same model everywhere,
    ``digests`` says which node has which.
    """
    return {"models": _merged(lists, lambda model: _name(model, "name", "model"), _as_model)}


def merge_openai(lists: Lists) -> dict[str, Any]:
    """The same of ``data`` in several nodes' ``/v1/models``."""
    return {"object": "list", "data": _merged(lists, lambda model: _name(model, "id"), _as_id)}


def merge_loaded(lists: Lists) -> dict[str, Any]:
    """
    The ``models`` of several nodes' ``/api/ps``: what stays longest comes first, as Ollama has it.

    A model that two nodes have loaded is told twice, since each copy takes memory,
    and time, of its own; ``node`` says whose it is.
    """
    loaded = [
        {**model, "node": node}
        for node, models in lists
        for model in models
        if isinstance(model, Mapping) and _name(model, "name", "model")
    ]
    return {"models": sorted(loaded, key=_expiry, reverse=True)}


def openai_models(tags: Iterable[object]) -> Iterator[dict[str, Any]]:
    """What a node with these ``/api/tags`` answers to ``/v1/models``."""
    for model in tags:
        name = _name(model, "name", "model")
        if name:
            assert isinstance(model, Mapping)
            yield {
                "id": name,
                "object": "model",
                "created": int(_moment(model.get("modified_at"), _EPOCH).timestamp()),
                "owned_by": name.split("/")[-2] if "/" in name else "library",
            }


def lowest_version(versions: Iterable[str]) -> str | None:
    """
    The version of Ollama that every node has at least; ``None`` if none says its own.

    Whoever asks for it wants to know what may be asked for, and any node may be the
    one that is asked.
    """
    known = [(key, version) for version in versions if (key := _version_key(version))]
    return min(known)[1] if known else None


def _version_key(version: str) -> tuple[tuple[int, ...], int] | None:
    found = _VERSION.match(version)
    if found is None:
        return None
    # A release candidate comes before the release.
    return tuple(int(part[:9]) for part in found[1].split(".")), 0 if found[2] else 1


def _merged(
    lists: Lists,
    name_of: Callable[[object], str],
    named: Callable[[str], dict[str, Any]],
) -> list[dict[str, Any]]:
    # Names that differ in capitals only are one model, as they are to Ollama.
    merged: dict[str, dict[str, Any]] = {}
    holders: dict[str, dict[str, str]] = {}
    for node, models in lists:
        for model in models:
            name = name_of(model)
            if not name or not isinstance(model, Mapping):
                continue
            key = name.lower()
            known = merged.setdefault(key, named(name))
            digest = model.get("digest")
            digest = digest if isinstance(digest, str) else ""
            if holders.setdefault(key, {}).setdefault(node, digest) != digest:
                continue
            if known.get("digest") in (*_EMPTY, digest) or not digest:
                for field, value in model.items():
                    if field not in known or known[field] in _EMPTY:
                        known[field] = value
    for key, model in merged.items():
        model["nodes"] = list(holders[key])
        digests = _digests(holders[key])
        if len(digests) > 1:
            model["digests"] = digests
    return [merged[key] for key in sorted(merged)]


def _digests(holders: Mapping[str, str]) -> dict[str, list[str]]:
    digests: dict[str, list[str]] = {}
    for node, digest in holders.items():
        if digest:
            digests.setdefault(digest, []).append(node)
    return digests


def _name(model: object, *fields: str) -> str:
    if isinstance(model, Mapping):
        for field in fields:
            name = model.get(field)
            if name:
                return name if isinstance(name, str) else ""
    return ""


def _as_model(name: str) -> dict[str, Any]:
    return {"name": name, "model": name}


def _as_id(name: str) -> dict[str, Any]:
    return {"id": name}


_EPOCH = datetime.fromtimestamp(0, timezone.utc)


def _expiry(model: Mapping[str, Any]) -> datetime:
    return _moment(model.get("expires_at"), _LONG_AGO)


def _moment(text: object, otherwise: datetime) -> datetime:
    """A moment as Go writes it, to the nanosecond and in any zone."""
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return otherwise
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
