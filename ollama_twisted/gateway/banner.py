"""What is printed once the gateway serves: where, in front of which nodes, and what to try."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

if TYPE_CHECKING:
    from ollama_twisted.gateway.service import GatewayService

#: Nobody waits longer than this for the banner because of nodes that are down, or starting.
PATIENCE, LONGEST = 5.0, 60.0


class Banner(Service):
    """
    Prints ``listening on ADDRESS`` for each listener; if ``full``, also the nodes and
    three commands to try, once there is a model to try them with.
    """

    def __init__(self, gateway: GatewayService, full: bool, reactor: Any) -> None:
        self._gateway = gateway
        self._full = full
        self._reactor = reactor

    def startService(self) -> None:
        super().startService()
        for listener in self._gateway.listeners:
            _say(f"listening on {listener.address}")
        if self._full:
            self._telling = Deferred.fromCoroutine(self._tell())

    async def _tell(self) -> None:
        began = self._reactor.seconds()
        while not self._ready() and self._reactor.seconds() < began + self._patience():
            await deferLater(self._reactor, 0.25)
        _say("\n".join(self._lines()))

    def _ready(self) -> bool:
        nodes = self._gateway.gateway.pool.nodes.values()
        return all(node.health.healthy and node.models for node in nodes if node.config.enabled)

    def _patience(self) -> float:
        nodes = self._gateway.gateway.pool.nodes.values()
        starting = any(node.health.starting for node in nodes if node.config.enabled)
        return LONGEST if starting else PATIENCE

    def _models(self) -> list[str]:
        nodes = self._gateway.gateway.pool.nodes.values()
        return sorted({name for node in nodes if node.models for name in node.models.names})

    def _lines(self) -> list[str]:
        gateway = self._gateway.gateway
        address = self._gateway.listeners[0].address
        lines = ["", f"  ollama-gateway serves http://{address}"]
        if gateway.notice:
            lines += ["", f"  NOTE: {gateway.notice}"]
        lines += ["", "  nodes:"]
        for node in gateway.pool.nodes.values():
            first = node.config.addresses[0]
            word = "starting" if node.health.starting else "down"
            state = "healthy" if node.health.healthy else f"{word} ({node.last_check_error})"
            lines.append(f"    {node.config.name}  {first.scheme}://{first.authority}  {state}")
        models = self._models()
        model = models[0] if models else "MODEL"
        chat = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})
        lines += [
            "",
            "  try:",
            f"    curl http://{address}/api/tags",
            f"    curl http://{address}/api/chat -d '{chat}'",
            f"    OLLAMA_HOST={address} ollama run {model}",
            "",
            f"  status page: http://{address}/  metrics: http://{address}/metrics  Ctrl-C ends it",
            "",
        ]
        return lines


def _say(text: str) -> None:
    # twistd has put its own log where sys.stdout was.
    print(text, file=sys.__stdout__, flush=True)
