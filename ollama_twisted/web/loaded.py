"""The models in a node's memory, as its ``/api/ps`` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: More models than this nobody has in memory at once.
MOST_MODELS = 100


@dataclass(frozen=True, slots=True)
class Model:
    """A model in an Ollama's memory; ``expires`` is Unix time, ``None`` if it stays."""

    name: str
    size: int | None
    vram: int | None
    expires: float | None
    context: int | None = None


def read_models(answer: Any) -> tuple[Model, ...] | None:
    """The models in an answer of ``/api/ps``; ``None`` if it is not one."""
    listed = answer.get("models") if isinstance(answer, Mapping) else None
    if listed is None and isinstance(answer, Mapping) and "models" in answer:
        return ()
    if not isinstance(listed, list):
        return None
    models = {each.name: each for each in map(_read_model, listed) if each is not None}
    return tuple(models.values())[:MOST_MODELS]


def _read_model(entry: Any) -> Model | None:
    if not isinstance(entry, Mapping):
        return None
    name = entry.get("name") or entry.get("model")
    if not isinstance(name, str) or not name:
        return None
    return Model(
        name,
        _size(entry.get("size")),
        _size(entry.get("size_vram")),
        _expiry(entry),
        _size(entry.get("context_length")) or None,
    )


def _size(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 2**63 else None


def _expiry(entry: Mapping[str, Any]) -> float | None:
    text = entry.get("expires_at")
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(_readable(text))
        # A model that stays has a date some centuries ahead, or the year 1.
        return moment.timestamp() if 1970 < moment.year < 2200 else None
    except (ValueError, OverflowError, OSError):
        return None


def _readable(text: str) -> str:
    """Go's date, with nine digits and a Z, as Python 3.10 reads it."""
    text = text.replace("Z", "+00:00")
    head, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{head}.{digits[:6]:0<6}{rest[len(digits) :]}"
