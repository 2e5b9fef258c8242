"""The composition root: settings and a reactor become a running exporter."""

from __future__ import annotations

import platform
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import twisted
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.client import Agent

from ollama_twisted import __version__
from ollama_twisted.exporter.api import ApiWatch
from ollama_twisted.exporter.collector import ExporterCollector
from ollama_twisted.exporter.core import Exporter
from ollama_twisted.exporter.ownends import OwnEnds
from ollama_twisted.exporter.processes import ProcessWatch
from ollama_twisted.exporter.resource import site
from ollama_twisted.exporter.settings import Settings
from ollama_twisted.garbage import spare_the_collector
from ollama_twisted.probe.prober import Estimate, Prober
from ollama_twisted.web.asking import Asker, QuietPool
from ollama_twisted.web.listener import Listener

_log = Logger()

ASK = 10.0
LOOK_AT_PROCESSES = 10.0
RESOLVE = 300.0
BEAT = 15.0


class ExporterService(MultiService):
    """A running exporter.  Stopping it ends every child it has started."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        super().__init__()
        self._reactor = reactor
        own = OwnEnds(reactor)
        estimate = Estimate(*settings.estimate) if settings.estimate is not None else None
        self._prober = Prober(
            reactor,
            [each.port for each in settings.watched],
            interval=settings.interval,
            estimate=estimate,
            platform=sys.platform,
            own=own,
        )
        # No connection is kept, so that none is in the way when Ollama stops.
        agent = Agent.usingEndpointFactory(reactor, own, QuietPool(reactor, False))
        asker = Asker(agent, reactor, "ollama-exporter")
        self._api = ApiWatch(asker, settings.ollama_host, settings.watched)
        self._processes = ProcessWatch()
        self.exporter = exporter = Exporter(
            settings, socket.gethostname(), _own_addresses(), self._api, self._processes
        )
        self.registry = _registry(exporter)
        for warning in settings.warnings:
            _log.warn("{warning}", warning=warning)

        self._every(max(ASK, settings.interval), self._api.look)
        self._every(LOOK_AT_PROCESSES, self._look_at_processes)
        self._every(RESOLVE, self._resolve)
        self._every(BEAT, self._beat)
        pages = site(exporter, self.registry, reactor.seconds)
        self.listeners = [Listener(each, pages, reactor) for each in settings.listen]
        # Last in, first out: the listeners are closed before anything they need.
        for listener in self.listeners:
            listener.setServiceParent(self)

    def startService(self) -> None:
        super().startService()
        spare_the_collector()
        self._prober.watch(self.exporter.looked)
        self._prober.start().addErrback(lambda why: _log.failure("probing failed", why))

    async def stopService(self) -> None:
        for listener in self.listeners:
            await maybeDeferred(listener.stopService)
        self.exporter.feed.close()
        await self._prober.stop()
        await super().stopService()

    async def once(self) -> None:
        """Look at everything once; nothing is left running."""
        self._prober.watch(self.exporter.looked)
        looking: list[Deferred[Any]] = [self._prober.start()]
        for look in (self._api.look, self._look_at_processes, self._resolve):
            looking.append(Deferred.fromCoroutine(look()))
        await gatherResults(looking)
        self.exporter.looked(self.exporter.snapshot)
        await self._prober.stop()

    def _every(self, seconds: float, call: Callable[[], Awaitable[None]]) -> None:
        async def safely() -> None:
            try:
                await call()
            except Exception:
                # A TimerService stops for ever after one exception.
                _log.failure("a periodic task failed")

        timer = TimerService(seconds, safely)
        timer.clock = self._reactor
        timer.setServiceParent(self)

    async def _look_at_processes(self) -> None:
        await self._in_thread(self._processes.look)

    async def _resolve(self) -> None:
        peers = self.exporter.peers
        if peers.hosts:
            peers.learn(
                await self._in_thread(lambda: {each: _look_up(each) for each in peers.hosts})
            )

    async def _beat(self) -> None:
        self.exporter.feed.beat()

    def _in_thread(self, call: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call)


def _registry(exporter: Exporter) -> CollectorRegistry:
    registry = CollectorRegistry()
    build = {
        "version": __version__,
        "python": platform.python_version(),
        "twisted": twisted.__version__,
        "platform": sys.platform,
    }
    registry.register(ExporterCollector(exporter.view, time.perf_counter, build))
    # The exporter's own memory, CPU and files, under the names that all processes have.
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _own_addresses() -> list[str]:
    return [
        each.address
        for addresses in psutil.net_if_addrs().values()
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6)
    ]


def _look_up(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(each[4][0]) for each in found]
