"""Which nodes a request about models is for, named or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ollama_twisted.config.targets import Targets, read_targets
from ollama_twisted.gateway.failures import Refused
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.line import Blocked
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.targets import NoTarget, chosen, down, has, holds, managed, named
from ollama_twisted.services import Kind, Service

if TYPE_CHECKING:
    from ollama_twisted.gateway.core import Gateway

HOW = "X-Ollama-Gateway-Nodes: NAME"


class Choice:
    """
    The nodes that one request names with ``targets``, or that it is for if it names none.

    Each question is answered with nodes, at least one, or by ``Refused``.
    """

    def __init__(self, gateway: Gateway, targets: Targets | None, model: str | None) -> None:
        self._pool = gateway.pool
        self._gateway = gateway
        self._targets = targets
        self._model = model

    @property
    def by_name(self) -> bool:
        """Does the request name its nodes?"""
        return self._targets is not None

    def awaited(self) -> Want | None:
        """What to wait for in line, if only a node that is starting could be chosen now."""
        want = Want(self._model, service=Service.MANAGE)
        blocked = self._pool.blocked(want, self._gateway.seconds())
        return want if self._targets is None and blocked is Blocked.STARTING else None

    def to_pull(self) -> tuple[list[Node], list[Node]]:
        """Those that shall have the model, and those that could stand in for one."""
        targets = self._targets or read_targets(self._gateway.limits.pull)
        if targets.count is not None:
            return self._chosen(targets.count)
        return self._meant(targets), []

    def one(self) -> list[Node]:
        """One node, the first; the others could stand in for it."""
        if self._targets is None:
            nodes, others = self._chosen(1)
            return nodes + others
        nodes = self._named(self._targets)
        if self._model is not None:
            # One that has it, if any of them does.
            nodes.sort(key=lambda node: not has(node, self._model or ""))
        return nodes

    def who_has_it(self) -> list[Node]:
        """
        Those that have the model, as far as they are asked themselves.

        One that is down and had the model when it was last heard of is among them:
        it still has it when it comes back.
        """
        if self._targets is not None:
            return self._named(self._targets)
        model = self._model or ""
        nodes = [node for node in self._own() if not down(node) or has(node, model)]
        return nodes or self._nobody()

    def who_may_have(self) -> list[Node]:
        """Those that can be asked for what they have."""
        if self._targets is not None:
            return self._named(self._targets)
        return [node for node in self._own() if not down(node)] or self._nobody()

    def who_may_hold(self, want: Want) -> list[Node]:
        """
        Those that may have the model in memory; else one that says what is wrong.

        Between two lists of a node's, anybody may have loaded it: so all that have it
        on disk are meant.  Of external nodes, only those that say that they hold it.
        """
        if self._targets is not None:
            return self._named(self._targets)
        judged = self._pool.explain(want, self._gateway.seconds())
        able = [node for node, refusal in judged if refusal is None or refusal.passing]
        model = want.model or ""
        nodes = [
            node
            for node in able
            if has(node, model) and (node.config.kind is not Kind.EXTERNAL or holds(node, model))
        ]
        if not able:
            raise self._gateway.nobody(want)
        return nodes or able[:1]

    def one_alone(self, what: str) -> Node:
        """The node that is named, or the only one there is."""
        nodes = self._own() if self._targets is None else self._named(self._targets)
        if len(nodes) != 1:
            names = ", ".join(node.name for node in nodes)
            raise Refused(400, f"{what}: name it with {HOW} (one of {names})", "bad_nodes")
        return nodes[0]

    def _named(self, targets: Targets) -> list[Node]:
        return self._chosen(targets.count)[0] if targets.count is not None else self._meant(targets)

    def _meant(self, targets: Targets) -> list[Node]:
        try:
            return named(targets, self._pool.nodes)
        except NoTarget as error:
            raise Refused(400, str(error), "bad_nodes") from None

    def _chosen(self, count: int) -> tuple[list[Node], list[Node]]:
        self._own()
        sizes = self._gateway.config.sizes
        try:
            return chosen(count, self._pool.nodes.values(), self._model, sizes)
        except NoTarget as error:
            if count == 1:
                return self._nobody(), []
            raise Refused(503, str(error), "no_node") from None

    def _own(self) -> list[Node]:
        nodes = managed(self._pool.nodes.values())
        if not nodes:
            external = [
                node.name
                for node in self._pool.nodes.values()
                if node.config.kind is Kind.EXTERNAL and node.config.enabled
            ]
            if external:
                message = "external nodes are left as they are unless they are named"
                names = f"{HOW} (one of {', '.join(external)})"
                raise Refused(400, f"{message}: {names}", "bad_nodes")
            self._nobody()
        return nodes

    def _nobody(self) -> list[Node]:
        raise self._gateway.nobody(Want(self._model, service=Service.MANAGE))
