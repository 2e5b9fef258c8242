"""Which nodes each kind of request about models is for, unless it names them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ollama_twisted.gateway.choice import HOW, Choice
from ollama_twisted.gateway.failures import Refused
from ollama_twisted.gateway.fanout import nodes_field
from ollama_twisted.gateway.upload import Upload
from ollama_twisted.pool.blobs import digest_of
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.targets import has
from ollama_twisted.wire.making import Origin, origin_of, read_object
from ollama_twisted.wire.problems import body as problem
from ollama_twisted.wire.results import Result
from ollama_twisted.wire.routes import Dialect, Route

if TYPE_CHECKING:
    from ollama_twisted.gateway.managing import Managing

#: A create that names more blobs goes to a node that says what it makes of them.
MOST_BLOBS = 64


async def anywhere(work: Managing) -> None:
    """One node, that has the model if any has."""
    await work.one(work.choice.one())


async def pull(work: Managing) -> None:
    """As configured."""
    nodes, others = work.choice.to_pull()
    await (work.one([*nodes, *others]) if len(nodes) == 1 else work.tell_of_all("pull", nodes))


async def where_it_is(work: Managing) -> None:
    """Every node that has the model."""
    nodes = work.choice.who_has_it()
    if len(nodes) == 1:
        await work.one(nodes)
        return
    results = [errand.result for errand in await work.ask_all(nodes)]
    _refresh(work, results)
    work.answer_all(results)


async def unload(work: Managing) -> None:
    """Every node that may have the model in memory; none of them loads it for that."""
    nodes = work.choice.who_may_hold(work.want)
    if len(nodes) == 1:
        await work.one(nodes)
        return
    errands = await work.ask_all(nodes)
    results = [errand.result for errand in errands]
    _refresh(work, results)
    said = next((read_object(each.said) for each in errands if each.result.ok), {})
    work.answer_all(results, said=said)


def _refresh(work: Managing, results: Iterable[Result]) -> None:
    for result in results:
        if result.ok:
            work.gateway.refresh(result.node)


async def account(work: Managing) -> None:
    """One node, of the operator's choice."""
    path = work.record.path.decode("latin-1")
    await work.one([work.choice.one_alone(f"{path} is about one node alone")])


async def blob(work: Managing) -> None:
    """An upload to one node, or a question for all."""
    if work.record.method == b"POST":
        await _upload(work)
    elif work.record.method == b"HEAD":
        await _look(work)
    else:
        await anywhere(work)


async def _upload(work: Managing) -> None:
    gateway, client, digest = work.gateway, work.record.client, _digest(work)
    blobs, now = gateway.blobs, gateway.seconds()
    if work.choice.by_name:
        nodes = work.choice.who_may_have()
    else:
        home, holders = blobs.home(client, now), blobs.holders(digest)
        nodes = sorted(
            work.choice.one(), key=lambda node: (node.name not in home, node.name not in holders)
        )
        # The next blob may come before this one has ended.
        blobs.settle(client, [nodes[0].name], now)
    if len(nodes) == 1 or not work.choice.by_name:
        await work.one(nodes)
        taken = [work.record.node] if work.record.status < 400 else []
    else:
        results = [errand.result for errand in await work.ask_all(nodes)]
        work.answer_all(results, max(each.status for each in results))
        taken = [each.node for each in results if each.ok]
    for name in taken:
        blobs.seen(digest, name)
    if taken:
        blobs.settle(client, taken, gateway.seconds())


async def _look(work: Managing) -> None:
    digest, nodes = _digest(work), work.choice.who_may_have()
    if len(nodes) == 1:
        await work.one(nodes)
        _found(work, digest, {nodes[0].name: work.record.status})
        return
    results = [errand.result for errand in await work.ask_all(nodes)]
    holders = _found(work, digest, {each.node: each.status for each in results})
    status = 200 if holders else min(each.status for each in results)
    said = b"" if holders else problem(Dialect.OLLAMA, status, "no node has this blob")
    work.answer_own(status, said, nodes_field(holders or [each.node for each in results]))


def _found(work: Managing, digest: str, statuses: Mapping[str, int]) -> list[str]:
    """Remember what nodes said of a client's blob; those that hold it."""
    gateway = work.gateway
    holders = _remember(work, digest, statuses)
    if holders:
        gateway.blobs.found(work.record.client, holders, gateway.seconds())
    return holders


def _remember(work: Managing, digest: str, statuses: Mapping[str, int]) -> list[str]:
    for name, status in statuses.items():
        if status == 200 or status == 404:
            work.gateway.blobs.seen(digest, name, held=status == 200)
    return [name for name, status in statuses.items() if status == 200]


async def create(work: Managing) -> None:
    """The nodes that hold the blobs it names, or have the model that it is made from."""
    assert not isinstance(work.body, Upload)
    nodes = await _to_make(work, origin_of(work.body.whole()))
    if len(nodes) > 1:
        await work.tell_of_all("create", nodes)
    else:
        await work.one(nodes or work.choice.one())
    if work.record.status == 200 and not work.record.failure:
        work.gateway.blobs.leave(work.record.client)


async def _to_make(work: Managing, origin: Origin) -> list[Node]:
    if work.choice.by_name:
        return work.choice.who_may_have()
    nodes = work.choice.who_may_have()
    if len(nodes) == 1:
        return nodes
    if origin.digests:
        return await _with_blobs(work, origin.digests[:MOST_BLOBS], nodes)
    return [node for node in nodes if origin.base and has(node, origin.base)]


async def _with_blobs(work: Managing, digests: Sequence[str], nodes: list[Node]) -> list[Node]:
    """The nodes that hold all of these blobs; else one that holds most of them, or none."""
    holders: dict[str, frozenset[str]] = {}
    names = {node.name for node in nodes}
    for digest in digests:
        key = digest_of(digest)
        if not work.gateway.blobs.holders(key) & names:
            results = await work.ask_for_blob(digest, nodes)
            _remember(work, key, {each.node: each.status for each in results})
        holders[digest] = work.gateway.blobs.holders(key) & names
    for_all = frozenset.intersection(*holders.values())
    if for_all:
        return [node for node in nodes if node.name in for_all]
    if all(holders.values()):
        where = "; ".join(
            f"{digest[:19]} on {', '.join(sorted(held))}" for digest, held in holders.items()
        )
        message = f"no node holds all blobs of this model ({where}): upload them to one node"
        raise Refused(400, f"{message}, named with {HOW}", "bad_nodes")
    held = {node.name: sum(node.name in each for each in holders.values()) for node in nodes}
    best = max(nodes, key=lambda node: held[node.name])
    return [best] if held[best.name] else []


def _digest(work: Managing) -> str:
    return digest_of(unquote(work.record.path.decode("latin-1")).rpartition("/")[2])


def foretold(route: Route, choice: Choice, want: Want) -> list[Node] | None:
    """Whom such a request would go to now; ``None`` if what nodes have decides, or its client."""
    operation = OPERATIONS.get(route.operation, anywhere)
    if operation is create or operation is blob:
        return None
    if operation is pull:
        return choice.to_pull()[0]
    if operation is where_it_is:
        return choice.who_has_it()
    if operation is unload:
        return choice.who_may_hold(want)
    if operation is account:
        return [choice.one_alone("this is about one node alone")]
    return choice.one()[:1]


OPERATIONS: Mapping[str, Callable[[Managing], Awaitable[None]]] = {
    "pull": pull,
    "create": create,
    "copy": where_it_is,
    "delete": where_it_is,
    "blob": blob,
    "me": account,
    "signout": account,
    "keys": account,
    "debug": account,
    "generate": unload,
    "chat": unload,
}
"""What is not here concerns one node, any."""
