"""What the gateway itself has to say, in the words of the protocol that it was asked in."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits
from tests.gateway.harness import CHAT, STREAM, World, chunks, post, split

STREAMED = CHAT[:-1] + b',"stream":true}'


def forms(status: int, kind: str, other: str = "api_error") -> dict[bytes, dict[str, Any]]:
    """An error of each protocol, by a path where it is spoken; its message is to be put in."""
    openai = {"error": {"message": "", "type": other, "param": None, "code": None}}
    return {
        b"/api/chat": {"error": ""},
        b"/api/unknown": {"error": ""},
        b"/v1/chat/completions": openai,
        b"/v1/responses": openai,
        b"/v1/unknown": openai,
        b"/v1/messages": {"type": "error", "error": {"type": kind, "message": ""}},
    }


def blanked(said: dict[str, Any]) -> dict[str, Any]:
    """An error without its message, which must be there."""
    where, key = (said["error"], "message") if isinstance(said["error"], dict) else (said, "error")
    assert where[key]
    where[key] = ""
    return said


class DialectTests(SynchronousTestCase):
    """Errors that are the gateway's own."""

    def check(self, world: World, status: int, kind: str, other: str = "api_error") -> None:
        for path, form in forms(status, kind, other).items():
            client = world.client()
            client.send(post(path))
            first, fields, body = split(client.read())
            self.assertEqual(int(first.split()[1]), status, path)
            self.assertTrue(fields[b"content-type"].startswith(b"application/json"))
            self.assertEqual(blanked(json.loads(body)), form, path)

    def test_nobody(self) -> None:
        """No node can answer."""
        world = World()
        world.pool.nodes["a"].draining = True
        self.check(world, 503, "overloaded_error")

    def test_unreachable(self) -> None:
        """No node was reached."""
        world = World()
        world.endpoints["a"].refuses = True
        self.check(world, 503, "overloaded_error")

    def test_too_long(self) -> None:
        """The body is refused before it is read."""
        world = World(limits=GatewayLimits(max_body=10))
        self.check(world, 413, "request_too_large")

    def test_malformed(self) -> None:
        """The body's framing is broken."""
        world = World()
        for path, form in forms(400, "invalid_request_error", "invalid_request_error").items():
            client = world.client()
            head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.send(head % path + b"xyz\r\n")
            self.assertEqual(blanked(json.loads(split(client.read())[2])), form)

    def test_in_one_piece(self) -> None:
        """Where nobody asked for a stream, and the protocol has none by itself, it is cut."""
        for path in (b"/v1/chat/completions", b"/v1/messages", b"/v1/responses"):
            world = World()
            client = world.client()
            client.send(post(path))
            world.node().answer(STREAM + chunks(b"{\n", end=False))
            client.read()
            world.node().close()
            self.assertEqual((client.read(), client.hung_up), (b"", True), path)

    def test_in_stream(self) -> None:
        """An answer broke off after it had begun; the client's protocol has a way to say so."""
        for path, begun, expected in (
            (b"/api/chat", b'{"done":false}\n', b'{"error": "'),
            (b"/api/generate", b'{"done":false}\n', b'{"error": "'),
            (b"/v1/chat/completions", b'data: {"id":1}\n\n', b'data: {"error": {"message": "'),
            (b"/v1/responses", b'data: {"id":1}\n\n', b'data: {"error": {"message": "'),
            (
                b"/v1/messages",
                b'event: ping\ndata: {"type":"ping"}\n\n',
                b'event: error\ndata: {"type": "error", "error": {"type": "api_error", ',
            ),
        ):
            world = World()
            client = world.client()
            # Ollama's own routes stream unless told otherwise.
            client.send(post(path, CHAT if path.startswith(b"/api/") else STREAMED))
            world.node().answer(STREAM + chunks(begun, end=False))
            client.read()
            world.node().close()
            self.assertIn(expected, client.read(), path)
