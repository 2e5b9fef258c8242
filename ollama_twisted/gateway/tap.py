"""The command line of ``twistd ollama-gateway``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.python import usage

from ollama_twisted.config.load import load
from ollama_twisted.config.resolved import Config
from ollama_twisted.config.table import describe
from ollama_twisted.errors import ConfigError
from ollama_twisted.gateway.demo import Demo
from ollama_twisted.gateway.descriptors import fitting
from ollama_twisted.gateway.reload import ReadConfig

_log = Logger()


class Options(usage.Options):
    """Balance requests over a pool of Ollama nodes."""

    synopsis = "[options]"
    longdesc = (
        "One address in front of many Ollama nodes.  The nodes are read from a JSON file"
        " (--config, NODE_CONFIG_FILE, or config/node_config.json if it exists); without one,"
        " the Ollama at 127.0.0.1:11434 is the only node.  Options win over the environment,"
        " and the environment over .env.  Ctrl-C or SIGTERM lets answers end first."
    )
    optParameters = [
        ["config", "c", None, "The nodes: a JSON file (NODE_CONFIG_FILE)."],
        ["strategy", "s", None, "How a node is chosen (SCHEDULING_STRATEGY)."],
        ["port", "p", None, "Port to listen on (GATEWAY_PORT, 11435)."],
        ["host", None, None, "Address to listen on (GATEWAY_HOST, 127.0.0.1)."],
        ["access-log", None, None, "Where each request gets a line: a file, - or off."],
        ["log-format", None, None, "The form of these lines: json or text."],
    ]
    optFlags = [
        ["check", None, "Validate the configuration, print it as a table, and exit."],
        ["demo", None, "If there is no node at all, start two with a small real model."],
        ["exporter", None, "Start an exporter beside it, for the nodes on this machine."],
        ["announce", None, "Print each address on standard output once it listens."],
    ]
    compData = usage.Completions(
        optActions={"config": usage.CompleteFiles("*.json"), "access-log": usage.CompleteFiles()}
    )

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        # Where it was started: as a daemon it is somewhere else later.
        self._folder = Path.cwd()

    def opt_listen(self, endpoint: str) -> None:
        """An endpoint string to listen on: tcp:11435, unix:/run/gateway.sock ...  Repeatable."""
        self["listen"].append(endpoint)

    opt_l = opt_listen

    def postOptions(self) -> None:
        try:
            self.config = self.read()
        except ConfigError as error:
            # Not a UsageError: the help text would bury what is wrong.
            print(f"ollama-gateway: the configuration cannot be used:\n{error}", file=sys.stderr)
            raise SystemExit(1) from None
        if self["check"]:
            print(describe(self.config))
            raise SystemExit(0)

    def read(self, text: bytes | None = None) -> Config:
        """
        The configuration as it is now; with this text, if it is given, in place of the file's.

        @raise ConfigError: it cannot be used.
        """
        config = load(self, os.environ, self._folder, text)
        _see_endpoints(config.gateway.listen)
        return fitting(config)


def _see_endpoints(endpoints: Iterable[str]) -> None:
    """
    See that Twisted understands where to listen, before anything else is done.

    @raise ConfigError: it does not.
    """
    from twisted.internet import reactor

    faults = []
    for endpoint in endpoints:
        try:
            serverFromString(reactor, endpoint)
        except Exception as error:
            # Plugins parse these, each in its own way.
            faults.append(f"listen: {endpoint!r} is no endpoint: {error}")
    if faults:
        raise ConfigError(faults)


def makeService(options: Options) -> IService:
    """The gateway that the command line asks for."""
    from twisted.internet import reactor

    from ollama_twisted.clock import use_monotonic_time
    from ollama_twisted.gateway.hangup import HangUp
    from ollama_twisted.gateway.polling import poll_without_log_context
    from ollama_twisted.gateway.service import GatewayService
    from ollama_twisted.startup import without_traceback

    without_traceback("ollama-gateway")
    use_monotonic_time(reactor)
    poll_without_log_context(reactor)
    config, notice, demo = options.config, "", None
    read: ReadConfig | None = options.read
    if options["demo"] and config.is_default:
        demo = Demo.unless_ollama_runs(config)
        if demo is not None:
            config, notice, read = demo.config, demo.notice, None
    for warning in config.warnings:
        _log.warn("{warning}", warning=warning)
    service = GatewayService(config, reactor, notice, read)
    HangUp(service.reload, reactor).setServiceParent(service)
    if demo is not None:
        pool = service.gateway.pool

        def lost(name: str, why: str) -> None:
            pool.given_up(name, reactor.seconds(), f"it has ended {why}")

        demo.service(reactor, lost).setServiceParent(service)
    if options["exporter"]:
        from ollama_twisted.gateway.beside import exporter_beside

        exporter_beside(service, reactor).setServiceParent(service)
    if options["announce"] or options["demo"]:
        from ollama_twisted.gateway.banner import Banner

        Banner(service, bool(options["demo"]), reactor).setServiceParent(service)
    return service
