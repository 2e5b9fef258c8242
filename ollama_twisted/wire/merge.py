"""Many nodes' lists of models as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_EMPTY = (None, "", 0)


def merge_tags(lists: Sequence[tuple[str, Iterable[object]]]) -> dict[str, Any]:
    """
    The ``models`` of several nodes' ``/api/tags`` as the answer of one.

    Each model is told once, sorted by name, as the first node that has it
    tells it; what that node leaves out is filled in from the next ones.  Names
    that differ in capitals only are one model, as they are to Ollama.
    """
    merged: dict[str, dict[str, Any]] = {}
    for _, models in lists:
        for model in models:
            if not isinstance(model, Mapping):
                continue
            name = model.get("name") or model.get("model")
            if not name or not isinstance(name, str):
                continue
            known = merged.setdefault(name.lower(), {"name": name, "model": name})
            for field, value in model.items():
                if field not in known or known[field] in _EMPTY:
                    known[field] = value
    return {"models": [merged[name] for name in sorted(merged)]}
