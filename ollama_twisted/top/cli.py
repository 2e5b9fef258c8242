"""The command line of ``ollama-gateway-top``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.web.client import Agent

from ollama_twisted.clock import use_monotonic_time
from ollama_twisted.top.document import Document
from ollama_twisted.top.listener import PATIENCE, Listener, NoGateway
from ollama_twisted.top.screen import once, screen
from ollama_twisted.top.terminal import Display, Keys
from ollama_twisted.web.asking import Asker, Unanswered

URL = "http://127.0.0.1:11435"

_DESCRIPTION = """\
Watch a gateway from a terminal: its nodes, what they do now, the models in their memory, what
happened. It comes back by itself when the gateway does. q ends it."""

_CODES = """\
exit codes: 0 ended, 2 wrong usage, 3 no gateway there, 130 interrupted.
environment: OLLAMA_GATEWAY_URL; --url wins."""

#: So many of the last looks are shown as bars, and wider than a script's output nothing is.
_BARS, _WIDEST = 20, 10_000


class Exit(IntEnum):
    """What the shell is told."""

    ENDED = 0
    USAGE = 2
    NOBODY = 3
    INTERRUPTED = 130


def main() -> None:
    """Run, and exit."""
    sys.exit(run(sys.argv[1:]))


def _url(text: str) -> str:
    text = text if "://" in text else f"http://{text}"
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise argparse.ArgumentTypeError("is no http or https address")
    return text.rstrip("/")


def _seconds(text: str) -> float:
    if not 0.1 <= (seconds := float(text)) <= 60:
        raise argparse.ArgumentTypeError("must be from 0.1 to 60")
    return seconds


def parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """The command line; what the environment says stands in for what it does not."""
    made = argparse.ArgumentParser(
        "ollama-gateway-top",
        description=_DESCRIPTION,
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--url",
        type=_url,
        default=environ.get("OLLAMA_GATEWAY_URL") or URL,
        help="the gateway, or an exporter (%(default)s)",
    )
    made.add_argument(
        "--once", action="store_true", help="print how it is now, for scripts, and end"
    )
    made.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="from one drawing to the next (%(default)s)",
    )
    return made


def run(arguments: Sequence[str], reactor: Any = None) -> int:
    """Run with these arguments; the exit code."""
    settings = parser(os.environ).parse_args(arguments)
    able = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if not settings.once and not able:
        why = "this is no terminal that can be drawn on; --once prints a table"
        print(f"ollama-gateway-top: {why}", file=sys.stderr)
        return Exit.USAGE
    if reactor is None:
        from twisted.internet import reactor
    use_monotonic_time(reactor)
    codes: list[int] = []

    def started() -> None:
        going = Deferred.fromCoroutine(_go(reactor, settings))
        # Only now: the reactor has put its own handlers in place.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda *_: reactor.callFromThread(going.cancel))
        going.addCallbacks(codes.append, lambda failure: failure.printTraceback(file=sys.stderr))
        going.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(started)
    reactor.run()
    return codes[0] if codes else 1


async def _go(reactor: Any, settings: argparse.Namespace) -> int:
    agent = Agent(reactor, connectTimeout=5)
    try:
        if settings.once:
            await _print(agent, reactor, settings.url)
        else:
            await Watch(agent, reactor, settings).go()
    except (NoGateway, Unanswered) as error:
        print(
            f"ollama-gateway-top: no gateway at {settings.url}: {error}. Start one (twistd -n "
            "ollama-gateway), or name its address with --url or OLLAMA_GATEWAY_URL.",
            file=sys.stderr,
        )
        return Exit.NOBODY
    except CancelledError:
        return Exit.INTERRUPTED
    return Exit.ENDED


async def _print(agent: Agent, reactor: Any, url: str) -> None:
    asker = Asker(agent, reactor, "ollama-gateway-top")
    told = await asker.json(f"{url}/api/topology", PATIENCE)
    if not isinstance(told, dict) or not isinstance(told.get("nodes"), list):
        raise Unanswered("what answers is no gateway, or an older one")
    document = Document()
    document.replace(told)
    console = Console() if sys.stdout.isatty() else Console(width=_WIDEST)
    console.print(once(document, url), crop=False)


class Watch:
    """One terminal, on which a gateway is watched until somebody has seen enough."""

    def __init__(self, agent: Agent, reactor: Any, settings: argparse.Namespace) -> None:
        self._document = Document()
        self._listener = Listener(agent, reactor, settings.url, self._document, self._changed)
        self._console = Console()
        self._display = Display(self._console)
        self._shown = False
        self._paces: deque[Any] = deque(maxlen=_BARS)
        self._listening: Deferred[None] = Deferred()
        self._enough = False
        self._failed: Failure | None = None
        self._keys = Keys(reactor, self._end)
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor
        self._interval = settings.interval

    async def go(self) -> None:
        """
        Watch.

        @raise NoGateway: there is none.
        """
        self._listening = Deferred.fromCoroutine(self._listener.listen())
        try:
            await self._listening
        except CancelledError:
            if self._failed is not None:
                self._failed.raiseException()
            if not self._enough:
                raise
        finally:
            if self._shown:
                if self._loop.running:
                    self._loop.stop()
                self._keys.stop()
                self._display.stop()

    def _changed(self) -> None:
        if not self._shown and self._document.known:
            self._shown = True
            self._display.start()
            self._keys.start()
            self._loop.start(self._interval).addErrback(self._fail)

    def _end(self) -> None:
        self._enough = True
        self._listening.cancel()

    def _fail(self, failure: Failure) -> None:
        self._failed = failure
        self._listening.cancel()

    def _look(self) -> None:
        live = self._listener.link.state == "live"
        self._paces.append(self._document.gateway.get("tokens_per_second") if live else None)
        width, height = self._console.size
        self._display.show(
            screen(
                self._document,
                self._listener.link,
                width,
                height,
                tuple(self._paces),
                self._console.options.ascii_only,
            )
        )
