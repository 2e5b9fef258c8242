"""
The clients that people use, through the gateway: what they get is what the node has said.

Ollama's own Python client is held to its own tests in ``test_gateway``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.clients.conversation import Conversations, held, in_javascript, in_python
from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

NODE = ("--model", "llama3:8b", "--answer-tokens", "5", "--frozen-clock")
NODE += ("--tokens-per-second", "0", "--first-token-delay", "0", "--load-time", "0")
CUT = "one could not finish this answer: it closed the connection"
UNKNOWN = "model 'nobody-has:1b' not found"


@cache
def both(command: Callable[[], list[str]]) -> tuple[Conversations, Conversations]:
    """What clients hear from a node itself, and what they hear through the gateway."""
    asking = command()
    node = SimulatedNode(*NODE)
    try:
        gateway = RunningGateway({"one": node.port})
        try:
            gateway.until_healthy("one")
            urls = f"http://127.0.0.1:{node.port}", gateway.url
            direct, passed = (held(asking, url, urls[0]) for url in urls)
            return direct, passed
        finally:
            gateway.stop()
    finally:
        node.stop()


class ClientCase(SynchronousTestCase):
    """Looks at conversations of one kind of clients."""

    command: Callable[[], list[str]]

    def setUp(self) -> None:
        self.direct, self.passed = both(type(self).command)

    def heard(self, name: str) -> Any:
        """What came of a conversation through the gateway, which must be what the node said."""
        self.assertEqual(self.passed[name], self.direct[name])
        return self.passed[name]

    def unlike(self, other: str, *names: str) -> None:
        """
        In each of these conversations the node said something of its own.

        Its words depend on all that it was sent, so whatever was lost on the way shows.
        """
        said = [self.heard(each) for each in (other, *names)]
        said[0] = said[0][0]
        self.assertEqual(len(set(said)), len(said), said)


class PythonTests(ClientCase):
    """``openai`` and ``anthropic`` for Python."""

    command = staticmethod(in_python)

    def test_unlisted(self) -> None:
        """No conversation came to anything that was not foreseen."""
        odd = {k: v for k, v in self.passed.items() if isinstance(v, dict) and "unforeseen" in v}
        self.assertEqual(odd, {})

    def test_chat(self) -> None:
        """An answer in one piece, with its reason and its numbers."""
        self.assertEqual(self.heard("openai_chat")[1:3], ["stop", 8])
        self.assertEqual(self.heard("anthropic_chat")[1:], ["end_turn", 5])
        self.assertTrue(self.heard("openai_completions"))

    def test_stream(self) -> None:
        """An answer token by token, and the numbers at its end."""
        whole = self.heard("openai_chat")[0]
        for name in ("openai_stream", "anthropic_stream"):
            texts, count = self.heard(name)
            self.assertEqual(("".join(texts), len(texts), count), (whole, 5, 5))

    def test_abort(self) -> None:
        """A client that closes its stream in the midst of it is one that leaves the node."""
        for name in ("openai_abort", "anthropic_abort"):
            self.assertTrue(self.heard(name)[1])

    def test_unknown_model(self) -> None:
        """A model that nobody has raises what the client has for it, streamed or not."""
        for name in ("openai_unknown", "openai_unknown_stream"):
            kind, status, body = self.heard(name)
            self.assertEqual((kind, status), ("openai.NotFoundError", 404))
            self.assertEqual(body["message"], UNKNOWN)
        kind, status, body = self.heard("anthropic_unknown")
        self.assertEqual((kind, status), ("anthropic.NotFoundError", 404))
        self.assertEqual(body["error"]["message"], UNKNOWN)

    def test_refused(self) -> None:
        """So does what the node refuses."""
        self.assertEqual(self.heard("openai_refused")[:2], ["openai.BadRequestError", 400])
        self.assertEqual(self.heard("anthropic_refused")[:2], ["anthropic.BadRequestError", 400])

    def test_cut(self) -> None:
        """A node that dies in mid-stream raises an error of the client's, which says so."""
        for name in ("openai_cut", "openai_responses_cut"):
            kind, _, body = self.passed[name]
            self.assertEqual((kind, body["message"]), ("openai.APIError", CUT))
        kind, _, body = self.passed["anthropic_cut"]
        self.assertEqual((kind, body["error"]["message"]), ("anthropic.APIStatusError", CUT))

    def test_tools_and_images(self) -> None:
        """Tools and images reach the node as they are."""
        self.unlike("openai_chat", "openai_tools", "openai_image")
        self.unlike("anthropic_chat", "anthropic_tools", "anthropic_image")

    def test_embeddings(self) -> None:
        """A vector for each text, as short as was asked for."""
        self.assertEqual([len(each) for each in self.heard("openai_embeddings")], [4, 4])

    def test_models(self) -> None:
        """The node's models are listed, and found by their names."""
        self.assertEqual(self.heard("openai_models"), [["llama3:8b"], "llama3:8b"])

    def test_responses(self) -> None:
        """The newer protocol, in one piece and as events."""
        text, status, kinds, count = self.heard("openai_responses")
        self.assertEqual((text, status), (self.heard("openai_chat")[0], "completed"))
        self.assertIn("response.completed", kinds)
        self.assertEqual(count, 13)


class JavaScriptTests(ClientCase):
    """npm's ``ollama`` and ``openai``."""

    command = staticmethod(in_javascript)

    def test_unlisted(self) -> None:
        """No conversation came to anything that was not foreseen."""
        odd = {k: v for k, v in self.passed.items() if isinstance(v, dict) and "unforeseen" in v}
        self.assertEqual(odd, {})

    def test_chat(self) -> None:
        """An answer in one piece, with its reason and its numbers."""
        self.assertEqual(self.heard("ollama_chat")[1:], ["stop", 5])
        self.assertEqual(self.heard("openai_chat")[1:], [8])

    def test_stream(self) -> None:
        """An answer token by token, and the numbers at its end."""
        for chat, stream in (("ollama_chat", "ollama_stream"), ("openai_chat", "openai_stream")):
            texts, count = self.heard(stream)
            self.assertEqual(("".join(texts), count), (self.heard(chat)[0], 5))
            self.assertGreaterEqual(len(texts), 5)

    def test_abort(self) -> None:
        """A client that aborts in mid-stream is one that leaves the node."""
        self.assertEqual(self.heard("ollama_abort"), [True, "DOMException", True])
        self.assertEqual(self.heard("openai_abort"), [True, True])

    def test_unknown_model(self) -> None:
        """A model that nobody has raises what the client has for it, streamed or not."""
        for name in ("ollama_unknown", "ollama_unknown_stream"):
            self.assertEqual(self.heard(name), ["ResponseError", 404, UNKNOWN])
        for name in ("openai_unknown", "openai_unknown_stream"):
            self.assertEqual(self.heard(name), ["APIError NotFoundError", 404, f"404 {UNKNOWN}"])

    def test_cut(self) -> None:
        """A node that dies in mid-stream raises an error, which says so."""
        self.assertEqual(self.passed["ollama_cut"], ["Error", None, CUT])
        for name in ("openai_cut", "openai_responses_cut"):
            self.assertEqual(self.passed[name], ["APIError APIError", None, CUT])

    def test_tools_and_images(self) -> None:
        """Tools and images reach the node as they are."""
        self.unlike("ollama_chat", "ollama_tools", "ollama_image", "ollama_generate")
        self.unlike("openai_chat", "openai_tools", "openai_image")

    def test_embeddings(self) -> None:
        """A vector for each text, as short as was asked for."""
        for name in ("ollama_embed", "openai_embeddings"):
            self.assertEqual([len(each) for each in self.heard(name)], [4, 4])

    def test_models(self) -> None:
        """The node's models are listed and shown."""
        self.assertEqual(self.heard("ollama_models"), [["llama3:8b"], "8B"])

    def test_responses(self) -> None:
        """The newer protocol of OpenAI, in one piece and as events."""
        text, kinds = self.heard("openai_responses")
        self.assertEqual((text, kinds[-1]), (self.heard("openai_chat")[0], "response.completed"))
