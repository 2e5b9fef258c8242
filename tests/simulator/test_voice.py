"""The other protocols that Ollama speaks."""

from __future__ import annotations

import base64
import struct

from tests.simulator.harness import HELLO, NodeCase

STREAMED = {**HELLO, "stream": True}


class OpenAITests(NodeCase):
    """``/v1`` as OpenAI has it."""

    def setUp(self) -> None:
        self.node = self.start()

    def test_chat(self) -> None:
        """Not streamed unless asked for, with the usage."""
        said = self.node.get("POST", "/v1/chat/completions", HELLO)
        self.assertEqual(said.headers["content-type"], "application/json")
        (choice,) = said.json["choices"]
        self.assertEqual(
            (choice["finish_reason"], choice["message"]["role"]), ("stop", "assistant")
        )
        self.assertEqual(said.json["usage"]["completion_tokens"], 4)

    def test_chat_stream(self) -> None:
        """A stream names the role once, says why it ended and then that it did."""
        said = self.node.get("POST", "/v1/chat/completions", STREAMED)
        self.assertEqual(said.headers["content-type"], "text/event-stream")
        *chunks, done = said.events
        self.assertEqual(done, "[DONE]")
        roles = [each["choices"][0]["delta"].get("role") for each in chunks]
        self.assertEqual(roles, ["assistant", None, None, None, None])
        self.assertEqual(
            chunks[-1]["choices"][0], {"index": 0, "delta": {}, "finish_reason": "stop"}
        )

    def test_usage(self) -> None:
        """The usage of a stream stands in a chunk of its own, for those who ask."""
        body = {**STREAMED, "stream_options": {"include_usage": True}}
        usage = self.node.get("POST", "/v1/chat/completions", body).events[-2]
        self.assertEqual((usage["choices"], usage["usage"]["completion_tokens"]), ([], 4))

    def test_options(self) -> None:
        """OpenAI's names of options are understood."""
        body = {**HELLO, "max_tokens": 2}
        (choice,) = self.node.get("POST", "/v1/chat/completions", body).json["choices"]
        self.assertEqual(choice["finish_reason"], "length")

    def test_completion(self) -> None:
        """The old completions, whole and streamed, say the same."""
        body = {"model": "llama3:8b", "prompt": "hello"}
        whole = self.node.get("POST", "/v1/completions", body).json
        *chunks, done = self.node.get("POST", "/v1/completions", {**body, "stream": True}).events
        text = "".join(each["choices"][0]["text"] for each in chunks)
        self.assertEqual((text, done), (whole["choices"][0]["text"], "[DONE]"))

    def test_embeddings(self) -> None:
        """Vectors come as numbers or packed."""
        body = {"model": "llama3:8b", "input": "one"}
        plain = self.node.get("POST", "/v1/embeddings", body).json["data"][0]["embedding"]
        packed = self.node.get("POST", "/v1/embeddings", {**body, "encoding_format": "base64"})
        data = base64.b64decode(packed.json["data"][0]["embedding"])
        for one, other in zip(plain, struct.unpack(f"<{len(plain)}f", data), strict=True):
            self.assertAlmostEqual(one, other, 6)

    def test_models(self) -> None:
        """Models are listed and found by their name, which may be escaped."""
        self.assertEqual(self.node.get("GET", "/v1/models").json["data"][0]["id"], "llama3:8b")
        self.assertEqual(self.node.get("GET", "/v1/models/llama3%3A8b").json["id"], "llama3:8b")
        said = self.node.get("GET", "/v1/models/x")
        self.assertEqual((said.status, said.json["error"]["type"]), (404, "not_found_error"))

    def test_responses(self) -> None:
        """The newer protocol ends with the whole of what it said in parts."""
        body = {"model": "llama3:8b", "input": "hello", "stream": True}
        events = self.node.get("POST", "/v1/responses", body).events
        self.assertEqual([each["sequence_number"] for each in events], list(range(len(events))))
        said = "".join(each["delta"] for each in events if "delta" in each)
        last = events[-1]
        self.assertEqual(last["type"], "response.completed")
        self.assertEqual(last["response"]["output"][0]["content"][0]["text"], said)
        whole = self.node.get("POST", "/v1/responses", {**body, "stream": False}).json
        self.assertEqual(whole["output"][0]["content"][0]["text"], said)


class AnthropicTests(NodeCase):
    """``/v1/messages``."""

    def setUp(self) -> None:
        self.node = self.start()
        self.body = {**HELLO, "max_tokens": 100}

    def test_whole(self) -> None:
        """A message with its usage."""
        said = self.node.get("POST", "/v1/messages", self.body).json
        self.assertEqual((said["type"], said["stop_reason"]), ("message", "end_turn"))
        self.assertEqual(said["usage"]["output_tokens"], 4)

    def test_stream(self) -> None:
        """Named events from the begin of the message to its end, and no [DONE]."""
        said = self.node.get("POST", "/v1/messages", {**self.body, "stream": True, "max_tokens": 2})
        self.assertEqual(
            [each["type"] for each in said.events],
            ["message_start", "content_block_start"]
            + ["content_block_delta"] * 2
            + ["content_block_stop", "message_delta", "message_stop"],
        )
        self.assertEqual(said.events[-2]["delta"], {"stop_reason": "max_tokens"})
        self.assertIn(b"event: message_stop\n", said.body)

    def test_refused(self) -> None:
        """Errors have Anthropic's form."""
        said = self.node.get("POST", "/v1/messages", {**self.body, "model": "x"})
        self.assertEqual(
            (said.status, said.json),
            (
                404,
                {
                    "type": "error",
                    "error": {"type": "not_found_error", "message": "model 'x' not found"},
                },
            ),
        )
        self.assertEqual(self.node.get("POST", "/v1/messages", HELLO).status, 400)
