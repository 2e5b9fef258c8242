"""What an operator may write about a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta

from ollama_twisted.config import kinds
from ollama_twisted.config.entry import FAULTY, Entry, Maybe, says
from ollama_twisted.services import Kind

#: The original knew but two, and called the one on the own network so.
SYNONYMS = {"local": Kind.OLLAMA}


class SizeRange(Entry, frozen=True):
    """Models from one size to another, in billions of parameters."""

    min_params_b: Annotated[Maybe[kinds.Billions], says("The smallest model.")] = UNSET
    max_params_b: Annotated[
        Maybe[kinds.Billions | None], says("The largest model; null: no upper end.")
    ] = UNSET
    description: Annotated[Maybe[kinds.Text], says("For people.")] = UNSET

    def faults(self) -> Iterator[tuple[str, str]]:
        low, high = self.min_params_b, self.max_params_b
        if isinstance(low, float) and isinstance(high, float) and high < low:
            yield "max_params_b", f"{high:g} is less than min_params_b, {low:g}"


class Health(Entry, frozen=True):
    """Active checks of a node.  Times are in seconds."""

    interval: Annotated[Maybe[kinds.Seconds], says("From one check to the next.")] = UNSET
    timeout: Annotated[Maybe[kinds.Seconds], says("A check that takes longer has failed.")] = UNSET
    rise: Annotated[Maybe[kinds.Count], says("Passed checks in a row that turn it up.")] = UNSET
    fall: Annotated[Maybe[kinds.Count], says("Failed checks in a row that turn it down.")] = UNSET
    start_period: Annotated[
        Maybe[kinds.Patience],
        says("For so long from its first check on, failed ones say only that it is starting."),
    ] = UNSET
    slow_start: Annotated[
        Maybe[kinds.Patience],
        says("Until it has its whole share of the requests again, once it is back; 0: at once."),
    ] = UNSET
    models_interval: Annotated[
        Maybe[kinds.Seconds], says("How often the node is asked which models it has.")
    ] = UNSET


class Breaker(Entry, frozen=True):
    """When requests themselves show that a node is down, and how long it is then left alone."""

    failures: Annotated[
        Maybe[kinds.Count],
        says("Failed requests in a row that eject the node; one refused connection is enough."),
    ] = UNSET
    cooldown: Annotated[
        Maybe[kinds.Seconds],
        says("Seconds until one request tries it again; more each time in a row."),
    ] = UNSET


class Timeouts(Entry, frozen=True):
    """The time limits of a request's phases, in seconds.  There is none on the whole."""

    connect: Annotated[Maybe[kinds.Seconds], says("Until a connection stands.")] = UNSET
    first_byte: Annotated[Maybe[kinds.Seconds], says("Until the answer begins.")] = UNSET
    loading: Annotated[
        Maybe[kinds.Seconds],
        says("Until the answer begins, if the node must load the model first."),
    ] = UNSET
    idle: Annotated[Maybe[kinds.Seconds], says("From one part of the answer to the next.")] = UNSET


class Connections(Entry, frozen=True):
    """Connections to a node that stay open for the next request."""

    idle: Annotated[Maybe[kinds.NoneOrCount], says("How many; 0: none stays open.")] = UNSET
    idle_seconds: Annotated[Maybe[kinds.Seconds], says("How long.")] = UNSET


class Node(Entry, frozen=True):
    """One server.  It has hosts and port, or url; an external one has api_url."""

    name: Annotated[kinds.Name, says("Its name in metrics, logs and answers; no two the same.")]
    type: Annotated[
        Maybe[Literal["ollama", "openai", "whisper", "external", "local"]],
        says(
            "ollama (or local); openai: llama.cpp's server, vLLM, LM Studio; whisper: a "
            "speech-to-text server; external: an Ollama of someone else, where clients' "
            "credentials do not go."
        ),
    ] = UNSET
    hosts: Annotated[
        Maybe[Annotated[tuple[kinds.Host, ...], Meta(min_length=1)]],
        says("Names and addresses of this one node.  The first that answers is used."),
    ] = UNSET
    port: Annotated[Maybe[kinds.Port], says("The port at all of its hosts.")] = UNSET
    url: Annotated[
        Maybe[kinds.Url],
        says("Instead of hosts and port: http://host:port or https://host/prefix."),
    ] = UNSET
    api_url: Annotated[Maybe[kinds.Url], says("The URL of an external node.")] = UNSET
    api_key: Annotated[
        Maybe[kinds.ApiKey | None],
        says("Sent as 'Authorization: Bearer ...'.  Best written as ${VARIABLE}."),
    ] = UNSET
    headers: Annotated[
        Maybe[dict[kinds.HeaderName, kinds.HeaderValue]],
        says("Sent with each request to this node, in place of the client's of that name."),
    ] = UNSET
    timeout_seconds: Annotated[
        Maybe[kinds.Seconds], says("Sets both timeouts.first_byte and timeouts.idle.")
    ] = UNSET
    weight: Annotated[
        Maybe[kinds.Weight], says("Its share of requests under weighted_round_robin.")
    ] = UNSET
    enabled: Annotated[Maybe[bool], says("false: it gets no requests and no checks.")] = UNSET
    max_in_flight: Annotated[
        Maybe[kinds.Count | None],
        says(
            "Requests it works on at once; further ones wait in line.  null: no limit.  "
            "A whisper node has 1 unless told otherwise."
        ),
    ] = UNSET
    lacks: Annotated[
        Maybe[tuple[Literal["responses", "messages", "transcriptions"], ...]],
        says("What a server of its type may have, and this one has not: /v1/responses ..."),
    ] = UNSET
    models: Annotated[
        Maybe[Annotated[tuple[kinds.Name, ...], Meta(min_length=1)]],
        says("Names of its models, if it does not list them itself.  Not for an Ollama."),
    ] = UNSET
    supported_model_ranges: Annotated[
        Maybe[tuple[SizeRange, ...]], says("Sizes of the models it is for; none: any size.")
    ] = UNSET
    memory_gb: Annotated[Maybe[kinds.Gigabytes | None], says("For people.")] = UNSET
    description: Annotated[Maybe[kinds.Text], says("For people.")] = UNSET
    labels: Annotated[Maybe[dict[kinds.Name, kinds.Text]], says("For people and scripts.")] = UNSET
    health: Annotated[Health, says("What differs from the file's own health.")] = Health()
    breaker: Annotated[Breaker, says("What differs from the file's own breaker.")] = Breaker()
    timeouts: Annotated[Timeouts, says("What differs from the file's own timeouts.")] = Timeouts()
    connections: Annotated[Connections, says("What differs from the file's own connections.")] = (
        Connections()
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        external = kind_of(self.type) is Kind.EXTERNAL
        given = self.given()
        places = [key for key in ("hosts", "url", "api_url") if key in given]
        if not places:
            yield "", "needs api_url" if external else "needs hosts, or url"
        for key in places[1:]:
            yield key, f"stands beside {places[0]}, but one place to be found at is enough"
        if "api_url" in given and not external and self.type is not FAULTY:
            yield "api_url", 'is for nodes with "type": "external"; other nodes have url'
        if "hosts" in given and external:
            yield "hosts", "is not for external nodes; they have api_url"
        if "models" in given and self.type not in ("openai", "whisper", FAULTY):
            yield "models", "is for openai and whisper nodes; an Ollama lists its own"
        if "hosts" in given and "port" not in given and self.type in ("openai", "whisper"):
            yield "", "needs port: servers of its type have no usual one"
        if "port" in given and places and "hosts" not in given:
            yield "port", f"belongs to hosts; here it goes into {places[0]}"
        headers = self.headers if isinstance(self.headers, dict) else {}
        names = [name for name in headers if name is not FAULTY]
        for index, name in enumerate(names):
            if name.lower() in (each.lower() for each in names[:index]):
                yield f"headers.{name}", "stands there twice, in different letters"


def kind_of(said: Any) -> Kind:
    """The kind that a node's type is; one that says nothing of it is an Ollama."""
    known = {**SYNONYMS, **{kind.value: kind for kind in Kind}}
    return known.get(said, Kind.OLLAMA)
