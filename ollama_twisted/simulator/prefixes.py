"""What a model has read already, and need not read again: the cache of its places."""

from __future__ import annotations

from itertools import takewhile


class Read:
    """
    The last prompt of each place of each model.

    As in llama.cpp, a prompt goes to the place whose last one begins most like it,
    and only the rest is read; one that is like no other goes to the place that was
    used longest ago.  Answers are not kept: a conversation reads its own last answer
    once more, which makes the cache a little worse than it is.
    """

    def __init__(self, places: int) -> None:
        self._places = places or 1
        self._prompts: dict[str, list[str]] = {}

    def new(self, model: str, prompt: str) -> str:
        """The part of the prompt that must be read."""
        prompts = self._prompts.setdefault(model, [])
        common = [_shared(each, prompt) for each in prompts]
        most = max(common, default=0)
        # A few equal words at the begin are no reason to overwrite another conversation.
        if most * 2 > len(prompt) or (most and len(prompts[common.index(most)]) == most):
            del prompts[common.index(most)]
        elif len(prompts) >= self._places:
            del prompts[0]
        prompts.append(prompt)
        return prompt[most:]

    def forget(self, model: str) -> None:
        """The model was unloaded."""
        self._prompts.pop(model, None)


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common from the begin."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
