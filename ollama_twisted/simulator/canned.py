"""
An engine that needs no model: given answers, or words from a list, at a pace that is set.

What it says depends on the seed and on what it is asked, never on when or how
often: two engines with the same seed give the same answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from random import Random

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ollama_twisted.simulator.engine import Embedded, Ended, Prompt
from ollama_twisted.simulator.library import Model, invent
from ollama_twisted.simulator.prefixes import Read

_WORDS = (
    "the a of and to in is that it for as with on be at by this from or an are not but what all "
    "when we there can use each which do how if will other about many then them would like so "
    "these time has look two more write see number no way could people than first water been call "
    "who its now find long down day did get come made may part over new sound take only little "
    "work know place year live back give most very after thing our just name good sentence think "
    "great where help through much before line right too mean old any same tell boy follow came "
    "want show also around form three small set put end does another well large must big even "
    "such because turn here why ask went men read need land different home us move try kind hand "
    "picture again change off play spell air away animal house point page letter mother answer"
)
_VOCABULARY = _WORDS.split()
_SENTENCE = 12
_PROMPT_TOKENS_A_SECOND = 5000.0
_TOKENS_BEFORE_OTHERS = 64
_WORDS_SPOKEN_A_SECOND = 2.5
_CAPABILITIES = ("completion", "tools", "thinking", "insert", "vision", "embedding")
_PIECE = re.compile(r"\s*\S+|\s+")
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a canned engine is.  No tokens a second means as fast as they are taken."""

    tokens_per_second: float = 50.0
    first_token_delay: float = 0.1
    load_time: float = 0.5
    answer_tokens: int = 64
    #: 0: the first token's delay is all that a prompt costs, however long it is.
    prompt_tokens_per_second: float = 0.0
    #: Seconds of work for each second of a recording.
    real_time_factor: float = 0.1


class CannedEngine:
    """An engine with no model behind it."""

    def __init__(
        self,
        clock: IReactorTime,
        pace: Pace,
        seed: int = 0,
        answers: Mapping[str, str] | None = None,
        places: int = 4,
    ) -> None:
        self._clock = clock
        # Of several that are in a prompt the longest knows best what is meant.
        self._answers = sorted((answers or {}).items(), key=lambda each: -len(each[0]))
        self._pace = pace
        self._seed = seed
        self._read = Read(places)

    def describe(self, name: str, modified_at: str) -> Model:
        """A model as its name has it."""
        return replace(invent(name, modified_at), capabilities=_CAPABILITIES)

    async def load(self, model: Model) -> None:
        """Let the load time pass."""
        await self._wait(self._pace.load_time)

    async def unload(self, model: Model) -> None:
        """What it has read goes with it."""
        self._read.forget(model.name)

    async def generate(self, model: Model, prompt: Prompt) -> AsyncGenerator[str | Ended, None]:
        """The words, each at its time."""
        asked = count_tokens(_text(prompt))
        given = self._given(_text(prompt))
        limit, reason = self._limit(prompt, given)
        random = Random(f"{self._seed_of(prompt)}|{model.digest}|{_text(prompt)}{prompt.beside}")
        words = babble(random, limit) if given is None else islice(given, limit)
        started = self._clock.seconds()
        await self._wait(self._pace.first_token_delay + self._reading(model, prompt))
        first = due = self._clock.seconds()
        made = 0
        for piece in _until(words, _stops(prompt)):
            made += 1
            yield piece
            due = max(due, self._clock.seconds() - 1.0) + self._gap
            wait = due - self._clock.seconds()
            if wait > 0 or made % _TOKENS_BEFORE_OTHERS == 0:
                await self._wait(max(wait, 0.0))
        yield Ended(
            reason=reason if next(words, None) is None else "stop",
            prompt_tokens=asked,
            prompt_seconds=first - started,
            generated_tokens=made,
            generated_seconds=self._clock.seconds() - first,
            context=tuple(random.randrange(32000) for _ in range(4)),
        )

    async def embed(self, model: Model, texts: Sequence[str]) -> Embedded:
        """Vectors that depend on the model and the text alone."""
        tokens = sum(map(count_tokens, texts))
        await self._wait(tokens / _PROMPT_TOKENS_A_SECOND)
        return Embedded([direction(model, each) for each in texts], tokens)

    async def hear(self, model: Model, sound: bytes, seconds: float) -> AsyncGenerator[str, None]:
        """Words that depend on the recording, spread over the time that it takes to hear it."""
        random = Random(f"{self._seed}|{model.digest}|{sha256(sound).hexdigest()}")
        count = max(1, round(seconds * _WORDS_SPOKEN_A_SECOND))
        gap = seconds * self._pace.real_time_factor / count
        due = self._clock.seconds()
        for word in babble(random, count):
            due += gap
            await self._wait(max(due - self._clock.seconds(), 0.0))
            yield word

    async def stop(self) -> None:
        """Nothing is held."""

    def _reading(self, model: Model, prompt: Prompt) -> float:
        """How long it takes to read what was not read before."""
        rate = self._pace.prompt_tokens_per_second
        return count_tokens(self._read.new(model.name, _text(prompt))) / rate if rate else 0.0

    @property
    def _gap(self) -> float:
        rate = self._pace.tokens_per_second
        return 1.0 / rate if rate else 0.0

    def _seed_of(self, prompt: Prompt) -> object:
        return prompt.options.get("seed", self._seed)

    def _given(self, text: str) -> list[str] | None:
        """The pieces of the answer that was given for what is in this text."""
        for part, answer in self._answers:
            if part in text:
                return _PIECE.findall(answer)
        return None

    def _limit(self, prompt: Prompt, given: Sequence[str] | None) -> tuple[int, str]:
        whole = self._pace.answer_tokens if given is None else len(given)
        asked = prompt.options.get("num_predict")
        if isinstance(asked, int) and 0 <= asked < whole:
            return asked, "length"
        return whole, "stop"

    async def _wait(self, seconds: float) -> None:
        await deferLater(self._clock, seconds)


def babble(random: Random, count: int) -> Iterator[str]:
    """So many words, in sentences."""
    for position in range(count):
        word = random.choice(_VOCABULARY)
        starts, ends = position % _SENTENCE == 0, position % _SENTENCE == _SENTENCE - 1
        blank = " " if position else ""
        yield blank + (word.capitalize() if starts else word) + ("." if ends else "")


def count_tokens(text: str) -> int:
    """How many tokens a text has, as a canned engine counts them."""
    return len(_WORD.findall(text))


def direction(model: Model, text: str) -> list[float]:
    """The vector of a text."""
    random = Random(f"{model.digest}|{text}")
    raw = [random.gauss(0.0, 1.0) for _ in range(model.embedding_length)]
    length = math.sqrt(sum(each * each for each in raw))
    return [round(each / length, 8) for each in raw]


def _until(words: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """The words up to the first stop; what may be the begin of one is held back."""
    held = ""
    for word in words:
        held += word
        found = [at for at in (held.find(stop) for stop in stops) if at >= 0]
        if found:
            if min(found):
                yield held[: min(found)]
            return
        if not any(_begins(stop, held) for stop in stops):
            yield held
            held = ""
    if held:
        yield held


def _begins(stop: str, held: str) -> bool:
    return any(held.endswith(stop[:length]) for length in range(1, len(stop)))


def _stops(prompt: Prompt) -> list[str]:
    stop = prompt.options.get("stop") or []
    return [each for each in ([stop] if isinstance(stop, str) else stop) if each]


def _text(prompt: Prompt) -> str:
    if prompt.raw is not None:
        return prompt.raw
    return "\n".join(f"{each.role}: {each.content}" for each in prompt.messages)
