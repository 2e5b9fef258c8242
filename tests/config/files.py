"""Documents as operators might write them, and what a reader makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ollama_twisted.config.reader import Reader
from ollama_twisted.config.resolve import resolve
from ollama_twisted.config.resolved import Config, NodeConfig
from ollama_twisted.config.schema import File


def faults(document: Any, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a document."""
    reader = Reader(environ or {})
    reader.read(document, File)
    return reader.faults


def config(environ: Mapping[str, str] | None = None, **document: Any) -> Config:
    """The configuration that a document without faults asks for."""
    reader = Reader(environ or {})
    file = reader.read(document, File)
    if reader.faults:
        raise AssertionError(reader.faults)
    return resolve(file, reader.lacking)


def node(environ: Mapping[str, str] | None = None, **entry: Any) -> NodeConfig:
    """The one node of a document, on this machine unless said otherwise."""
    if not {"hosts", "url", "api_url"} & set(entry):
        entry["url"] = "http://127.0.0.1:11434"
    (found,) = config(environ, nodes=[{"name": "n", **entry}]).nodes
    return found
