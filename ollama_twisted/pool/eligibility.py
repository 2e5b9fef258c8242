"""Which nodes may serve a request, and for each other one the reason why not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec

from ollama_twisted.config.resolved import ModelSizes, SizeRange
from ollama_twisted.pool.models import ModelName, size_of
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.warmth import Options
from ollama_twisted.services import OFFERS, SINCE, Kind, Service, answer_for_strangers


class Want(msgspec.Struct, frozen=True):
    """
    What a request needs of a node: a service, and a model by its name or ``None`` for any.

    The rest decides nothing about who may serve it, only who had better:
    ``options`` are those that it wants the model loaded with, ``prefix`` stands for
    how its conversation begins.  ``path`` is how people know what is asked for.
    (A struct, because each request makes one: a frozen dataclass takes ten times as long.)
    """

    model: str | None = None
    options: Options = ()
    prefix: int | None = None
    service: Service = Service.NATIVE
    path: str = ""


class Reason(Enum):
    """Why a node may not serve a request."""

    KIND = "kind"
    VERSION = "version"
    DISABLED = "disabled"
    DRAINING = "draining"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    SIZE = "size"
    ABSENT = "model absent"
    EJECTED = "ejected"
    FULL = "full"


#: Reasons that hold for as long as the node is what it is.
LASTING = frozenset({Reason.KIND, Reason.VERSION})
#: Reasons that pass by themselves, and soon.
PASSING = frozenset({Reason.STARTING, Reason.EJECTED, Reason.FULL})
#: Reasons for which a node cannot be reached, whatever it could do otherwise.
_AWAY = frozenset({Reason.STARTING, Reason.UNHEALTHY})


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason, in a word and in words."""

    reason: Reason
    text: str

    @property
    def passing(self) -> bool:
        """Does it hold for the moment only, of a node that may serve the request?"""
        return self.reason in PASSING

    def __str__(self) -> str:
        return self.text


_ABSENT = Refusal(Reason.ABSENT, "it does not have the model")
_UNNAMED = Refusal(Reason.ABSENT, "it has no model of its own for recordings that name none")


def eligible(
    nodes: Iterable[Node], want: Want, sizes: ModelSizes
) -> list[tuple[Node, Refusal | None]]:
    """
    Each node with the reason why it may not serve the request, or ``None`` if it may.

    Whether it is free at this moment is not asked here.  A model that nobody has
    goes to the nodes whose size ranges fit, so that Ollama's own words about it
    reach the client (see `answer_for_strangers`); a node that has not told its models
    yet may have it, and one that is starting is waited for rather than that others
    are asked in vain.  One that had it when it was last heard of still counts as having
    it: its model is not there for the moment, which is something else than not found.
    Nor is it not found if a node of another kind has it: it is only asked for wrongly.
    A recording that names no model goes to a speech server, which may have a usual one.
    """
    name, size = None, None
    if want.model is not None:
        name = ModelName.parse(want.model)
        size = size_of(want.model, sizes).size_b
    judged = [(node, _refusal(node, want, size)) for node in nodes]
    if name is not None and any(_may_have(*each, want, name) for each in judged):
        return [
            (node, _ABSENT if refusal is None and lacks(node, name) else refusal)
            for node, refusal in judged
        ]
    if name is None and want.service is not Service.TRANSCRIPTIONS:
        return judged
    first = answer_for_strangers(want.service)
    if not any(_answers_first(*each, first) for each in judged):
        return judged
    absent = _ABSENT if name is not None else _UNNAMED
    return [
        (node, absent if refusal is None and node.config.kind not in first else refusal)
        for node, refusal in judged
    ]


def any_starting(judged: Iterable[tuple[Node, Refusal | None]]) -> bool:
    """May one of the nodes serve the request, once that has started?"""
    return any(refusal and refusal.reason is Reason.STARTING for _, refusal in judged)


def refusals(judged: Iterable[tuple[Node, Refusal | None]]) -> str:
    """Who may not, and why, on one line: ``b: size; c: model absent``."""
    return "; ".join(f"{node.name}: {each.reason.value}" for node, each in judged if each)


def _may_have(node: Node, refusal: Refusal | None, want: Want, name: ModelName) -> bool:
    if refusal is None or refusal.reason is Reason.STARTING:
        return not lacks(node, name)
    away = refusal.reason is Reason.UNHEALTHY or (
        # A model may well be brought to a node though one of another kind has it.
        refusal.reason in LASTING and want.service is not Service.MANAGE
    )
    return away and node.models is not None and node.models.has(name)


def _answers_first(node: Node, refusal: Refusal | None, first: Collection[Kind]) -> bool:
    """Would the node be asked for an unknown model before others, were it not down?"""
    return node.config.kind in first and (refusal is None or refusal.reason in _AWAY)


def lacks(node: Node, name: ModelName) -> bool:
    """Has the node told its models, and not this one?"""
    return node.models is not None and not node.models.has(name)


def may_offer(node: Node, service: Service, model: str | None) -> bool:
    """Might the node answer for the model, if it were asked for this service?"""
    name = None if model is None else ModelName.parse(model)
    offers = node.config.enabled and service in node.offers
    return offers and (name is None or not lacks(node, name))


def _refusal(node: Node, want: Want, size: float | None) -> Refusal | None:
    config = node.config
    if want.service not in node.offers:
        return _not_offered(node, want)
    if not config.enabled:
        return Refusal(Reason.DISABLED, "disabled in the configuration")
    if node.draining:
        return Refusal(Reason.DRAINING, "draining")
    if size is not None and config.ranges and not any(fits(each, size) for each in config.ranges):
        return Refusal(Reason.SIZE, f"{size:g}B is outside its size ranges")
    if node.health.starting:
        return Refusal(Reason.STARTING, f"starting ({node.last_check_error})")
    if not node.health.healthy:
        why = f" ({node.last_check_error})" if node.last_check_error else ""
        return Refusal(Reason.UNHEALTHY, f"down{why}")
    return None


def _not_offered(node: Node, want: Want) -> Refusal:
    kind, asked_for = node.config.kind, want.path or want.service.value
    if want.service not in OFFERS[kind]:
        return Refusal(Reason.KIND, f"{kind.one} has no {asked_for}")
    if want.service in node.config.lacks:
        return Refusal(Reason.KIND, f"it has no {asked_for}, as configured")
    since = ".".join(map(str, SINCE[want.service]))
    text = f"Ollama {node.version} has no {asked_for}, which came with {since}"
    return Refusal(Reason.VERSION, text)


def fits(size_range: SizeRange, size_b: float) -> bool:
    """Is a size within the range, both ends included?"""
    upper = size_range.max_b
    return size_range.min_b <= size_b and (upper is None or size_b <= upper)


def free(nodes: Sequence[Node], without: Collection[str], now: float) -> list[Node]:
    """
    Those of the nodes that may serve a request that are free at this moment.

    Signs of failure alone never leave a request without a node to try.
    """
    asked = [node for node in nodes if node.name not in without] if without else nodes
    admitted = [node for node in asked if node.breaker.admits(now)]
    return [node for node in admitted or asked if node.in_flight < node.limit]


def at_present(
    judged: Iterable[tuple[Node, Refusal | None]], now: float
) -> list[tuple[Node, Refusal | None]]:
    """The same judgement, with the reason against each node that may serve and is not free."""
    judged = list(judged)
    may = [node for node, refusal in judged if refusal is None]
    names = {node.name for node in free(may, frozenset(), now)}
    return [
        (node, _passing(node) if refusal is None and node.name not in names else refusal)
        for node, refusal in judged
    ]


def _passing(node: Node) -> Refusal:
    if node.full:
        return Refusal(Reason.FULL, f"{node.in_flight} requests in flight")
    return Refusal(Reason.EJECTED, "ejected after failures")
