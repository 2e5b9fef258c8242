"""Asks one node how it is and what it has, on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ollama_twisted.config.resolved import Address, NodeConfig
from ollama_twisted.gateway.asking import Asker
from ollama_twisted.gateway.manner import MANNERS, listed_for
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.node import Node
from ollama_twisted.services import Kind
from ollama_twisted.web.asking import Unanswered

if TYPE_CHECKING:
    from ollama_twisted.gateway.core import Gateway

_log = Logger()

Ask = Callable[[NodeConfig, Address, str, float], Coroutine[Any, Any, Any]]
#: A node that is in doubt is checked at once, but not sooner after the last check
#: than this part of the usual interval: some want few of them.
SOONEST = 0.25


class NodeCheck:
    """
    The checks of one node.

    What is asked depends on its kind: see ``manner``.  The lists of models are asked
    for less often, and never decide whether the node is healthy.
    """

    def __init__(self, gateway: Gateway, asker: Asker, node: Node, random: Random) -> None:
        self._gateway = gateway
        self._asker = asker
        self._node = node
        self._config = node.config
        self._random = random
        self._calls = LoopingCall(self._once)
        self._calls.clock = gateway.reactor
        self._stopped = False
        self._began = self._listed_at = float("-inf")
        self._checking = False
        self._doubted: Any = None
        self._listing = False
        #: Something has changed the lists while they were asked for.
        self._outdated = False
        #: What ``/api/tags`` said last, for lists that cannot be had anew in time.
        self.tags: list[Any] = []
        #: The same of ``/api/ps``.
        self.loaded: list[Any] = []
        #: The same of ``/v1/models``, of a node that is no Ollama.
        self.openai: list[Any] = []
        self._manner = manner = MANNERS[node.config.kind]
        self._alive_at = manner.alive

    def start(self) -> Deferred[None]:
        """Check now and from then on; fires after the first check."""
        return Deferred.fromCoroutine(self._begin())

    async def _begin(self) -> None:
        await self._once()
        if not self._stopped:
            # Nodes that were started together are not checked together for ever.
            interval = self._node.config.health.interval * self._random.uniform(0.8, 1.0)
            self._calls.start(interval, now=False)

    def holds(self, node: Node) -> bool:
        """Is this the node as it is configured now?"""
        return node is self._node and node.config == self._config

    def follow(self, before: NodeCheck) -> None:
        """Know what the one before knew, as far as it is known of this node still."""
        if self._node.models is not None:
            self.tags, self.loaded, self.openai = before.tags, before.loaded, before.openai

    def stop(self) -> None:
        self._stopped = True
        if self._doubted is not None:
            self._doubted.cancel()
            self._doubted = None
        if self._calls.running:
            self._calls.stop()

    def refresh(self) -> None:
        """Ask for the lists again at once: something has changed them."""
        if self._listing:
            # The answer that is on its way may not know of it.
            self._outdated = True
        else:
            Deferred.fromCoroutine(self._once(self._list))

    def doubt(self) -> None:
        """Check now rather than later: something speaks against the node."""
        if self._doubted is None and not self._checking and not self._stopped:
            soonest = self._began + SOONEST * self._node.config.health.interval
            wait = max(0.0, soonest - self._gateway.seconds())
            self._doubted = self._gateway.reactor.callLater(wait, self._doubt)

    def _doubt(self) -> None:
        self._doubted = None
        Deferred.fromCoroutine(self._once())

    async def _once(self, act: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        try:
            await (act or self._look)()
        except Exception:
            # LoopingCall would stop for ever.
            _log.failure("checking {node} failed", node=self._node.config.name)

    async def _look(self) -> None:
        if self._checking:
            return
        self._checking = True
        try:
            await self._check()
        finally:
            self._checking = False

    async def _check(self) -> None:
        config, gateway = self._node.config, self._gateway
        began = self._began = gateway.seconds()
        try:
            answer = await self._answer()
        except Unanswered as error:
            if not self._is_busy(error, began):
                self._report(gateway.seconds() - began, False, error)
            elif self._node.health.starting:
                # It is there, whatever else it does.
                self._report(gateway.seconds() - began, True)
            return
        took = gateway.seconds() - began
        version = answer.get("version") if isinstance(answer, dict) else None
        due = began - self._listed_at >= config.health.models_interval
        if due or not self._node.health.healthy:
            await self._list(answer if self._alive_at == self._manner.models else None)
        elif gateway.live.watched and config.kind is Kind.OLLAMA:
            await self._see_loaded()
        self._report(took, True, version=version if isinstance(version, str) else None)

    async def _answer(self) -> Any:
        """What the node says to a check."""
        manner = self._manner
        if self._alive_at == "/health":
            try:
                return await self._ask(self._alive_at, self._asker.alive)
            except Unanswered as error:
                if error.status is None or not 400 <= error.status < 500:
                    raise
            # Not every server has that path, or shows it to everybody.
            self._alive_at = manner.models
        return await self._ask(self._alive_at)

    def _is_busy(self, error: Unanswered, began: float) -> bool:
        """Does a check that got no answer say only that the node has much to do?"""
        if not error.timed_out:
            return error.status == 503 and not self._manner.unready
        # A request that hangs is ended by its own time limits, which count against the node.
        works = self._manner.deaf and self._node.in_flight > 0
        return works or self._gateway.upstreams[self._node.name].answered_at > began

    def _report(
        self, took: float, ok: bool, error: Unanswered | None = None, version: str | None = None
    ) -> None:
        gateway, name = self._gateway, self._node.config.name
        if self._stopped:
            # Whatever has that name now may be another server.
            return
        gateway.metrics.checked(name, took)
        health, before = self._node.health, self._node.last_check_error
        was_down, was_starting = health.down, health.starting
        why = str(error) if error is not None else ""
        refused = error is not None and error.refused
        gateway.pool.checked(name, gateway.seconds(), ok, why, version, refused=refused)
        if health.down and not was_down:
            _log.warn("{node} is down: {error}", node=name, error=why)
        elif health.healthy and (was_down or was_starting):
            _log.info("{node} is up", node=name)
        elif health.starting and before != why:
            _log.info("{node} is starting, requests wait for it: {error}", node=name, error=why)

    async def _list(self, tags: Any = None) -> None:
        """Learn which models the node has and has loaded."""
        self._listing = True
        try:
            await self._learn(tags)
            while self._outdated and not self._stopped:
                self._outdated = False
                await self._learn(None)
        finally:
            self._listing = False

    async def _learn(self, said: Any) -> None:
        """``said``: what the node's list of models is, if it has just been asked for that."""
        manner, told = self._manner, self._node.config.models
        if told:
            said = listed_for(told)
        paths = [manner.loaded] if manner.loaded else []
        if said is None:
            paths.append(manner.models)
        asked = [Deferred.fromCoroutine(self._listed(path)) for path in paths]
        answers = dict(zip(paths, await gatherResults(asked), strict=True))
        listed = _list_in(said) if said is not None else answers[manner.models]
        if listed is None or self._stopped:
            return
        self._listed_at = self._gateway.listed_at[self._node.name] = self._gateway.seconds()
        if manner.loaded:
            loaded = answers[manner.loaded]
            self.tags, self.loaded = listed, loaded or []
            models = NodeModels.from_lists(listed, loaded)
        else:
            self.openai = listed
            models = NodeModels.from_openai(listed)
        self._gateway.pool.listed(self._node.config.name, models)
        self._gateway.learn(models.names)

    async def _see_loaded(self) -> None:
        """Learn what is in the node's memory now; what is on its disk changes less often."""
        loaded = await self._listed(self._manner.loaded)
        if loaded is not None and not self._listing and not self._stopped:
            self.loaded = loaded
            models = NodeModels.from_lists(self.tags, loaded)
            self._gateway.pool.listed(self._node.config.name, models)

    async def _listed(self, path: str) -> list[Any] | None:
        try:
            return _list_in(await self._ask(path))
        except Unanswered:
            return None

    async def _ask(self, path: str, ask: Ask | None = None) -> Any:
        """Ask at the node's addresses, the one that answered last before the others."""
        if self._stopped:
            raise Unanswered("it is checked no more")
        config = self._node.config
        upstream = self._gateway.upstreams[config.name]
        ask = ask or self._asker.json
        for address in upstream.addresses():
            try:
                answer = await ask(config, address, path, config.health.timeout)
            except Unanswered as error:
                failed = error
                if error.status is not None:
                    break
            else:
                upstream.prefer(address)
                return answer
        raise failed


def _list_in(answer: Any) -> list[Any] | None:
    """The models that an answer lists, in Ollama's words or in OpenAI's."""
    if not isinstance(answer, dict):
        return None
    models = answer.get("data", answer.get("models"))
    return models if isinstance(models, list) else None
