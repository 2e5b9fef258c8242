"""Which models a node has and has loaded; exact names, and the size that a name tells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ollama_twisted.config.resolved import ModelSizes

#: Not even a whole name of Ollama's, host and all, is longer.
LONGEST_NAME = 600

# Whoever asks chooses the text, so no part may match what its neighbour matches:
# the search must never go over the same blanks or digits again and again.
_SIZE = re.compile(r"(?<!\d)(\d+(?:\.\d+)?)\s*(?:[-_]\s*)?b\b", re.IGNORECASE)


#: What an entry of ``/v1/models`` has only if the model is in memory: llama.cpp's, vLLM's.
_OF_LOADED = (("meta", dict), ("max_model_len", int))


@dataclass(frozen=True, slots=True)
class ModelName:
    """
    One model, whatever way its name is written.

    Ollama fills in what is missing, and tells no capitals apart: ``Llama3`` is
    ``registry.ollama.ai/library/llama3:latest``.  ``llama3:8b`` is another model.
    ``text`` is how it was written, which is all that counts to other servers.
    """

    host: str
    namespace: str
    model: str
    tag: str
    text: str = field(default="", compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """Any text is some name; one that no node has is nobody's model."""
        if len(text) > LONGEST_NAME:
            return cls("", "", "", "")
        rest, tag = split_tag(text.strip().lower())
        if tag == "local":
            # Says where to run it, not which model.
            rest, tag = split_tag(rest)
        elif tag == "cloud":
            # A node lists what runs elsewhere as `model:cloud` or `model:size-cloud`.
            rest, size = split_tag(rest)
            tag = "cloud" if size is None else f"{size}-cloud"
        parts = rest.rsplit("/", 2)
        model = parts.pop()
        namespace = parts.pop() if parts else "library"
        host = parts.pop().rpartition("://")[2] if parts else "registry.ollama.ai"
        return cls(host, namespace, model, "latest" if tag is None else tag, text)


def split_tag(name: str) -> tuple[str, str | None]:
    """
    A name without its tag, and the tag if it has one.

    A colon before the last slash belongs to the registry's port.
    """
    base, colon, tag = name.rpartition(":")
    return (base, tag) if colon and "/" not in tag else (name, None)


@dataclass(frozen=True, slots=True)
class SizeFound:
    """A model's size in billions of parameters, and by which rule it was found."""

    size_b: float
    method: str
    matched: str = ""


def size_of(name: str, sizes: ModelSizes) -> SizeFound:
    """
    The size that a model's name tells.

    First a number in its tag, then one in the rest of its name, then the
    operator's mapping (of the whole name, then of the name without its tag), then
    the largest of the operator's patterns that the name without its tag contains,
    then the default.  Capitals make no difference.
    """
    if len(name) > LONGEST_NAME:
        return SizeFound(sizes.default, "default")
    name = name.strip().lower()
    base, tag = split_tag(name)
    if tag is not None and (found := _SIZE.search(tag)):
        return SizeFound(float(found[1]), "tag", found[0])
    if found := _SIZE.search(base):
        return SizeFound(float(found[1]), "name", found[0])
    mapping = {key.lower(): size for key, size in sizes.mapping.items()}
    for key in (name, base):
        if key in mapping:
            return SizeFound(mapping[key], "mapping", key)
    matching = [each for each in sizes.patterns if each.lower() in base]
    if matching:
        largest = max(matching, key=lambda each: sizes.patterns[each])
        return SizeFound(sizes.patterns[largest], "pattern", largest)
    return SizeFound(sizes.default, "default")


@dataclass(frozen=True, slots=True)
class NodeModels:
    """
    What one node has on disk, and what of it is in memory, by the names it gives them.

    ``exact`` are the names of a server that is no Ollama: they are what they are, to
    the letter.
    """

    names: tuple[str, ...] = ()
    loaded_names: tuple[str, ...] = ()
    _on_disk: frozenset[ModelName] = frozenset()
    #: What is in memory, and the context each was loaded with, if the node says.
    contexts: dict[ModelName, int | None] = field(default_factory=dict, hash=False)
    exact: frozenset[str] | None = None

    @classmethod
    def from_lists(cls, tags: Iterable[Any], ps: Iterable[Any] | None) -> NodeModels:
        """What ``/api/tags`` and ``/api/ps`` list; what is no model in there is passed over."""
        names, loaded = _names(tags), _named(ps or ())
        contexts = {ModelName.parse(name): _context(each) for name, each in loaded}
        return cls(
            names,
            tuple(name for name, _ in loaded),
            frozenset(map(ModelName.parse, names)),
            contexts,
        )

    @classmethod
    def from_openai(cls, data: Iterable[Any]) -> NodeModels:
        """
        What ``/v1/models`` of another server lists.

        Only some tell what is in memory: llama.cpp by a status, if it has several
        models, or by what it knows of its only one; vLLM by the context it keeps.
        """
        listed = _named(data, ("id",))
        others = (name for _, each in listed for name in _aliases(each))
        loaded = [(name, each) for name, each in listed if _in_memory(each)]
        names = tuple(name for name, _ in listed)
        return cls(
            names,
            tuple(name for name, _ in loaded),
            contexts={ModelName.parse(name): _context(each) for name, each in loaded},
            exact=frozenset((*names, *others)),
        )

    def has(self, model: ModelName) -> bool:
        """Is the model on the node's disk?"""
        return model in self._on_disk if self.exact is None else model.text in self.exact

    def is_loaded(self, model: str) -> bool:
        """Is the model in the node's memory?"""
        return ModelName.parse(model) in self.contexts


def _names(models: Iterable[Any]) -> tuple[str, ...]:
    return tuple(name for name, _ in _named(models))


def _named(
    models: Iterable[Any], keys: tuple[str, ...] = ("name", "model")
) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for each in models:
        if isinstance(each, dict):
            name = next((each[key] for key in keys if each.get(key)), None)
            if isinstance(name, str) and name:
                found.append((name, each))
    return found


def _aliases(model: dict[str, Any]) -> Iterable[str]:
    """Other names that llama.cpp's server knows a model by."""
    aliases = model.get("aliases")
    return [each for each in aliases if isinstance(each, str)] if isinstance(aliases, list) else ()


def _in_memory(model: dict[str, Any]) -> bool:
    status = model.get("status")
    if isinstance(status, dict):
        return status.get("value") == "loaded"
    return any(isinstance(model.get(key), kind) for key, kind in _OF_LOADED)


def _context(model: dict[str, Any]) -> int | None:
    meta = model.get("meta")
    length = model.get("context_length") or model.get("max_model_len")
    if length is None and isinstance(meta, dict):
        length = meta.get("n_ctx")
    return length if isinstance(length, int) and length > 0 else None
