"""Strategies that spare a node work: loading a model, or reading a conversation once more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import ceil, log
from random import Random
from zlib import crc32

from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.warmth import Warmth, name_of

#: How much more than its share of all requests in flight a node may have under `prefix_affinity`.
BOUND = 1.25

# What `adaptive` thinks that things cost, in requests in flight on a node of weight 1.
LOADING = 4.0
LOADING_FIRST = 1.5  # on a node that holds nothing yet: nobody else loses anything by it
OTHER_OPTIONS = 1.0
EACH_HELD, MOST_HELD = 0.25, 1.0
AWAY = 2.0

#: Conversations whose node is remembered.
REMEMBERED = 10_000

_ANY = Want()
_MASK = 2**64 - 1


class WarmFirst:
    """
    A candidate that has the model loaded, with the options that are wanted.

    Else one that has it on disk, and of these one that holds few other models: they
    may have to go.  Among equals it is the one with the fewest requests in flight,
    and then chance.
    """

    why = "it has least to load, and then the fewest requests in flight"
    looks = True

    def __init__(self, random: Random) -> None:
        self._random = random

    def best(self, candidates: Sequence[Node], want: Want = _ANY) -> Sequence[Node]:
        costs = [(*_work(each, want), each.in_flight / each.share) for each in candidates]
        least = min(costs)
        return [each for each, cost in zip(candidates, costs, strict=True) if cost == least]

    def choose(self, candidates: Sequence[Node], want: Want = _ANY) -> Node:
        return self._random.choice(self.best(candidates, want))


class PrefixAffinity:
    """
    The candidate where a conversation belongs, unless that one has more than its share.

    Each conversation has its own order of all nodes (rendezvous hashing), so a node
    that leaves moves its own conversations only.  The first in that order takes it
    whose requests in flight, this one included, are no more than `BOUND` of an even
    share, rounded up.  What is no conversation goes to the fewest in flight.
    """

    why = "its conversation belongs there, as far as the load allows"
    looks = True

    def __init__(self, random: Random) -> None:
        self._random = random

    def best(self, candidates: Sequence[Node], want: Want = _ANY) -> Sequence[Node]:
        if want.prefix is None:
            return _lightest(candidates)
        room = [each for each in candidates if each.in_flight < bound(each, candidates)]
        return (max(room, key=_Belonging(want)),)

    def choose(self, candidates: Sequence[Node], want: Want = _ANY) -> Node:
        return self._random.choice(self.best(candidates, want))


class Adaptive:
    """
    The candidate that will probably answer soonest.

    Each is held against the others by its requests in flight, by whether it must
    load the model first, and by whether the conversation was somewhere else before.
    Neither ever weighs more than a few requests, so nobody is left idle for long
    while others are crowded.
    """

    why = "the least to load, to read again and to wait for, taken together"
    looks = True

    def __init__(self, random: Random) -> None:
        self._random = random
        self._homes: OrderedDict[tuple[str | None, int], str] = OrderedDict()

    def best(self, candidates: Sequence[Node], want: Want = _ANY) -> Sequence[Node]:
        if want.model is None:
            return _lightest(candidates)
        home = None if want.prefix is None else self._homes.get((want.model, want.prefix))
        costs = [_cost(each, want, home) for each in candidates]
        least = min(costs)
        best = [each for each, cost in zip(candidates, costs, strict=True) if cost == least]
        # Gateways side by side send a conversation to the same node, without a word.
        return best if want.prefix is None else (max(best, key=_Belonging(want)),)

    def choose(self, candidates: Sequence[Node], want: Want = _ANY) -> Node:
        best = self.best(candidates, want)
        node = best[0] if len(best) == 1 else self._random.choice(best)
        if want.prefix is not None:
            key = want.model, want.prefix
            self._homes[key] = node.name
            self._homes.move_to_end(key)
            if len(self._homes) > REMEMBERED:
                self._homes.popitem(last=False)
        return node


def bound(node: Node, candidates: Sequence[Node]) -> int:
    """How many requests in flight the node may have, with one more to be given to somebody."""
    requests = 1 + sum(each.in_flight for each in candidates)
    share = node.weight / sum(each.weight for each in candidates)
    return ceil(BOUND * requests * share)


def _load(node: Node) -> float:
    return node.in_flight / node.weight


def _lightest(candidates: Sequence[Node]) -> Sequence[Node]:
    if len(candidates) == 1:
        return candidates
    loads = [each.in_flight / each.weight for each in candidates]
    least = min(loads)
    return [each for each, load in zip(candidates, loads, strict=True) if load == least]


def _work(node: Node, want: Want) -> tuple[Warmth, int]:
    """What it must do before it can answer, and how many other models may suffer for it."""
    if want.model is None:
        return Warmth.LOADED, 0
    warmth = node.holdings.warmth(node.models, name_of(want.model), want.options)
    return warmth, len(node.holdings) if warmth else 0


def _cost(node: Node, want: Want, home: str | None) -> float:
    cost = _load(node)
    warmth, held = _work(node, want)
    if warmth:
        cost += LOADING + min(MOST_HELD, EACH_HELD * held) if held else LOADING_FIRST
        if warmth is Warmth.OTHER_OPTIONS:
            cost += OTHER_OPTIONS
    if home is not None and node.name != home:
        cost += AWAY
    return cost


class _Belonging:
    """How much a conversation belongs to a node: the same in every process."""

    __slots__ = ("_seed",)

    def __init__(self, want: Want) -> None:
        assert want.prefix is not None
        self._seed = want.prefix ^ crc32((want.model or "").encode("utf-8", "replace"))

    def __call__(self, node: Node) -> float:
        # The finaliser of splitmix64: each bit changes half of the others.
        mixed = (self._seed + crc32(node.name.encode()) * 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        mixed ^= mixed >> 31
        return -node.config.weight / log((mixed + 0.5) / 2**64)
