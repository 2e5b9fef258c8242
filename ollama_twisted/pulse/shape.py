"""
The documents that tell of a running gateway, field by field.

``docs/API.md`` has its tables from here.  A reader must cope with fields, kinds and
states that it does not know: these grow.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from ollama_twisted.web.changes import SCHEMA


def says(description: str) -> Any:
    """What a field tells."""
    return Meta(description=description)


#: A rate over the last seconds, to three digits; ``None`` where it is not known.
Rate: TypeAlias = "float | None"


class Failure(Struct, frozen=True):
    """A request that a node failed."""

    time: Annotated[str, says("When.")]
    reason: Annotated[str, says("In a word, as in the metrics and the access log.")]
    detail: Annotated[str, says("In words; may be empty.")]


class Loaded(Struct, frozen=True):
    """A model in a node's memory."""

    name: Annotated[str, says("Its name.")]
    size_bytes: Annotated[int, says("Its size in memory.")]
    vram_bytes: Annotated[int, says("How much of it is on the GPU.")]
    context_length: Annotated[int | None, says("Its context; null: the node does not tell.")]
    expires: Annotated[str | None, says("When it will be unloaded if nobody asks; null: never.")]


class Clients(Struct, frozen=True):
    """All clients, as one."""

    id: Annotated[str, says("`clients`.")]
    kind: Annotated[str, says("`client`.")]
    title: Annotated[str, says("For people.")]
    connections: Annotated[int, says("Open connections.")]


class Hub(Struct, frozen=True):
    """The gateway, as the node in the middle."""

    id: Annotated[str, says("`gateway`.")]
    kind: Annotated[str, says("`gateway`.")]
    title: Annotated[str, says("For people.")]
    in_flight: Annotated[int, says("Requests that nodes work on.")]
    waiting: Annotated[int, says("Requests that wait in line for a node.")]


class Server(Struct, frozen=True):
    """A node that answers requests."""

    id: Annotated[str, says("Its name in the configuration.")]
    kind: Annotated[str, says("`node`, or `external`.")]
    title: Annotated[str, says("For people.")]
    type: Annotated[
        str, says("`ollama`, `openai`, `whisper` or `external`: what kind of node it is.")
    ]
    state: Annotated[str, says("`healthy`, `down`, `ejected`, `draining` or `disabled`.")]
    error: Annotated[str, says("Why the last check failed; empty if it passed.")]
    version: Annotated[str | None, says("What it runs; null: it has not told.")]
    url: Annotated[str, says("Where it answered last.")]
    weight: Annotated[float, says("As configured.")]
    in_flight: Annotated[int, says("Requests that it works on.")]
    transfers: Annotated[
        int, says("The same of pull, push, create, blobs ..., which take no place and count apart.")
    ]
    max_in_flight: Annotated[int | None, says("As configured; null: no limit.")]
    total_requests: Annotated[int, says("Attempts sent to it since the gateway started.")]
    failed_requests: Annotated[int, says("Those of them that it failed.")]
    requests_per_second: Annotated[Rate, says("Attempts begun.")]
    tokens_per_second: Annotated[Rate, says("Tokens generated.")]
    first_token_seconds: Annotated[
        Rate, says("From a request to its first token: the median of the last minute.")
    ]
    bytes_per_second: Annotated[Rate, says("Of answers, without their heads.")]
    models: Annotated[tuple[str, ...], says("On its disk.")]
    loaded: Annotated[tuple[Loaded, ...], says("In its memory.")]
    failures: Annotated[tuple[Failure, ...], says("The last ten, newest last.")]
    labels: Annotated[dict[str, str], says("As configured.")]


class Model(Struct, frozen=True):
    """A model that some node has in memory."""

    id: Annotated[str, says("`model:` and its name.")]
    kind: Annotated[str, says("`model`.")]
    title: Annotated[str, says("Its name.")]
    nodes: Annotated[int, says("How many nodes have it in memory.")]
    in_flight: Annotated[int, says("Requests for it that nodes work on.")] = 0
    requests_per_second: Annotated[Rate, says("Requests for it that ended.")] = None
    tokens_per_second: Annotated[Rate, says("Tokens that it generated.")] = None
    first_token_seconds: Annotated[
        Rate, says("From a request to its first token: the median of the last minute.")
    ] = None


class Link(Struct, frozen=True):
    """Between the clients and the gateway, or the gateway and a node."""

    id: Annotated[str, says("`source->target`.")]
    source: Annotated[str, says("The id of a node.")]
    target: Annotated[str, says("The id of a node.")]
    in_flight: Annotated[int, says("Requests under way on it.")]
    requests_per_second: Annotated[Rate, says("As of the node, or of the gateway.")]
    tokens_per_second: Annotated[Rate, says("The same.")]
    bytes_per_second: Annotated[Rate, says("The same.")]


class Copy(Struct, frozen=True):
    """Between a node and a model in its memory."""

    id: Annotated[str, says("`source->target`.")]
    source: Annotated[str, says("The id of a node.")]
    target: Annotated[str, says("The id of a model.")]
    vram_bytes: Annotated[int, says("How much of it is on this node's GPU.")]


class Event(Struct, frozen=True):
    """Something that an operator wants to know of."""

    seq: Annotated[int, says("Grows by one with each event.")]
    time: Annotated[str, says("When.")]
    kind: Annotated[
        str,
        says(
            "`up`, `down`, `ejected`, `readmitted`, `draining`, `drained`, `resumed`, `reloaded`,"
            " `reload_failed`, `model_loaded`, `model_unloaded`, `failure` ..."
        ),
    ]
    node: Annotated[str | None, says("The id of the node that it is about; null: the gateway.")]
    text: Annotated[str, says("In words.")]


class State(Struct, frozen=True):
    """The gateway as a whole."""

    version: Annotated[str, says("Of the gateway.")]
    strategy: Annotated[str, says("How it chooses.")]
    notice: Annotated[str, says("Said above everything else; mostly empty.")]
    started: Annotated[str, says("When it started.")]
    clients: Annotated[int, says("Open connections.")]
    in_flight: Annotated[int, says("Requests that nodes work on.")]
    waiting: Annotated[int, says("Requests that wait in line.")]
    max_waiting: Annotated[int, says("How many may.")]
    requests_per_second: Annotated[Rate, says("Requests that ended, however they did.")]
    tokens_per_second: Annotated[Rate, says("Tokens generated, by all nodes.")]
    first_token_seconds: Annotated[Rate, says("The median of the last minute.")]
    failures_per_second: Annotated[Rate, says("Requests without a whole answer.")]
    bytes_per_second: Annotated[Rate, says("Of answers, without their heads.")]


Node: TypeAlias = Clients | Hub | Server | Model
Edge: TypeAlias = Link | Copy


class Gone(Struct, frozen=True):
    """The ids of what is not there any more."""

    nodes: Annotated[list[str], says("Of nodes.")]
    links: Annotated[list[str], says("Of links.")]


class Snapshot(Struct, frozen=True, kw_only=True):
    """``GET /api/topology``, and the first event of ``GET /api/events``: all there is to know."""

    schema: Annotated[int, says("The form of these documents.")] = SCHEMA
    seq: Annotated[int, says("Grows by one with each change.")]
    time: Annotated[str, says("Of the last change.")]
    role: Annotated[str, says("`gateway`.")] = "gateway"
    gateway: Annotated[State, says("The gateway as a whole.")]
    nodes: Annotated[list[Node], says("Clients, gateway, nodes and models, in this order.")]
    links: Annotated[list[Edge], says("Between them; both ends are among the nodes.")]
    events: Annotated[list[Event], says("The last hundred, newest last.")]


class Delta(Struct, frozen=True, kw_only=True):
    """The other events of ``GET /api/events``: what has changed since ``seq`` - 1."""

    schema: Annotated[int, says("The form of these documents.")] = SCHEMA
    seq: Annotated[int, says("Grows by one with each change.")]
    time: Annotated[str, says("Of the change.")]
    gateway: Annotated[State | UnsetType, says("Whole; absent if it is as it was.")] = UNSET
    nodes: Annotated[list[Node], says("Those that are new or have changed, whole.")]
    links: Annotated[list[Edge], says("The same.")]
    removed: Annotated[Gone, says("What is gone.")]
    events: Annotated[list[Event] | UnsetType, says("New ones; absent if there are none.")] = UNSET


class History(Struct, frozen=True):
    """``GET /api/history``: the last five minutes."""

    interval: Annotated[float, says("Seconds from one point to the next.")]
    end: Annotated[str | None, says("When the newest point was; null: there is none yet.")]
    series: Annotated[
        dict[str, dict[str, list[float | None]]],
        says("By `gateway` and the id of each node: points by field, oldest first; null: none."),
    ]
