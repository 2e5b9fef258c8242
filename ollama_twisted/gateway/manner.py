"""How nodes of each kind are asked whether they are well, and what they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ollama_twisted.services import Kind


@dataclass(frozen=True, slots=True)
class Manner:
    """
    One way of asking.

    ``alive`` is where an answer means that the node is well, whatever it says there;
    a node that has no such path is asked for its ``models`` instead.  ``loaded`` is
    where it tells what it has in memory, if it has such a list of its own.
    ``unready``: 503 is how it says that it cannot serve yet, not that it has much to
    do.  ``deaf``: while it works on a request it may answer nothing else.
    """

    alive: str
    models: str
    loaded: str = ""
    unready: bool = False
    deaf: bool = False


def listed_for(names: Iterable[str]) -> dict[str, Any]:
    """What a server with these models would answer at ``/v1/models``."""
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


MANNERS: Mapping[Kind, Manner] = {
    # Answered at once, however busy it is.
    Kind.OLLAMA: Manner("/api/version", "/api/tags", "/api/ps"),
    # A provider may have no version to tell.
    Kind.EXTERNAL: Manner("/api/tags", "/api/tags", "/api/ps"),
    Kind.OPENAI: Manner("/health", "/v1/models", unready=True),
    # Some transcribe in the very loop that should answer.
    Kind.WHISPER: Manner("/health", "/v1/models", unready=True, deaf=True),
}
