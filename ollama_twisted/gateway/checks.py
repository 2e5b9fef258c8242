"""The checks of all nodes: begun, ended, and told what happens in between."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults

from ollama_twisted.gateway.asking import Asker
from ollama_twisted.gateway.checker import NodeCheck

if TYPE_CHECKING:
    from ollama_twisted.gateway.core import Gateway

_NOTHING: list[Any] = []


class Checker(Service):
    """The checks of all nodes that are enabled."""

    def __init__(self, gateway: Gateway, asker: Asker, random: Random) -> None:
        self._gateway = gateway
        self._asker = asker
        self._random = random
        self.checks: dict[str, NodeCheck] = {}

    def startService(self) -> None:
        super().startService()
        #: Fires when every node has been checked once.
        self.first_round = gatherResults(self.renew())

    def renew(self) -> list[Deferred[None]]:
        """
        Check the nodes that there are now.

        Those that are new, or configured anew, are checked at once: fires when they were.
        """
        before, self.checks = self.checks, {}
        first = []
        for node in self._gateway.pool.nodes.values():
            known = before.get(node.name)
            if known is not None and known.holds(node):
                self.checks[node.name] = before.pop(node.name)
            elif node.config.enabled:
                self.checks[node.name] = check = NodeCheck(
                    self._gateway, self._asker, node, self._random
                )
                if known is not None:
                    check.follow(known)
                first.append(check.start())
        for check in before.values():
            check.stop()
        return first

    def stopService(self) -> None:
        for check in self.checks.values():
            check.stop()
        super().stopService()

    def loaded(self, name: str) -> list[Any]:
        """What this node said last of the models in its memory; the same object until it is asked
        again."""
        check = self.checks.get(name)
        return check.loaded if check is not None else _NOTHING

    def doubt(self, name: str) -> None:
        """Something speaks against this node."""
        check = self.checks.get(name)
        if check is not None:
            check.doubt()

    def refresh(self, name: str) -> None:
        check = self.checks.get(name)
        if check is not None:
            check.refresh()
