"""What an exporter is told: by ``.env``, the environment, the command line; the last one wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values

from ollama_twisted.config.load import load as load_gateway
from ollama_twisted.config.reader import nearest
from ollama_twisted.errors import ConfigError
from ollama_twisted.services import Kind
from ollama_twisted.web.cors import read_origin

PORT = 9101
OLLAMA_PORT = 11434

_T = TypeVar("_T")

#: Every variable that is read, and the option that wins over it.
VARIABLES = {
    "NODE_NAME": "node-name",
    "OLLAMA_PORT": "ollama-port",
    "EXPORTER_OLLAMA_HOST": "ollama-host",
    "EXPORTER_HOST": "host",
    "EXPORTER_PORT": "port",
    "EXPORTER_INTERVAL": "interval",
    "EXPORTER_ROUTERS": "routers",
    "EXPORTER_PEERS": "peers",
    "EXPORTER_ORIGINS": "origins",
    "EXPORTER_ALLOWED_HOSTS": "allowed-hosts",
    "EXPORTER_BYTES_PER_CONNECTION": "bytes-per-connection",
}


@dataclass(frozen=True, slots=True)
class Watched:
    """An Ollama on this machine."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody who may be connected to an Ollama here, and the addresses or names it comes from."""

    name: str
    router: bool
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Everything that an exporter is told.

    ``estimate`` is what a connection is taken to have sent and received where nothing
    can measure it; without it such a system has no byte counters.
    """

    watched: tuple[Watched, ...] = (Watched("node1", OLLAMA_PORT),)
    ollama_host: str = "127.0.0.1"
    listen: tuple[str, ...] = (f"tcp:{PORT}:interface=127.0.0.1",)
    interval: float = 2.0
    peers: tuple[Peer, ...] = ()
    origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    estimate: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()


def read(options: Mapping[str, Any], environ: Mapping[str, str], cwd: Path) -> Settings:
    """
    The settings to run with.

    @raise ConfigError: they cannot be used; every fault is in it, whatever its source.
    """
    variables = {**_dotenv(cwd / ".env"), **environ}
    reader = _Reader(options, variables)
    none: tuple[Peer, ...] = ()
    peers = reader.read("EXPORTER_ROUTERS", lambda text: _peers(text, True), none)
    peers += reader.read("EXPORTER_PEERS", lambda text: _peers(text, False), none)
    others, warnings = _nodes(variables, cwd, {each.name for each in peers})
    settings = Settings(
        watched=reader.watched(),
        ollama_host=reader.read("EXPORTER_OLLAMA_HOST", _one_name, "127.0.0.1"),
        listen=reader.listen(),
        interval=reader.read("EXPORTER_INTERVAL", _interval, 2.0),
        peers=peers + others,
        origins=reader.read("EXPORTER_ORIGINS", _origins, ()),
        allowed_hosts=reader.read("EXPORTER_ALLOWED_HOSTS", _words, ()),
        estimate=reader.read("EXPORTER_BYTES_PER_CONNECTION", _estimate, None),
        warnings=(*warnings, *_unknown(variables)),
    )
    if reader.faults:
        raise ConfigError(reader.faults)
    return settings


class _Reader:
    """Reads one setting after another; what is wrong is collected."""

    def __init__(self, options: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        self._options = options
        self._variables = variables
        self.faults: list[str] = []

    def read(self, variable: str, parse: Callable[[str], _T], otherwise: _T) -> _T:
        option = VARIABLES[variable]
        text, source = self._options.get(option), f"--{option}"
        if text is None:
            text, source = self._variables.get(variable) or None, variable
        if text is None:
            return otherwise
        try:
            return parse(str(text))
        except ValueError as error:
            self.faults.append(f"{source}: {error}")
            return otherwise

    def watched(self) -> tuple[Watched, ...]:
        usual: tuple[int, ...] = (OLLAMA_PORT,)
        ports = self.read("OLLAMA_PORT", _ports, usual)
        names = self.read("NODE_NAME", _words, tuple(f"node{n + 1}" for n in range(len(ports))))
        if len(names) != len(ports):
            self.faults.append(
                f"NODE_NAME: {len(names)} names ({', '.join(names)}) for {len(ports)} ports"
                f" ({', '.join(map(str, ports))}); each needs its own"
            )
        if len(set(names)) != len(names):
            self.faults.append("NODE_NAME: two nodes of the same name")
        return tuple(Watched(*each) for each in zip(names, ports, strict=False))

    def listen(self) -> tuple[str, ...]:
        endpoints = tuple(self._options.get("listen") or ())
        for option in ("host", "port"):
            if endpoints and self._options.get(option) is not None:
                self.faults.append(f"--{option}: stands beside --listen, which says it all")
        host = self.read("EXPORTER_HOST", _one_name, "127.0.0.1").strip("[]").replace(":", r"\:")
        port = self.read("EXPORTER_PORT", lambda text: _port(text, 0), PORT)
        return endpoints or (f"tcp:{port}:interface={host}",)


def _words(text: str) -> tuple[str, ...]:
    words = tuple(each.strip() for each in text.split(",") if each.strip())
    if not words:
        raise ValueError("is empty")
    for each in words:
        if not each.isprintable() or len(each) > 200:
            raise ValueError(f"not a name: {each[:60]!r}")
    return words


def _one_name(text: str) -> str:
    (name, *more) = _words(text)
    if more or " " in name:
        raise ValueError(f"expected one name or address, got {text[:60]!r}")
    return name


def _port(text: str, lowest: int = 1) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise ValueError(f"expected a port, got {text[:60]!r}")
    if not lowest <= int(text) <= 65535:
        raise ValueError(f"expected a port, {lowest} to 65535, got {text}")
    return int(text)


def _ports(text: str) -> tuple[int, ...]:
    ports = tuple(_port(each) for each in _words(text))
    if len(set(ports)) != len(ports):
        raise ValueError(f"a port stands there twice: {text}")
    return ports


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError(f"expected seconds, got {text[:60]!r}") from None
    if not 0.2 <= seconds <= 3600:
        raise ValueError(f"expected 0.2 to 3600 seconds, got {text}")
    return seconds


def _origins(text: str) -> tuple[str, ...]:
    return tuple(read_origin(each) for each in _words(text))


def _estimate(text: str) -> tuple[int, int]:
    words = _words(text)
    if len(words) != 2 or not all(each.isascii() and each.isdecimal() for each in words):
        raise ValueError(f"expected two numbers, SENT,RECEIVED, got {text[:60]!r}")
    return int(words[0]), int(words[1])


def _peers(text: str, router: bool) -> tuple[Peer, ...]:
    hosts: dict[str, tuple[str, ...]] = {}
    for each in _words(text):
        name, equals, host = (part.strip() for part in each.partition("="))
        if not (name and equals and host):
            raise ValueError(f"expected NAME=ADDRESS, got {each[:60]!r}")
        if name in ("local", "other"):
            raise ValueError(f"{name} is what others are called; choose another name")
        hosts[name] = (*hosts.get(name, ()), host)
    return tuple(Peer(name, router, each) for name, each in hosts.items())


def _nodes(
    variables: Mapping[str, str], cwd: Path, known: Iterable[str]
) -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """The nodes of the gateway's file, if there is one here: they may be connected as well."""
    try:
        config = load_gateway({}, variables, cwd)
    except ConfigError as error:
        # The gateway's trouble, and no reason to measure nothing.
        return (), (f"no peers from the gateway's configuration: {error.faults[0]}",)
    if config.is_default:
        return (), ()
    return tuple(
        Peer(node.name, False, tuple(address.host for address in node.addresses))
        for node in config.nodes
        if node.kind is not Kind.EXTERNAL and node.name not in known
    ), ()


def _unknown(variables: Mapping[str, str]) -> Iterable[str]:
    known = {each.lower(): each for each in VARIABLES}
    for name in sorted(variables):
        if name.startswith("EXPORTER_") and name not in VARIABLES:
            yield f"{name} is not read; {nearest(name, known)}"


def _dotenv(path: Path) -> dict[str, str]:
    try:
        values = dotenv_values(path, encoding="utf-8-sig") if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path.name}: cannot be read: {error}"]) from None
    return {name: value for name, value in values.items() if value is not None}
