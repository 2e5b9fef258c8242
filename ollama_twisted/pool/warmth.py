"""
What a node is believed to hold in memory, between two of its own lists.

A node tells what it has loaded now and then only.  What was sent to it since tells
the rest: a model is loaded by whoever asks for it first, with that one's options.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from ollama_twisted.pool.models import LONGEST_NAME, ModelName, NodeModels

#: Options that a model is loaded with: another value, if said, loads it again.
Options = tuple[tuple[str, int], ...]

#: Models that one node is believed to hold at a time, whatever names outsiders invent.
MOST = 256


class Warmth(IntEnum):
    """How much a node must do before it can answer; less is better."""

    LOADED = 0
    ON_DISK = 1
    OTHER_OPTIONS = 2  # loading it again takes it away from those who use it
    ABSENT = 3


@dataclass(slots=True)
class _Held:
    """One model in memory."""

    context: int | None = None
    asked: Options = ()
    in_flight: int = 0

    def fits(self, options: Options) -> bool:
        asked = dict(self.asked)
        return all(
            asked.get(name) == value or (name == "num_ctx" and self.context == value)
            for name, value in options
        )


class Holdings:
    """The models that one node holds."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[ModelName, _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def warmth(self, models: NodeModels | None, name: ModelName, options: Options) -> Warmth:
        """How ready the node is, whose lists are ``models``, for a model with these options."""
        held = self._held.get(name)
        if held is not None:
            return Warmth.LOADED if held.fits(options) else Warmth.OTHER_OPTIONS
        return Warmth.ON_DISK if models is None or models.has(name) else Warmth.ABSENT

    def sent(self, models: NodeModels | None, name: ModelName, options: Options) -> bool:
        """A request is on its way; must the model be loaded for it?"""
        warmth = self.warmth(models, name, options)
        if name not in self._held and (warmth is Warmth.ABSENT or len(self._held) >= MOST):
            return False
        held = self._held.setdefault(name, _Held())
        if not held.fits(options):
            # What it said no word about may be as it was, or not.
            held.context, held.asked = None, options
        held.in_flight += 1
        return warmth is not Warmth.LOADED

    def ended(self, name: ModelName, failed: bool) -> None:
        """It has ended.  A failed one may have loaded nothing; the next list will tell."""
        held = self._held.get(name)
        if held is not None:
            held.in_flight = max(0, held.in_flight - 1)
            if failed and not held.in_flight:
                del self._held[name]

    def listed(self, models: NodeModels) -> None:
        """The node has told; what requests are under way for may not be loaded yet."""
        kept = {name: held for name, held in self._held.items() if held.in_flight}
        for name, context in models.contexts.items():
            held = self._held.get(name, _Held())
            if held.context is not None and context is not None and held.context != context:
                # Somebody else had it loaded again.
                held.asked = ()
            held.context = context
            kept[name] = held
        self._held = kept


def name_of(model: str) -> ModelName:
    """The name that a text is, remembered for those that come again."""
    return _parsed(model) if len(model) <= LONGEST_NAME else ModelName.parse(model)


_parsed = lru_cache(1024)(ModelName.parse)
