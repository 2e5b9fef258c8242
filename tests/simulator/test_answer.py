"""Faults as a client meets them."""

from __future__ import annotations

import json

from tests.simulator.harness import HELLO, PORT, Asked, NodeCase

WHOLE = {**HELLO, "stream": False}
SIMULATED = {"error": "an error was encountered while running the model: simulated"}


class FaultTests(NodeCase):
    """One fault each."""

    def setUp(self) -> None:
        self.node = self.start()

    def struck(self, fault: str, body: object = HELLO, path: str = "/api/chat") -> Asked:
        asked = self.node.ask("POST", path, body, fault)
        self.node.wait(10.0)
        return asked

    def chunks(self, asked: Asked) -> int:
        return asked.payload.count(b'"done":false')

    def test_before_head(self) -> None:
        """Reset, end and junk leave nothing that is an answer, and are counted."""
        reset, ended, junk = map(self.struck, ("reset-before-head", "eof-before-head", "junk-head"))
        self.assertEqual((reset.raw, reset.transport.disconnected), (b"", True))
        self.assertEqual((ended.raw, ended.transport.disconnecting), (b"", True))
        self.assertFalse(junk.raw.startswith(b"HTTP/"))
        self.assertEqual((self.node.counts.broken, self.node.counts.active), (3, 0))

    def test_stall_before_head(self) -> None:
        """Silence for a time, or for ever; a client that leaves ends it."""
        self.assertEqual(self.struck("stall-before-head=1").said().status, 200)
        asked = self.struck("stall-before-head")
        self.assertEqual((asked.raw, self.node.counts.active), (b"", 1))
        asked.leave()
        self.assertEqual((self.node.counts.cancelled, self.node.counts.active), (1, 0))

    def test_status(self) -> None:
        """A status comes with the words of its protocol, and without work."""
        said = self.struck("status=503").said()
        self.assertEqual(said.status, 503)
        self.assertIn("server busy", said.json["error"])
        said = self.struck("status=429", path="/v1/chat/completions").said()
        self.assertEqual((said.status, said.json["error"]["message"]), (429, "too many requests"))
        self.assertEqual(self.node.counts.tokens, 0)

    def test_stall_after_head(self) -> None:
        """The head alone."""
        asked = self.struck("stall-after-head")
        self.assertTrue(asked.raw.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertEqual(asked.payload, b"")

    def test_cut(self) -> None:
        """The connection ends in order, the answer does not."""
        asked = self.struck("cut-at-token=2")
        self.assertEqual((self.chunks(asked), asked.transport.disconnecting), (2, True))
        self.assertNotIn(b"\r\n0\r\n\r\n", asked.raw)

    def test_cut_before_the_last(self) -> None:
        """Even an answer whose tokens have all come can lack its end."""
        asked = self.struck("cut-at-token=4")
        self.assertEqual(self.chunks(asked), 4)
        self.assertNotIn(b'"done":true', asked.raw)

    def test_reset_at_token(self) -> None:
        """What was sent leaves before the reset."""
        asked = self.struck("reset-at-token=1")
        self.assertEqual((self.chunks(asked), asked.transport.disconnected), (1, True))

    def test_reset_at_byte(self) -> None:
        """Exactly so many bytes of the body are sent."""
        asked = self.struck("reset-at-byte=100", WHOLE)
        self.assertEqual((len(asked.payload), asked.transport.disconnected), (100, True))

    def test_stall_at_token(self) -> None:
        """A stream that says no more."""
        asked = self.struck("stall-at-token=3")
        self.assertEqual((self.chunks(asked), self.node.counts.active), (3, 1))

    def test_error_in_stream(self) -> None:
        """An error in mid-stream is a last line of a well-framed answer."""
        said = self.struck("error-at-token=2").said()
        self.assertEqual((said.status, len(said.lines), said.lines[-1]), (200, 3, SIMULATED))

    def test_error_before_stream(self) -> None:
        """An error before the first byte is one with a status."""
        said = self.struck("error-at-token").said()
        self.assertEqual((said.status, said.json), (500, SIMULATED))
        said = self.struck("error-at-token=2", WHOLE).said()
        self.assertEqual((said.status, said.json), (500, SIMULATED))

    def test_error_swallowed(self) -> None:
        """As in Ollama, OpenAI's stream does not tell an error: it ends without [DONE]."""
        body = {**HELLO, "stream": True}
        said = self.struck("error-at-token=2", body, "/v1/chat/completions").said()
        self.assertEqual(len(said.events), 3)
        self.assertNotIn("[DONE]", said.events)

    def test_malformed(self) -> None:
        """A chunk without a size."""
        asked = self.struck("malformed-at-token=1")
        self.assertEqual(self.chunks(asked), 1)
        self.assertTrue(asked.payload.endswith(b"\r\nxyz\r\nno chunk has such a size\r\n"))

    def test_whole_is_cut_in_its_middle(self) -> None:
        """An answer in one piece is struck half way, short of the length it named."""
        for kind in ("cut", "reset", "stall"):
            with self.subTest(kind):
                asked = self.struck(f"{kind}-at-token=2", WHOLE)
                length = int(asked.raw.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
                self.assertEqual(len(asked.payload), length // 2)

    def test_slow(self) -> None:
        """So many bytes a second, and in the end all of them."""
        asked = self.node.ask("POST", "/api/chat", WHOLE, "slow=64")
        self.node.wait(5.0)
        before = len(asked.payload)
        self.node.wait(1.0)
        self.assertTrue(abs(len(asked.payload) - before - 64) <= 6)
        self.node.wait(10.0)
        self.assertTrue(asked.said().json["done"])

    def test_refuse(self) -> None:
        """The listener goes, and comes back under the same number."""
        asked = self.struck("stall-before-head")
        idle = self.struck("status=500")
        self.node.ask("GET", "/", fault="refuse=3")
        self.assertTrue(idle.transport.disconnecting)
        self.assertFalse(asked.transport.disconnecting)
        self.assertEqual(len(self.node.reactor.tcpServers), 1)
        self.node.wait(3.0)
        self.assertEqual(len(self.node.reactor.tcpServers), 2)
        self.assertEqual([each[0] for each in self.node.reactor.tcpServers], [PORT, PORT])

    def test_unknown(self) -> None:
        """A fault that does not exist is refused."""
        self.assertEqual(self.struck("explode").said().status, 400)


class AdminTests(NodeCase):
    """The simulator's own pages."""

    def setUp(self) -> None:
        self.node = self.start(faults=("status=500 path=/api/chat times=1",))

    def test_rules(self) -> None:
        """Rules are told, added, replaced and removed."""
        first = "status=500 path=/api/chat times=1"
        page = "/simulator/faults"
        self.assertEqual(self.node.get("GET", page).json, {"faults": [first]})
        said = self.node.get("POST", page, b"slow=100 share=0.5\njunk-head path=/x")
        self.assertEqual(said.json, {"faults": [first, "slow=100 share=0.5", "junk-head path=/x"]})
        said = self.node.get("PUT", page, {"faults": ["junk-head"]})
        self.assertEqual(said.json, {"faults": ["junk-head"]})
        self.assertEqual(self.node.get("DELETE", page).json, {"faults": []})

    def test_refused(self) -> None:
        """A rule that cannot be read changes nothing."""
        for body in (b"explode", b"{", {"faults": ["junk-head", "explode"]}):
            with self.subTest(body):
                self.assertEqual(self.node.get("POST", "/simulator/faults", body).status, 400)
        self.assertEqual(len(self.node.node.faults.rules), 1)

    def test_strikes(self) -> None:
        """A rule strikes the node's routes and never these pages."""
        self.node.get("PUT", "/simulator/faults", b"status=502")
        self.assertEqual(self.node.get("GET", "/api/tags").status, 502)
        self.assertEqual(self.node.get("GET", "/simulator/faults").status, 200)

    def test_refuse(self) -> None:
        """To refuse is done at once and is no rule."""
        self.assertEqual(
            len(self.node.get("POST", "/simulator/faults", b"refuse=1").json["faults"]), 1
        )
        self.node.wait(1.0)
        self.assertEqual(len(self.node.reactor.tcpServers), 2)

    def test_state(self) -> None:
        """The state counts what came and how it ended."""
        self.node.get("POST", "/api/chat", HELLO)
        self.node.get("POST", "/api/chat", HELLO)
        self.node.ask("POST", "/api/chat", HELLO)
        state = self.node.get("GET", "/simulator/state", seconds=0.0).json
        self.assertEqual(
            {name: state[name] for name in ("requests", "active", "finished", "tokens", "paths")},
            {"requests": 3, "active": 1, "finished": 2, "tokens": 4, "paths": {"/api/chat": 3}},
        )
        self.assertEqual(state["loaded"], ["llama3:8b"])
        self.assertEqual(json.loads(json.dumps(state)), state)
