"""The file as the operator wrote it, completed to the configuration that the program runs with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from ollama_twisted.config import resolved
from ollama_twisted.config.addresses import is_loopback, read_host, read_url
from ollama_twisted.config.node import Node, kind_of
from ollama_twisted.config.resolved import Address, Config, NodeConfig
from ollama_twisted.config.schema import File
from ollama_twisted.config.targets import read_targets
from ollama_twisted.services import Service

_T = TypeVar("_T")

_TAKEN_AS_SAID = (
    "name",
    "weight",
    "enabled",
    "memory_gb",
    "models",
    "description",
    "labels",
)
_OF_RANGE = {"min_params_b": "min_b", "max_params_b": "max_b", "description": "description"}


def resolve(file: File, lacking: Iterable[tuple[str, str]] = ()) -> Config:
    """
    The configuration that a file without faults asks for.

    A node that lacks a secret (a path in the file, and the variable that is not
    set) could only be refused by its owner.  It is disabled, with a warning, and
    the others are served.
    """
    given = file.given()
    nodes, warnings = [], []
    for index, entry in enumerate(given.get("nodes", ())):
        node = _node(entry, file)
        missing = {name: None for path, name in lacking if path.startswith(f"nodes[{index}].")}
        if missing:
            if node.enabled:
                warnings.append(f"{node.name} is disabled: {', '.join(missing)} is not set")
            node = replace(node, enabled=False, headers=(), api_key=None)
        nodes.append(node)
    nodes = nodes or [resolved.LOCAL_NODE]
    gateway = _completed(resolved.GatewayLimits(), file.gateway.given())
    for path, name in lacking:
        if path.startswith("gateway."):
            warnings.append(f"{path} opens nothing: {name} is not set")
    keys = tuple(filter(None, gateway.manage_keys))
    gateway = replace(gateway, manage_keys=keys)
    warnings += _worries(nodes)
    warnings += _managing_worries(gateway, nodes)
    sizes = {
        "patterns": given.get("model_name_patterns"),
        "mapping": given.get("model_name_mapping"),
        "default": given.get("default_model_size_b"),
    }
    return Config(
        nodes=tuple(nodes),
        is_default="nodes" not in given,
        strategy=given.get("strategy", resolved.STRATEGY),
        sizes=replace(resolved.ModelSizes(), **_without_none(sizes)),
        line=_completed(resolved.LineConfig(), file.line.given()),
        gateway=gateway,
        warnings=tuple(warnings),
    )


def _node(entry: Node, file: File) -> NodeConfig:
    given = entry.given()
    key = given.get("api_key") or None
    headers = dict(given.get("headers", {}))
    if key and "authorization" not in (name.lower() for name in headers):
        headers["Authorization"] = f"Bearer {key}"
    patience = dict.fromkeys(("first_byte", "idle"), given.get("timeout_seconds"))
    kind = kind_of(given.get("type"))
    return NodeConfig(
        kind=kind,
        lacks=frozenset(map(Service, given.get("lacks", ()))),
        max_in_flight=given.get("max_in_flight", resolved.MAX_IN_FLIGHT_OF.get(kind)),
        **{name: given[name] for name in _TAKEN_AS_SAID if name in given},
        addresses=tuple(dict.fromkeys(_addresses(given))),
        ranges=tuple(
            resolved.SizeRange(**{_OF_RANGE[name]: value for name, value in each.given().items()})
            for each in given.get("supported_model_ranges", ())
        ),
        headers=tuple(headers.items()),
        api_key=key,
        health=_completed(
            resolved.HEALTH_OF.get(kind, resolved.HealthConfig()),
            file.health.given(),
            entry.health.given(),
        ),
        breaker=_completed(resolved.BreakerConfig(), file.breaker.given(), entry.breaker.given()),
        timeouts=_completed(
            resolved.TIMEOUTS_OF.get(kind, resolved.Timeouts()),
            file.timeouts.given(),
            _without_none(patience),
            entry.timeouts.given(),
        ),
        connections=_completed(
            resolved.ConnectionsConfig(), file.connections.given(), entry.connections.given()
        ),
    )


def _addresses(given: Mapping[str, Any]) -> Iterator[Address]:
    if "hosts" in given:
        port = given.get("port", resolved.OLLAMA_PORT)
        yield from (Address("http", read_host(each), port) for each in given["hosts"])
    else:
        yield read_url(given["url"] if "url" in given else given["api_url"])


def _completed(defaults: _T, *layers: Mapping[str, Any]) -> _T:
    """The defaults, with what was said about them; the last layer is the nearest."""
    said: dict[str, Any] = {}
    for layer in layers:
        said.update(layer)
    return replace(defaults, **said)  # type: ignore[type-var]


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _managing_worries(
    gateway: resolved.GatewayLimits, nodes: Iterable[NodeConfig]
) -> Iterator[str]:
    """The same of who may change models, and on which nodes."""
    by_keys = gateway.manage_models == "keys"
    if by_keys and not gateway.manage_keys:
        yield "nobody may change models: gateway.manage_keys has none"
    if gateway.manage_keys and not by_keys:
        yield 'gateway.manage_keys opens nothing unless gateway.manage_models is "keys"'
    targets = read_targets(gateway.pull)
    names = [node.name for node in nodes]
    labels = {label for node in nodes for label in node.labels.items()}
    for name in targets.names:
        if name not in names:
            yield f"gateway.pull: no node is called {name}; known are {', '.join(names)}"
    for key, value in targets.labels:
        if (key, value) not in labels:
            yield f"gateway.pull: no node has the label {key}={value}"


def _worries(nodes: Iterable[NodeConfig]) -> Iterator[str]:
    """What can be run, but is probably not meant."""
    enabled = [node for node in nodes if node.enabled]
    if not enabled:
        yield "no node is enabled: every request will be refused"
    owners: dict[Address, str] = {}
    for node in enabled:
        for address in node.addresses:
            owner = owners.setdefault(address, node.name)
            if owner != node.name:
                yield f"{owner} and {node.name} share {address.scheme}://{address.authority}"
        first = node.addresses[0]
        secret = "authorization" in (name.lower() for name, _ in node.headers)
        if secret and first.scheme == "http" and not is_loopback(first.host):
            yield f"the key of {node.name} is sent over http, where others can read it"
