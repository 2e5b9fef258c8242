"""The composition root: one configuration and one reactor become a running gateway."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.client import Agent, HTTPConnectionPool

from ollama_twisted import __version__
from ollama_twisted.config.resolved import Config
from ollama_twisted.errors import ConfigError
from ollama_twisted.garbage import spare_the_collector
from ollama_twisted.gateway.accesslog import AccessLog
from ollama_twisted.gateway.asking import Asker
from ollama_twisted.gateway.checks import Checker
from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.lists import NodeLists
from ollama_twisted.gateway.pages import pages
from ollama_twisted.gateway.reload import ReadConfig, Reloader
from ollama_twisted.gateway.site import GatewaySite
from ollama_twisted.gateway.transport import eager
from ollama_twisted.gateway.upstream import endpoint_for
from ollama_twisted.metrics import GatewayMetrics
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.web.asking import QuietPool
from ollama_twisted.web.listener import Listener

_log = Logger()

SWEEP = 1.0
FLUSH = 0.5
#: How long the last bytes may take, once all answers have ended.
FAREWELL = 5.0


class GatewayService(MultiService):
    """A running gateway.  Stopping it lets answers that are under way end first."""

    def __init__(
        self,
        config: Config,
        reactor: Any,
        notice: str = "",
        read: ReadConfig | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self._reactor = reactor
        transports = eager(reactor)
        random = Random()
        registry = CollectorRegistry()
        self.gateway = gateway = Gateway(
            config, NodePool(config, random), endpoint_for(transports), reactor
        )
        gateway.notice = notice
        gateway.apart = self._run_in_thread
        gateway.metrics = GatewayMetrics(gateway.view, __version__)
        registry.register(gateway.metrics)
        asker = Asker(Agent(reactor, connectTimeout=5, pool=_check_pool(reactor)), reactor)
        self.checker = Checker(gateway, asker, random)
        gateway.lists = NodeLists(gateway, asker, self.checker)
        gateway.refresh = self.checker.refresh
        gateway.loaded = self.checker.loaded
        gateway.doubt = gateway.pool.doubted = self.checker.doubt
        self.reloader = Reloader(gateway, read, self._take_over)
        self.site = GatewaySite(pages(gateway, registry, self.reloader), gateway)

        if config.gateway.access_log != "off":
            gateway.access_log = log = AccessLog(
                config.gateway.access_log,
                config.gateway.log_format,
                gateway.seconds,
                self._run_in_thread,
            )
            self._every(FLUSH, log.flush)
        self._every(SWEEP, self._sweep)
        self.checker.setServiceParent(self)
        # Last in, first out: the listeners are closed before anything they need.
        self.listeners = [
            Listener(endpoint, self.site, transports) for endpoint in config.gateway.listen
        ]
        for listener in self.listeners:
            listener.setServiceParent(self)

    def startService(self) -> None:
        super().startService()
        if self.gateway.access_log is not None:
            self.gateway.access_log.begin()
        spare_the_collector()

    async def stopService(self) -> None:
        for listener in self.listeners:
            await maybeDeferred(listener.stopService)
        # Whoever listens would do so for ever.
        self.gateway.live.close()
        self.site.drain()
        self._say_stopping()
        deadline = self._reactor.seconds() + self.config.gateway.drain
        while self._works() and self._reactor.seconds() < deadline:
            await deferLater(self._reactor, 0.1)
        self.site.cut("the gateway is stopping")
        # What was written last may take a moment to leave.
        deadline = self._reactor.seconds() + FAREWELL
        while self.site.channels and self._reactor.seconds() < deadline:
            await deferLater(self._reactor, 0.1)
        self.site.abort()
        await super().stopService()
        self.gateway.close()
        if self.gateway.access_log is not None:
            self.gateway.access_log.close()

    def _say_stopping(self) -> None:
        busy, seconds = self.site.busy, self.config.gateway.drain
        if busy:
            whose = "1 answer" if busy == 1 else f"{busy} answers"
            _log.info("stopping; {whose} may take {s:g} s more to end", whose=whose, s=seconds)
        else:
            _log.info("stopping")

    def _every(self, seconds: float, call: Callable[[], None]) -> None:
        def safely() -> None:
            try:
                call()
            except Exception:
                # A TimerService stops for ever after one exception.
                _log.failure("a periodic task failed")

        timer = TimerService(seconds, safely)
        timer.clock = self._reactor
        timer.setServiceParent(self)

    def _sweep(self) -> None:
        now = self._reactor.seconds()
        self.site.sweep(now)
        self.gateway.sweep(now)

    def _works(self) -> bool:
        return self.site.busy > 0 or self.gateway.unaccounted > 0

    def _run_in_thread(self, call: Callable[[], None], done: Callable[[], None]) -> None:
        working = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call)
        working.addBoth(lambda _: done())

    def reload(self) -> None:
        """Read the configuration again, and say in the log what came of it."""
        with suppress(ConfigError):
            self.reloader.reload()

    def _take_over(self, config: Config) -> None:
        self.config = config
        self.gateway.replace(config)
        self.site.replace(config.gateway)
        self.checker.renew()

    async def settled(self) -> None:
        """Returns when it is known of every node whether it is well."""
        await self.checker.first_round
        nodes = self.gateway.pool.nodes
        while any(each.health.starting and each.config.enabled for each in nodes.values()):
            await deferLater(self._reactor, 0.1)


def _check_pool(reactor: Any) -> HTTPConnectionPool:
    pool = QuietPool(reactor)
    # A check tells how the node is now, so it never asks twice by itself.
    pool.retryAutomatically = False
    pool.maxPersistentPerHost = 3
    pool.cachedConnectionTimeout = 30
    return pool
