"""The command line of ``twistd ollama-exporter``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.python import usage

from ollama_twisted.errors import ConfigError
from ollama_twisted.exporter.settings import Settings, read
from ollama_twisted.exporter.table import describe


class Options(usage.Options):
    """Tell Prometheus who is connected to Ollama, and how many bytes it carried."""

    synopsis = "[options]"
    longdesc = (
        "Runs beside an Ollama, or several, and measures their connections without root."
        "  Each option wins over its environment variable, and that over .env.  Lists are"
        " separated by commas."
    )
    optParameters = [
        ["ollama-port", "o", None, "Ports of the Ollamas here (OLLAMA_PORT, 11434)."],
        ["node-name", "n", None, "What they are called, as many (NODE_NAME, node1)."],
        ["ollama-host", None, None, "Where their API is (EXPORTER_OLLAMA_HOST, 127.0.0.1)."],
        ["port", "p", None, "Port to listen on (EXPORTER_PORT, 9101)."],
        ["host", None, None, "Address to listen on (EXPORTER_HOST, 127.0.0.1)."],
        ["interval", "i", None, "Seconds between two looks (EXPORTER_INTERVAL, 2)."],
        ["routers", None, None, "Gateways, as NAME=ADDRESS (EXPORTER_ROUTERS)."],
        ["peers", None, None, "Other clients, as NAME=ADDRESS (EXPORTER_PEERS)."],
        ["origins", None, None, "Origins whose pages may read this (EXPORTER_ORIGINS)."],
        ["allowed-hosts", None, None, "More names of this machine (EXPORTER_ALLOWED_HOSTS)."],
        [
            "bytes-per-connection",
            None,
            None,
            "SENT,RECEIVED to assume where no byte can be measured"
            " (EXPORTER_BYTES_PER_CONNECTION).",
        ],
    ]
    optFlags = [
        ["check", None, "Validate the settings, print them as a table, and exit."],
        ["once", None, "Print one scrape on standard output, and exit."],
        ["announce", None, "Print each address on standard output once it listens."],
        ["stop-on-stdin-eof", None, "Stop when standard input ends: when the parent dies."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """An endpoint string to listen on: tcp:9101, unix:/run/exporter.sock ...  Repeatable."""
        self["listen"].append(endpoint)

    opt_l = opt_listen

    def postOptions(self) -> None:
        self.settings = self._read()
        if self["check"]:
            print(describe(self.settings))
            raise SystemExit(0)
        if self["once"]:
            # Now, because twistd writes its log to standard output later on.
            raise SystemExit(_once(self.settings))

    def _read(self) -> Settings:
        try:
            return read(self, os.environ, Path.cwd())
        except ConfigError as error:
            # Not a UsageError: the help text would bury what is wrong.
            print(f"ollama-exporter: the settings cannot be used:\n{error}", file=sys.stderr)
            raise SystemExit(1) from None


def _once(settings: Settings) -> int:
    """Print one scrape; the exit code says whether anything could be measured."""
    from prometheus_client import generate_latest
    from twisted.internet import reactor as global_reactor

    from ollama_twisted.clock import use_monotonic_time
    from ollama_twisted.exporter.service import ExporterService

    reactor: Any = global_reactor
    use_monotonic_time(reactor)
    service = ExporterService(settings, reactor)
    problems: list[Any] = []

    def begin() -> None:
        looking = Deferred.fromCoroutine(service.once())
        looking.addErrback(problems.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if problems:
        print(f"ollama-exporter: {problems[0].getErrorMessage()}", file=sys.stderr)
        return 1
    sys.stdout.write(generate_latest(service.registry).decode())
    view = service.exporter.view()
    if view.hint:
        print(f"ollama-exporter: {view.hint}", file=sys.stderr)
    return 0 if view.source is not None else 1


def makeService(options: Options) -> IService:
    """The exporter that the command line asks for."""
    from twisted.internet import reactor

    from ollama_twisted.clock import use_monotonic_time
    from ollama_twisted.exporter.service import ExporterService
    from ollama_twisted.parent import ParentWatch
    from ollama_twisted.startup import without_traceback
    from ollama_twisted.web.listener import Announcement

    without_traceback("ollama-exporter")
    use_monotonic_time(reactor)
    service = ExporterService(options.settings, reactor)
    if options["announce"]:
        Announcement(service.listeners).setServiceParent(service)
    if options["stop-on-stdin-eof"]:
        ParentWatch(reactor).setServiceParent(service)
    return service
