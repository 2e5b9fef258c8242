"""The models a node has on disk, and the blobs they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bm])\b", re.IGNORECASE)
_DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}")
_DEFAULT_HOST = "registry.ollama.ai/"
_DEFAULT_NAMESPACE = "library/"
_BYTES_PER_PARAMETER = 0.6


@dataclass(frozen=True, slots=True)
class Model:
    """One model as ``/api/tags`` lists it."""

    name: str
    size: int
    digest: str
    modified_at: str
    family: str = "llama"
    parameter_size: str = "7B"
    quantization: str = "Q4_K_M"
    context_length: int = 4096
    embedding_length: int = 384
    capabilities: tuple[str, ...] = ("completion",)
    on_gpu: bool = True


def canonical(name: str) -> str:
    """The name in full: what Ollama takes for granted is said, letter case is not told apart."""
    name = name.casefold().removeprefix(_DEFAULT_HOST).removeprefix(_DEFAULT_NAMESPACE)
    return name if ":" in name.rpartition("/")[2] else name + ":latest"


def invent(name: str, modified_at: str) -> Model:
    """A model of that name whose size is what the name says, 7B where it says nothing."""
    name = name if ":" in name.rpartition("/")[2] else name + ":latest"
    found = _SIZE.search(name.rpartition("/")[2])
    number, unit = found.groups() if found else ("7", "B")
    parameters = float(number) * (1e9 if unit in "bB" else 1e6)
    return Model(
        name=name,
        size=round(parameters * _BYTES_PER_PARAMETER),
        digest=sha256(canonical(name).encode()).hexdigest(),
        modified_at=modified_at,
        family=re.split(r"[\d.:_-]", name.rpartition("/")[2])[0] or "llama",
        parameter_size=number + unit.upper(),
    )


def is_digest(text: str) -> bool:
    """May this name a blob?"""
    return _DIGEST.fullmatch(text) is not None


class Library:
    """What is on disk: models by name, blobs by digest (their sizes; the bytes are not kept)."""

    def __init__(self, models: Iterable[Model] = ()) -> None:
        self._models = {canonical(each.name): each for each in models}
        self.blobs: dict[str, int] = {}

    def models(self) -> list[Model]:
        """All of them, the last modified first, as Ollama lists them."""
        return sorted(self._models.values(), key=lambda each: each.modified_at, reverse=True)

    def find(self, name: str) -> Model | None:
        """The model of that name, if it is here."""
        return self._models.get(canonical(name)) if name else None

    def add(self, model: Model) -> None:
        """Put a model on disk, in the place of one of the same name."""
        self._models[canonical(model.name)] = model

    def copy(self, source: str, destination: str, modified_at: str) -> bool:
        """Give a model a second name.  False if there is no such model."""
        model = self.find(source)
        if model is None:
            return False
        name = destination if ":" in destination.rpartition("/")[2] else destination + ":latest"
        self.add(replace(model, name=name, modified_at=modified_at))
        return True

    def delete(self, name: str) -> Model | None:
        """Take a model off the disk.  The model that went, or None if there was none."""
        return self._models.pop(canonical(name), None) if name else None
