"""Requests that say more than their model: their conversation, the options they are loaded with."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import Config
from ollama_twisted.pool.models import NodeModels
from tests.gateway.harness import World, post, split, whole


def chat(*messages: str, path: bytes = b"/api/chat", **said: object) -> bytes:
    """A turn of a conversation; user and assistant speak by turns."""
    spoken = [
        {"role": "assistant" if turn % 2 else "user", "content": text}
        for turn, text in enumerate(messages)
    ]
    return post(path, json.dumps({"model": "m", "messages": spoken, **said}).encode())


class ConversationTests(SynchronousTestCase):
    """From the client's bytes to the node that gets them."""

    def setUp(self) -> None:
        self.world = World("abcd", strategy="adaptive")
        for name in "abcd":
            self.world.know(name, ("m",), loaded=("m",))

    def asked(self, request: bytes) -> str:
        """Who answers this request."""
        client = self.world.client()
        client.send(request)
        (busy,) = [each.name for each in self.world.pool.nodes.values() if each.in_flight]
        self.world.node(busy).answer(whole(b"{}"))
        self.assertEqual(split(client.read())[1][b"x-ollama-gateway-node"], busy.encode())
        return busy

    def test_default(self) -> None:
        """Nobody need ask for it."""
        self.assertEqual(Config(()).strategy, "adaptive")

    def test_stays(self) -> None:
        """Each conversation stays where it began, on whichever route, and not all in one place."""
        homes = {}
        for each in range(12):
            opening = f"question {each}"
            homes[opening] = self.asked(chat(opening))
        self.assertGreater(len(set(homes.values())), 1)
        for opening, home in homes.items():
            self.assertEqual(self.asked(chat(opening, "an answer", "and then?")), home)
            later = chat(opening, "an answer", "and now?", path=b"/v1/chat/completions")
            self.assertEqual(self.asked(later), home)

    def test_moves_on(self) -> None:
        """A conversation whose node is down goes elsewhere, and stays there when it is back."""
        home = self.asked(chat("hello"))
        for _ in range(3):
            self.world.pool.checked(home, 0.0, False, "connection refused")
        refuge = self.asked(chat("hello", "hi", "well?"))
        self.assertNotEqual(refuge, home)
        for _ in range(2):
            self.world.pool.checked(home, 1.0, True)
        self.assertEqual(self.asked(chat("hello", "hi", "well?", "so", "yes?")), refuge)

    def test_options(self) -> None:
        """A request for another context goes where the model is loaded with that one."""
        for name in "abcd":
            context = 32768 if name == "c" else 4096
            listed = [{"name": "m", "model": "m"}]
            loaded = [{"name": "m", "model": "m", "context_length": context}]
            self.world.pool.listed(name, NodeModels.from_lists(listed, loaded))
        for each in range(8):
            long = chat(f"a long document {each}", options={"num_ctx": 32768})
            self.assertEqual(self.asked(long), "c")
