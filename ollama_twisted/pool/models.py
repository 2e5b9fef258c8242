"""Which models a node has and has loaded; exact names, and the size that a name tells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ollama_twisted.config.resolved import ModelSizes

_SIZE_IN_TAG = re.compile(r"(\d+(?:\.\d+)?)\s*[-_]?\s*b\b", re.IGNORECASE)
_DEFAULTS = ("registry.ollama.ai", "library", "latest")


@dataclass(frozen=True, slots=True)
class ModelName:
    """
    One model, whatever way its name is written.

    Ollama fills in what is missing, and tells no capitals apart: ``Llama3`` is
    ``registry.ollama.ai/library/llama3:latest``.  ``llama3:8b`` is another model.
    """

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """Any text is some name; one that no node has is nobody's model."""
        host, namespace, tag = _DEFAULTS
        text = text.strip().casefold()
        rest, colon, after = text.rpartition(":")
        # A colon before the last slash belongs to the registry's port.
        if colon and "/" not in after:
            text, tag = rest, after or tag
        parts = text.split("/")
        model = parts.pop()
        if parts:
            namespace = parts.pop() or namespace
        if parts:
            host = "/".join(parts) or host
        return cls(host, namespace, model, tag)


@dataclass(frozen=True, slots=True)
class SizeFound:
    """A model's size in billions of parameters, and by which rule it was found."""

    size_b: float
    method: str
    matched: str = ""


def size_of(name: str, sizes: ModelSizes) -> SizeFound:
    """
    The size that a model's name tells.

    First a number in its tag, then the operator's mapping (whole name, then
    without the tag), then the largest of the operator's patterns that it
    contains, then a number in the name, then the default.
    """
    base, _, tag = _split_tag(name)
    if found := _SIZE_IN_TAG.search(tag):
        return SizeFound(float(found[1]), "tag", found[0])
    for key in (name, base):
        if key in sizes.mapping:
            return SizeFound(sizes.mapping[key], "mapping", key)
    for pattern in sorted(sizes.patterns, key=lambda each: (-sizes.patterns[each], each)):
        if pattern in name:
            return SizeFound(sizes.patterns[pattern], "pattern", pattern)
    if found := _SIZE_IN_TAG.search(base):
        return SizeFound(float(found[1]), "name", found[0])
    return SizeFound(sizes.default, "default")


def _split_tag(name: str) -> tuple[str, str, str]:
    base, colon, tag = name.rpartition(":")
    return (base, colon, tag) if colon and "/" not in tag else (name, "", "")


@dataclass(frozen=True, slots=True)
class NodeModels:
    """What one node has on disk, and what of it is in memory, by the names it gives them."""

    names: tuple[str, ...] = ()
    loaded_names: tuple[str, ...] = ()
    _on_disk: frozenset[ModelName] = frozenset()
    _in_memory: frozenset[ModelName] = frozenset()

    @classmethod
    def from_lists(cls, tags: Iterable[Any], ps: Iterable[Any] | None) -> NodeModels:
        """Of the lists in ``/api/tags`` and ``/api/ps``; what is no model in them is passed over."""
        names, loaded = _names(tags), _names(ps or ())
        return cls(
            names,
            loaded,
            frozenset(map(ModelName.parse, names)),
            frozenset(map(ModelName.parse, loaded)),
        )

    def has(self, model: ModelName) -> bool:
        """Is the model on the node's disk?"""
        return model in self._on_disk

    def is_loaded(self, model: str) -> bool:
        """Is the model in the node's memory?"""
        return ModelName.parse(model) in self._in_memory


def _names(models: Iterable[Any]) -> tuple[str, ...]:
    names = []
    for each in models:
        if isinstance(each, dict):
            name = each.get("name") or each.get("model")
            if isinstance(name, str) and name:
                names.append(name)
    return tuple(names)
