"""
Questions put to an Ollama address, one answer each: streamed, timed, and asked
again when what went wrong may go right the next time.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone

from ollama_twisted.humaneval.answer import Answer, BadAnswer, Reading, error_of

_NODE = "X-Ollama-Gateway-Node"
_ATTEMPTS = 5
_FIRST_PAUSE = 0.5
_CONNECT = 5.0
_LISTS = 15.0
_ERROR_LIMIT = 64 * 2**10
_T = TypeVar("_T")


class AskFailed(Exception):
    """A question got no answer."""


class NobodyThere(AskFailed):
    """Nothing answers at the address, or no node behind it does."""


class NoSuchModel(AskFailed):
    """What answers has no such model."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, who gave it, and what it took."""

    answer: Answer
    node: str
    attempts: int
    seconds: float
    first_token: float


class Asker:
    """Asks at one address."""

    def __init__(self, reactor: Any, base_url: str, concurrency: int, silence: float) -> None:
        pool = HTTPConnectionPool(reactor)
        pool.maxPersistentPerHost = concurrency
        pool.retryAutomatically = False
        self._client = HTTPClient(Agent(reactor, connectTimeout=_CONNECT, pool=pool))
        self._pool = pool
        self._reactor = reactor
        self._url = base_url.rstrip("/")
        self._silence = silence
        self._default_node = urlsplit(self._url).netloc

    async def models(self) -> list[str]:
        """The names of the models there; raises `NobodyThere`."""
        try:
            response = await self._within(_LISTS, self._client.get(f"{self._url}/api/tags"))
            data = await self._body(response, _LISTS)
            if response.code != 200:
                raise NobodyThere(f"{self._url}: {response.code} {error_of(data)}")
            return [str(each["name"]) for each in json.loads(data)["models"]]
        except NobodyThere:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise NobodyThere(f"{self._url} is no Ollama: it has no list of models") from error
        except Exception as error:
            raise NobodyThere(f"{self._url} does not answer: {_why(error)}") from error

    async def ask(self, path: str, body: dict[str, Any]) -> Answered:
        """
        The answer; raises `AskFailed`.

        What fails for reasons that may pass (no connection, a busy or broken
        node, an answer cut short) is asked again, with growing pauses.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._attempt(path, body, attempt)
            except (NoSuchModel, CancelledError):
                raise
            except AskFailed as failed:
                last = failed
                if type(failed) is AskFailed or attempt == _ATTEMPTS:
                    break
            await deferLater(self._reactor, _FIRST_PAUSE * 2 ** (attempt - 1))
        raise last

    async def _attempt(self, path: str, body: dict[str, Any], attempt: int) -> Answered:
        began = self._reactor.seconds()
        posted = self._client.post(f"{self._url}{path}", json=body)
        try:
            response = await self._within(self._silence, posted)
        except Exception as error:
            raise NobodyThere(f"{self._url} does not answer: {_why(error)}") from error
        if response.code != 200:
            text = error_of(await self._body(response, self._silence))
            raise _refusal(response.code, text, str(body["model"]))
        reading = Reading(self._reactor.seconds)
        try:
            await _Stream.of(self._reactor, response, reading.feed, self._silence)
            answer = reading.answer()
        except BadAnswer as bad:
            raise _Passing(str(bad)) from bad
        except CancelledError:
            raise
        except Exception as error:
            raise _Passing(f"the answer was cut: {_why(error)}") from error
        node = response.headers.getRawHeaders(_NODE, [self._default_node])[0]
        ended = self._reactor.seconds()
        first = (reading.first or ended) - began
        return Answered(answer, node, attempt, ended - began, first)

    async def _body(self, response: Any, silence: float) -> bytes:
        parts: list[bytes] = []

        def keep(data: bytes) -> None:
            if sum(map(len, parts)) < _ERROR_LIMIT or response.code == 200:
                parts.append(data)

        await _Stream.of(self._reactor, response, keep, silence)
        return b"".join(parts)

    async def _within(self, seconds: float, work: Awaitable[_T]) -> _T:
        deferred: Any = work
        timer = self._reactor.callLater(seconds, deferred.cancel)
        fired = False

        def ended(result: _T) -> _T:
            nonlocal fired
            fired = not timer.active()
            if timer.active():
                timer.cancel()
            return result

        deferred.addBoth(ended)
        try:
            return await work
        except CancelledError as error:
            if fired:
                raise TimeoutError(f"no answer within {seconds:g} s") from error
            raise

    def close(self) -> Deferred[None]:
        """Close idle connections."""
        closing: Deferred[None] = self._pool.closeCachedConnections()
        return closing


class _Passing(AskFailed):
    """Something that may go right when it is asked again."""


def _refusal(code: int, text: str, model: str) -> AskFailed:
    if code == 404:
        return NoSuchModel(text or f"there is no model {model}")
    if code == 503 and ("node" in text.lower() or not text):
        return NobodyThere(f"no node answers: {text}")
    if code == 429 or code >= 500:
        return _Passing(f"{code} {text}")
    return AskFailed(f"{code} {text}")


def _why(error: BaseException) -> str:
    for each in getattr(error, "reasons", None) or ():
        if isinstance(each, Failure) and each.value is not None:
            return _why(each.value)
    return str(error) or type(error).__name__


class _Stream(Protocol):
    """The body of an answer, given up when nothing comes of it for too long."""

    transport: Any

    def __init__(self, reactor: Any, hear: Any, silence: float) -> None:
        self._reactor = reactor
        self._hear = hear
        self._silence = silence
        self._failed: Exception | None = None
        self.done: Deferred[None] = Deferred(lambda _: self._stop())
        self._timer = reactor.callLater(silence, self._too_long)

    @classmethod
    def of(cls, reactor: Any, response: Any, hear: Any, silence: float) -> Deferred[None]:
        """Hear a response's body; fires at its end."""
        stream = cls(reactor, hear, silence)
        response.original.deliverBody(stream)
        return stream.done

    def dataReceived(self, data: bytes) -> None:
        if self._failed is not None:
            return
        self._timer.reset(self._silence)
        try:
            self._hear(data)
        except BadAnswer as bad:
            self._failed = bad
            self._stop()

    def _too_long(self) -> None:
        self._failed = TimeoutError(f"nothing more came for {self._silence:g} s")
        self._stop()

    def _stop(self) -> None:
        if self.transport is not None:
            self.transport.stopProducing()

    def connectionLost(self, reason: Failure = Failure(ResponseDone())) -> None:  # noqa: B008
        if self._timer.active():
            self._timer.cancel()
        if self.done.called:
            return
        if self._failed is not None:
            self.done.errback(self._failed)
        elif reason.check(ResponseDone):
            self.done.callback(None)
        else:
            self.done.errback(reason)
