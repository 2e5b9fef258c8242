"""
Where a configuration comes from: a file, ``.env``, the environment, the command line.

Each wins over those before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from ollama_twisted.config import kinds, resolved
from ollama_twisted.config.document import parse_document, read_document
from ollama_twisted.config.entry import FAULTY
from ollama_twisted.config.reader import Reader
from ollama_twisted.config.resolve import resolve
from ollama_twisted.config.resolved import Config
from ollama_twisted.config.schema import File, LogFormat, Strategy
from ollama_twisted.errors import ConfigError, Fault

_FOLDER = "config"
_FILE = "node_config.json"

#: What a text is called that is read in place of the file.
TEXT = "this configuration"


def load(
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    cwd: Path,
    instead: bytes | None = None,
) -> Config:
    """
    The configuration to run with.

    ``options`` are those of the command line by name, ``None`` or absent if not
    given: ``config``, ``strategy``, ``listen`` (a list), ``host``, ``port``,
    ``access-log``, ``log-format``.  ``instead`` is a text to read in place of the file.

    @raise ConfigError: it cannot be used; every fault is in it, whatever its source.
    """
    faults: list[Fault] = []
    environment = dict(environ)
    config = Config((resolved.LOCAL_NODE,), source="defaults, without a file", is_default=True)
    try:
        environment = {**_dotenv(cwd / ".env"), **environ}
        path = _path(options, environment, cwd)
        if instead is not None:
            config = _from_document(parse_document(instead, TEXT), environment, TEXT)
        elif path is not None:
            shown = str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
            config = _from_document(read_document(path, shown), environment, shown)
    except ConfigError as error:
        faults += error.faults
    overrides = _Overrides(options, environment)
    config = overrides.applied_to(config)
    faults += overrides.faults
    if faults:
        raise ConfigError(faults)
    return config


def _dotenv(path: Path) -> dict[str, str]:
    try:
        values = dotenv_values(path, encoding="utf-8-sig") if path.is_file() else {}
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError([f"{path.name}: cannot be read: {why}"]) from None
    return {name: value for name, value in values.items() if value is not None}


def _path(options: Mapping[str, Any], environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to read; ``None`` if none was named, and none lies where it usually does."""
    named = options.get("config")
    if named is None:
        named = environ.get("NODE_CONFIG_FILE") or None
    usual = cwd / _FOLDER / _FILE
    if named is None:
        # A link to nowhere is a mistake to be told of, not the absence of a file.
        return usual if usual.exists() or usual.is_symlink() else None
    if named == _FILE and (usual.exists() or not (cwd / _FILE).exists()):
        return usual
    return cwd / named


def _from_document(document: Any, environ: Mapping[str, str], shown: str) -> Config:
    reader = Reader(environ)
    file = reader.read(document, File)
    if reader.faults:
        raise ConfigError(Fault(each.message, each.path, shown) for each in reader.faults)
    return replace(resolve(file, reader.lacking), source=shown)


class _Overrides:
    """What the environment and the command line say about single settings."""

    def __init__(self, options: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._options = options
        self._environ = environ
        self._reader = Reader({})

    @property
    def faults(self) -> list[Fault]:
        return self._reader.faults

    def applied_to(self, config: Config) -> Config:
        gateway = {
            "listen": self._listen(),
            "access_log": self._value(kinds.PathText, "access-log"),
            "log_format": self._value(LogFormat, "log-format"),
        }
        said = {name: value for name, value in gateway.items() if value is not None}
        return replace(
            config,
            strategy=self._value(Strategy, "strategy", "SCHEDULING_STRATEGY") or config.strategy,
            gateway=replace(config.gateway, **said),
        )

    def _value(self, kind: Any, option: str, variable: str = "") -> Any:
        """What was said, checked; ``None`` if nothing was."""
        text, source = self._options.get(option), f"--{option}"
        if text is None:
            text, source = self._environ.get(variable) or None, variable
        return None if text is None else self._reader.read(text, kind, source)

    def _listen(self) -> tuple[str, ...] | None:
        endpoints = self._options.get("listen") or ()
        for option in ("host", "port"):
            if endpoints and self._options.get(option) is not None:
                self.faults.append(
                    Fault("stands beside --listen, which says it all", f"--{option}")
                )
        if endpoints:
            return tuple(self._reader.read(each, kinds.Endpoint, "--listen") for each in endpoints)
        host = self._value(kinds.Name, "host", "GATEWAY_HOST")
        port = self._value(kinds.PortText, "port", "GATEWAY_PORT")
        if (host is None and port is None) or FAULTY in (host, port):
            return None
        interface = (host or resolved.GATEWAY_HOST).strip("[]")
        interface = interface.replace("\\", r"\\").replace(":", r"\:")
        return (f"tcp:{port or resolved.GATEWAY_PORT}:interface={interface}",)
