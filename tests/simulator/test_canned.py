"""Words without a model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.simulator.canned import CannedEngine, Pace
from ollama_twisted.simulator.engine import Ended, Message, Prompt
from ollama_twisted.simulator.library import invent

MODEL = invent("llama3:8b", "2026-01-01T00:00:00Z")
PACE = Pace(tokens_per_second=8.0, first_token_delay=0.5, load_time=2.0, answer_tokens=20)


def said(
    prompt: Prompt, seed: int = 0, pace: Pace = PACE, answers: dict[str, str] | None = None
) -> tuple[list[str], Ended, list[float]]:
    """The tokens of an answer, its end, and when each token came."""
    clock = Clock()
    engine = CannedEngine(clock, pace, seed, answers)
    texts: list[str] = []
    ends: list[Ended] = []
    times: list[float] = []

    async def listen() -> None:
        async with aclosing(engine.generate(MODEL, prompt)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Ended):
                    ends.append(piece)
                else:
                    texts.append(piece)
                    times.append(round(clock.seconds(), 3))

    work = Deferred.fromCoroutine(listen())
    clock.pump([1 / 32] * 200)
    assert work.called
    return texts, ends[0], times


def asking(text: str, **options: object) -> Prompt:
    """A prompt of one turn."""
    return Prompt((Message("user", text),), options=options)


class GenerateTests(SynchronousTestCase):
    """What a canned engine says."""

    @given(st.text(), st.integers())
    def test_same_seed(self, text: str, seed: int) -> None:
        """Equal seeds and prompts give equal answers."""
        self.assertEqual(said(asking(text), seed)[0], said(asking(text), seed)[0])

    def test_other_seed(self) -> None:
        """Another seed, of the node or of the request, gives another answer."""
        usual = said(asking("hello"))[0]
        self.assertNotEqual(said(asking("hello"), seed=1)[0], usual)
        self.assertNotEqual(said(asking("hello", seed=1))[0], usual)
        self.assertEqual(said(asking("hello", seed=0), seed=1)[0], usual)

    def test_pace(self) -> None:
        """The first token comes after its delay, the others an eighth of a second apart."""
        _, ended, times = said(asking("hello"))
        self.assertEqual(times[:4], [0.5, 0.625, 0.75, 0.875])
        self.assertEqual(len(times), 20)
        self.assertEqual(round(ended.prompt_seconds, 3), 0.5)

    def test_no_pace(self) -> None:
        """Without a pace all tokens come as fast as they are taken."""
        pace = Pace(tokens_per_second=0.0, first_token_delay=0.0, answer_tokens=1000)
        texts, ended, _ = said(asking("hello"), pace=pace)
        self.assertEqual((len(texts), ended.generated_tokens), (1000, 1000))

    def test_length(self) -> None:
        """An answer is cut where the request says, and tells it."""
        texts, ended, _ = said(asking("hello", num_predict=3))
        self.assertEqual((len(texts), ended.reason), (3, "length"))
        self.assertEqual(said(asking("hello", num_predict=-1))[1].reason, "stop")

    @given(st.integers(0, 60), st.integers(1, 12))
    def test_stop(self, start: int, length: int) -> None:
        """An answer ends before the first stop, wherever that stands."""
        whole = "".join(said(asking("hello"))[0])
        stop = whole[start : start + length]
        texts, ended, _ = said(asking("hello", stop=[stop]))
        self.assertEqual(("".join(texts), ended.reason), (whole[: whole.find(stop)], "stop"))

    def test_given(self) -> None:
        """
        What was given for a part of the prompt is said to the letter, for the longest such part.
        """
        answers = {"sea": "no", "the sea": "  Salt\n\twater. ", "x": ""}
        pieces, end, _ = said(asking("Of the sea?"), answers=answers)
        self.assertEqual(("".join(pieces), len(pieces)), ("  Salt\n\twater. ", 3))
        self.assertEqual((end.reason, end.generated_tokens), ("stop", 3))
        _, end, _ = said(asking("Of the sea?", num_predict=1), answers=answers)
        self.assertEqual((end.reason, end.generated_tokens), ("length", 1))
        self.assertEqual(said(asking("x"), answers=answers)[0], [])
        self.assertEqual(said(asking("land"), answers=answers), said(asking("land")))


class EmbedTests(SynchronousTestCase):
    """What a canned engine makes of texts."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        clock = Clock()
        work = Deferred.fromCoroutine(CannedEngine(clock, PACE).embed(MODEL, texts))
        clock.advance(1.0)
        return self.successResultOf(work).vectors

    @given(st.text())
    def test_same(self, text: str) -> None:
        """A vector depends on the text alone, and has the length one."""
        first, second = self.embed([text, text])
        self.assertEqual(first, second)
        self.assertAlmostEqual(sum(each * each for each in first), 1.0, 5)

    def test_differ(self) -> None:
        """Different texts have different vectors."""
        first, second = self.embed(["a", "b"])
        self.assertNotEqual(first, second)
