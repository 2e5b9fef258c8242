"""Questions that the gateway itself puts to a node, never a client's request."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent

from ollama_twisted.config.resolved import Address, NodeConfig
from ollama_twisted.web import asking


class Asker:
    """Asks nodes for small JSON documents."""

    def __init__(self, agent: IAgent, reactor: IReactorTime) -> None:
        self._asker = asking.Asker(agent, reactor, "ollama-gateway")

    async def json(self, node: NodeConfig, address: Address, path: str, timeout: float) -> Any:
        """
        The document at ``path`` of a node, within ``timeout`` seconds in all.

        @raise Unanswered: it could not be had.
        """
        return await self._asker.json(_url(address, path), timeout, node.headers)

    async def alive(self, node: NodeConfig, address: Address, path: str, timeout: float) -> None:
        """
        Return once a node has answered 200 at ``path``, whatever else it said.

        @raise Unanswered: it did not.
        """
        await self._asker.body(_url(address, path), timeout, node.headers)


def _url(address: Address, path: str) -> str:
    return f"{address.scheme}://{address.authority}{address.path}{path}"
