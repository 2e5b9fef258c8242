"""What each node has done, and the gateway: counted once a request, when that has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from statistics import median

from ollama_twisted.pulse.rates import digits
from ollama_twisted.pulse.shape import Failure, Rate
from ollama_twisted.record import Record

#: First tokens are remembered for so many seconds, and so many of them.
RECENT, REMEMBERED = 60.0, 32
#: How many failures of a node are remembered, and how long a text says what happened.
FAILURES, LONGEST_TEXT = 10, 300
#: As many tokens say what a token takes; older answers count less and less.
ENOUGH_TOKENS = 100_000


def plain(text: str, limit: int = LONGEST_TEXT) -> str:
    """A text of somebody else's as it may be told: not too long, without half characters."""
    return text[:limit].encode("utf-8", "replace").decode()


_NOTHING = (0.0, 0.0)


class Tally:
    """What one node, or the gateway as a whole, has done."""

    __slots__ = ("_first_tokens", "_median", "bytes", "failed", "requests", "tokens")

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.tokens = 0.0
        self.bytes = 0
        self._first_tokens: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        #: Of the above, if it is known.
        self._median: Rate = None

    def add(
        self, size: int, tokens: float, first: tuple[float, float] | None, failed: bool
    ) -> None:
        """One exchange more; ``first``: when it ended, and how long its first token took."""
        self.requests += 1
        self.bytes += size
        self.tokens += tokens
        if failed:
            self.failed += 1
        if first is not None:
            self._first_tokens.append(first)
            self._median = None

    def first_token(self, now: float) -> Rate:
        """How long the first token took: the median of the last minute."""
        known = self._first_tokens
        while known and known[0][0] < now - RECENT:
            known.popleft()
            self._median = None
        if known and self._median is None:
            self._median = digits(median([seconds for _, seconds in known]))
        return self._median


class Tallies:
    """
    What all nodes have done, and the gateway; and what went wrong.

    ``date`` tells a moment of the records' clock in words.
    """

    def __init__(self, date: Callable[[float], str]) -> None:
        self._date = date
        self.gateway = Tally()
        self.nodes: dict[str, Tally] = {}
        #: By the names that the metrics tell apart, which are bounded.
        self.models: dict[str, Tally] = {}
        self._failures: dict[str, deque[Failure]] = {}
        #: Failures since they were last taken: how many of each node, and the last one.
        self._news: dict[str, tuple[int, str]] = {}
        #: Bytes and tokens of streamed answers that are over, by operation.
        self._taken: dict[str, list[float]] = {}

    def count(self, record: Record, model: str = "") -> None:
        """An exchange has ended, one way or another; ``model`` is whose it was, if it is known."""
        name, failure, final = record.node, record.failure, record.final
        if (
            final is None
            and not failure
            and not record.retries
            and not model
            and name in self.nodes
        ):
            # Nearly every GET: there is nothing to it but its size.
            size = record.relayed - record.counted
            for tally in (self.gateway, self.nodes[name]):
                tally.requests += 1
                tally.bytes += size
            return
        size, tokens, first = record.relayed - record.counted, 0.0, None
        if final is not None and final.generated_tokens is not None:
            tokens = final.generated_tokens - record.reckoned
            if record.streamed and record.first_at > 0:
                first = (record.ended, record.first_at - record.started)
                self._learn(record.operation, record.relayed, final.generated_tokens)
        failed = failure != "" and failure != "client_left"
        self.gateway.add(size, tokens, first, failed)
        if model:
            (self.models.get(model) or _new(self.models, model)).add(size, tokens, first, failed)
        if record.retries:
            for tried, reason in record.retries:
                self._failed(tried, record.ended, reason, "")
        if name:
            (self.nodes.get(name) or _new(self.nodes, name)).add(size, tokens, first, failed)
            if failed:
                self._failed(name, record.ended, failure, record.detail)

    def _learn(self, operation: str, size: int, tokens: int) -> None:
        """A streamed answer has taken so many bytes for so many tokens."""
        known = self._taken.get(operation)
        if known is None:
            known = self._taken[operation] = [0.0, 0.0]
        elif known[1] > ENOUGH_TOKENS:
            known[:] = known[0] / 2, known[1] / 2
        known[0] += size
        known[1] += tokens

    def _failed(self, name: str, time: float, reason: str, detail: str) -> None:
        failures = self._failures.setdefault(name, deque(maxlen=FAILURES))
        failures.append(Failure(self._date(time), reason, plain(detail)))
        count, _ = self._news.get(name, (0, ""))
        self._news[name] = (count + 1, reason)

    def failures(self, name: str) -> tuple[Failure, ...]:
        """The last failures of a node, oldest first."""
        return tuple(self._failures.get(name, ()))

    def take_news(self) -> Mapping[str, tuple[int, str]]:
        """How often each node has failed since this was last asked, and how at last."""
        news, self._news = self._news, {}
        return news

    def passing(self, record: Record, relayed: int, model: str = "") -> None:
        """
        So much of an answer has been relayed, which is not over.

        How many tokens are in there is reckoned from those that are, and is set
        right when it ends.
        """
        more = relayed - record.counted
        if not more:
            return
        record.counted = relayed
        size, tokens = self._taken.get(record.operation, _NOTHING)
        generated = more * tokens / size if size and record.streamed else 0.0
        record.reckoned += generated
        name = record.node
        concerned = [self.gateway, self.nodes.get(name) or _new(self.nodes, name)]
        if model:
            concerned.append(self.models.get(model) or _new(self.models, model))
        for tally in concerned:
            tally.bytes += more
            tally.tokens += generated

    def keep(self, names: Iterable[str]) -> None:
        """Forget the nodes that are none of these."""
        kept = {*names}
        for counts in (self.nodes, self._failures, self._news):
            for gone in counts.keys() - kept:
                del counts[gone]


def _new(tallies: dict[str, Tally], name: str) -> Tally:
    tally = tallies[name] = Tally()
    return tally
