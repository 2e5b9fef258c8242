"""
What the gateway tells of itself as it happens: to those who listen, and to those who ask.

Once a second the counts are looked at; what they come to is drawn only if somebody wants
to see it.  A turn of a node, for better or worse, is told without waiting for that.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from ollama_twisted import __version__
from ollama_twisted.gateway.nodeview import url_of
from ollama_twisted.pool.node import Node
from ollama_twisted.pulse.history import INTERVAL, Past
from ollama_twisted.pulse.picture import Picture
from ollama_twisted.pulse.rates import Pace
from ollama_twisted.pulse.shape import History, Snapshot
from ollama_twisted.pulse.tally import Tally
from ollama_twisted.pulse.view import Rates, Seen, Use, View
from ollama_twisted.web.events import Feed, event
from ollama_twisted.web.loaded import Model, read_models

if TYPE_CHECKING:
    from ollama_twisted.gateway.core import Gateway

#: From telling one thing to telling the next, in seconds, however much happens.
SOON = 0.25
#: Listeners are told that we are still here after so many ticks, which are a second apart.
BEAT = 15

#: The row of the gateway as a whole; no node has such a name.
_ALL = ""


class Live:
    """The feed of one gateway, its newest picture, and its last minutes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.picture = Picture(gateway.tallies)
        self.feed = Feed(self._greeting)
        self._pace, self._pace_of_models = Pace(), Pace(from_nothing=True)
        self._past = Past()
        self._ticks = 0
        self._told_at = float("-inf")
        self._due: Any = None
        #: When that was; it tells one run of the gateway from the next.
        self.started = gateway.date(gateway.seconds())
        self._loaded: dict[str, tuple[list[Any], tuple[Model, ...]]] = {}
        self._snapshot: tuple[int, bytes] = (0, b"")
        gateway.pool.turned = self.noticed

    # Told.

    def tick(self, now: float) -> None:
        """Told about once a second."""
        self._ticks += 1
        self._count(now)
        if self._ticks % INTERVAL == 0:
            self._remember(now)
        self._look(now)
        if self._ticks % BEAT == 0:
            self.feed.beat()

    def noticed(self) -> None:
        """Something about a node has turned: whoever listens is told in a moment."""
        if self._due is None:
            now = self._gateway.seconds()
            wait = max(0.0, self._told_at + SOON - now)
            self._due = self._gateway.reactor.callLater(wait, self._look_now)

    def say(self, kind: str, node: str | None, text: str) -> None:
        """Something has happened that cannot be seen by looking at the nodes."""
        gateway = self._gateway
        self.picture.say(gateway.date(gateway.seconds()), kind, node, text)
        self.noticed()

    def close(self) -> None:
        """Tell no more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self.feed.close()

    # Asked.

    @property
    def watched(self) -> bool:
        """Does anybody look?"""
        return len(self.feed) > 0

    @property
    def number(self) -> int:
        """The number of the newest picture; it is as new as can be."""
        self._catch_up()
        return self.picture.number

    def newest(self) -> Snapshot:
        """The newest picture, for whoever shows it in words of their own."""
        self._catch_up()
        return self.picture.snapshot()

    def snapshot(self) -> bytes:
        """The newest picture as it is sent."""
        number = self.number
        if self._snapshot[0] != number:
            self._snapshot = (number, msgspec.json.encode(self.picture.snapshot()))
        return self._snapshot[1]

    def history(self) -> History:
        """The last minutes."""
        return self._past.told()

    def _greeting(self) -> bytes:
        number = self.number
        return event("snapshot", number, msgspec.Raw(self.snapshot()))

    # Looking.

    def _catch_up(self) -> None:
        """Draw what nobody has wanted to see until now."""
        if not self.watched:
            self.picture.draw(self._view(self._gateway.seconds()))

    def _look_now(self) -> None:
        self._due = None
        self._look(self._gateway.seconds())

    def _look(self, now: float) -> None:
        self._told_at = now
        if not self.watched:
            self.picture.look(self._glimpse(now))
            return
        delta = self.picture.draw(self._view(now))
        if delta is not None:
            self.feed.tell(event("delta", delta.seq, delta))

    def _count(self, now: float) -> None:
        tallies, pool = self._gateway.tallies, self._gateway.pool
        nothing = Tally()
        rows: dict[str, tuple[float, ...]] = {
            node.name: (node.total_requests, tally.tokens, tally.bytes)
            for node in pool.nodes.values()
            for tally in (tallies.nodes.get(node.name, nothing),)
        }
        total = tallies.gateway
        rows[_ALL] = (total.requests, total.tokens, total.bytes, total.failed)
        self._pace.look(now, rows)
        tallies.keep([*rows, *pool.leaving])
        self._pace_of_models.look(
            now, {name: (tally.requests, tally.tokens) for name, tally in tallies.models.items()}
        )

    def _remember(self, now: float) -> None:
        gateway = self._gateway
        nodes = gateway.pool.nodes.values()
        rates = self._rates_of_all(now)
        rows: dict[str, dict[str, float | None]] = {
            "gateway": {
                **_points(rates),
                "in_flight": sum(node.in_flight for node in nodes),
                "waiting": len(gateway.pool.line),
                "failures_per_second": rates.failures,
            }
        }
        for node in nodes:
            rows[node.name] = {
                **_points(self._rates_of(node.name, now)),
                "in_flight": node.in_flight,
            }
        self._past.add(gateway.date(now), rows)

    def _rates_of_all(self, now: float) -> Rates:
        requests, tokens, size, failures = self._pace.of(_ALL, 4)
        first_token = self._gateway.tallies.gateway.first_token(now)
        return Rates(requests, tokens, size, first_token, failures)

    def _rates_of(self, name: str, now: float) -> Rates:
        tally = self._gateway.tallies.nodes.get(name)
        first_token = tally.first_token(now) if tally is not None else None
        requests, tokens, size = self._pace.of(name, 3)
        return Rates(requests, tokens, size, first_token)

    def _glimpse(self, now: float) -> View:
        """How the nodes are, and no more."""
        pool = self._gateway.pool
        nodes = (*pool.nodes.values(), *pool.leaving.values())
        return View(now, self._gateway.date(now), tuple(Seen(node, "") for node in nodes))

    def _view(self, now: float) -> View:
        gateway, pool = self._gateway, self._gateway.pool
        nodes = (*pool.nodes.values(), *pool.leaving.values())
        return View(
            now,
            gateway.date(now),
            tuple(self._seen(node, now) for node in nodes),
            self._rates_of_all(now),
            __version__,
            gateway.config.strategy,
            gateway.notice,
            self.started,
            gateway.client_connections,
            len(pool.line),
            pool.line.max_waiting,
            self._uses(now),
        )

    def _uses(self, now: float) -> dict[str, Use]:
        """How much each model is asked for that was asked for at all."""
        gateway = self._gateway
        asked = Counter(map(gateway.model_label, gateway.asked_models()))
        uses = {name: Use(count) for name, count in asked.items()}
        for name, tally in gateway.tallies.models.items():
            requests, tokens = self._pace_of_models.of(name, 2)
            rates = Rates(requests, tokens, first_token=tally.first_token(now))
            uses[name] = Use(asked[name], rates)
        return uses

    def _seen(self, node: Node, now: float) -> Seen:
        gateway, name = self._gateway, node.name
        upstream = gateway.upstreams.get(name)
        address = upstream.address if upstream is not None else node.config.addresses[0]
        return Seen(
            node,
            url_of(address),
            # Whatever a node that is down had in memory, nobody can have it from there.
            self._models_of(name) if node.health.healthy else (),
            self._rates_of(name, now),
            gateway.tallies.failures(name),
        )

    def _models_of(self, name: str) -> tuple[Model, ...]:
        """What a node has in memory; the same object for the same list."""
        told = self._gateway.loaded(name)
        known = self._loaded.get(name)
        if known is None or known[0] is not told:
            known = (told, read_models({"models": told}) or ())
            self._loaded[name] = known
        return known[1]


def _points(rates: Rates) -> dict[str, float | None]:
    return {
        "requests_per_second": rates.requests,
        "tokens_per_second": rates.tokens,
        "first_token_seconds": rates.first_token,
        "bytes_per_second": rates.bytes,
    }
