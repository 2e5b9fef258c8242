"""What the gateway tells of itself as it happens, asked over its own connections."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.live import BEAT, SOON
from ollama_twisted.web.events import MAX_LISTENERS
from tests.gateway.harness import STREAM, Client, World, chunks, get, post, split

TOKEN = b'{"message":{"content":"x"},"done":false}\n'
DONE = b'{"done":true,"eval_count":40}\n'


def events(data: bytes) -> list[tuple[str, Any]]:
    """The server-sent events in what was read, without the framing of HTTP."""
    found = []
    for block in data.replace(b"\r\n", b"").split(b"\n\n"):
        lines = block.split(b"\n")
        names = [each.partition(b"event: ")[2] for each in lines if b"event: " in each]
        if names:
            (text,) = (each.removeprefix(b"data: ") for each in lines if each.startswith(b"data: "))
            found.append((names[0].decode(), json.loads(text)))
    return found


class LiveCase(SynchronousTestCase):
    """A gateway with two nodes."""

    def setUp(self) -> None:
        self.world = World("ab")

    def ask(self, path: bytes, *fields: bytes, method: bytes = b"GET") -> tuple[Any, ...]:
        client = self.world.client()
        client.send(get(path, *fields, method=method))
        first, headers, rest = split(client.read())
        client.leave()
        return first[9:12], headers, rest

    def document(self, path: bytes = b"/api/topology") -> Any:
        return json.loads(self.ask(path)[2])

    def listen(self) -> Client:
        client = self.world.client()
        client.send(get(b"/api/events"))
        return client

    def heard(self, client: Client) -> list[tuple[str, Any]]:
        return events(client.read())

    def node(self, name: str = "a") -> Any:
        return {each["id"]: each for each in self.document()["nodes"]}[name]


class TopologyTests(LiveCase):
    """``GET /api/topology``."""

    def test_told(self) -> None:
        """
        Clients, gateway and nodes are told, and what links them.
        """
        document = self.document()
        self.assertEqual((document["role"], document["schema"]), ("gateway", 1))
        self.assertEqual(
            [each["id"] for each in document["nodes"]], ["clients", "gateway", "a", "b"]
        )
        self.assertEqual(
            [each["id"] for each in document["links"]],
            ["clients->gateway", "gateway->a", "gateway->b"],
        )
        self.assertEqual(self.node()["url"], "http://a.test:11434")

    def test_not_changed(self) -> None:
        """
        Who has it already is told no more than that.
        """
        _, fields, _ = self.ask(b"/api/topology")
        self.assertEqual(fields[b"cache-control"], b"no-store")
        again = self.ask(b"/api/topology", b"If-None-Match: " + fields[b"etag"])
        self.assertEqual((again[0], again[2]), (b"304", b""))
        self.world.know("a", ("m", "n"))
        self.assertEqual(
            self.ask(b"/api/topology", b"If-None-Match: " + fields[b"etag"])[0], b"200"
        )

    def test_model(self) -> None:
        """
        A model in memory is told with what it does, by whatever name it was asked for.
        """
        self.world = World(models=("m:latest",))
        self.world.gateway.loaded = lambda name: [{"name": "m:latest"}]
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.assertEqual(self.node("model:m:latest")["in_flight"], 1)
        self.world.sweep(1)
        self.world.node().answer(STREAM + chunks(TOKEN, DONE))
        self.world.sweep(1)
        model = self.node("model:m:latest")
        self.assertEqual(
            [model[name] for name in ("in_flight", "nodes", "first_token_seconds")], [0, 1, 1.0]
        )
        self.assertGreater(model["tokens_per_second"], 0)

    def test_head(self) -> None:
        """
        HEAD asks for the same without a body.
        """
        status, fields, body = self.ask(b"/api/topology", method=b"HEAD")
        self.assertEqual((status, body), (b"200", b""))
        self.assertIn(b"etag", fields)

    def test_nothing_to_post(self) -> None:
        """
        None of these pages can be posted to, nor do nodes see the attempt.
        """
        for path in (b"/api/topology", b"/api/events", b"/api/history"):
            client = self.world.client()
            client.send(post(path))
            self.assertEqual(client.read()[9:12], b"405")
        self.assertEqual(self.world.in_flight(), 0)

    def test_no_client(self) -> None:
        """
        No client's address is in there.
        """
        client = self.world.client("203.0.113.9")
        client.send(post(b"/api/chat"))
        self.world.node().close()
        self.world.node("b").close()
        self.assertEqual(self.document()["gateway"]["clients"], 2)
        self.assertNotIn("203.0.113", json.dumps(self.document()))

    def test_rates(self) -> None:
        """
        What is under way is seen before it ends; what has ended is counted exactly.
        """
        self.world.sweep(1)
        for _ in range(2):
            client = self.world.client()
            client.send(post(b"/api/chat"))
            answered = self.world.node("a" if not _ else "b")
            answered.answer(STREAM + chunks(TOKEN * 40, DONE))
            self.assertIn(DONE, client.read())
        self.world.sweep(1)
        self.assertEqual(self.node()["tokens_per_second"], 40.0)
        self.assertEqual(self.document()["gateway"]["requests_per_second"], 2.0)
        self.world.sweep(9)
        self.assertEqual(self.node()["tokens_per_second"], 0.0)
        client.send(post(b"/api/chat"))
        self.world.node().answer(STREAM + chunks(TOKEN * 40, end=False))
        self.world.sweep(2)
        self.assertGreater(self.node()["tokens_per_second"], 5.0)
        self.assertEqual(self.node()["in_flight"], 1)

    def test_first_token(self) -> None:
        """
        How long the first token took is told, if only for a minute.
        """
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.clock.advance(0.25)
        self.world.node().answer(STREAM + chunks(TOKEN, DONE))
        self.assertEqual(self.node()["first_token_seconds"], 0.25)
        self.world.sweep(61)
        self.assertEqual(self.node()["first_token_seconds"], None)

    def test_failures(self) -> None:
        """
        A node's failures are told with what they were.
        """
        self.world.endpoints["a"].refuses = True
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node("b").answer(STREAM + chunks(DONE))
        told = self.node()
        self.assertEqual([each["reason"] for each in told["failures"]], ["unreachable"])
        self.assertEqual((told["state"], self.node("b")["failures"]), ("ejected", []))
        kinds = [each["kind"] for each in self.document()["events"]]
        self.assertEqual(kinds, ["ejected", "failure"])

    def test_loaded(self) -> None:
        """
        What is in a node's memory is what its ``/api/ps`` said last.
        """
        said = [
            {
                "name": "m",
                "size": 5,
                "size_vram": 4,
                "context_length": 4096,
                "expires_at": "2026-11-26T01:05:00.123456789Z",
            }
        ]
        self.world.gateway.loaded = lambda name: said if name == "a" else []
        self.assertEqual(
            self.node()["loaded"],
            [
                {
                    "name": "m",
                    "size_bytes": 5,
                    "vram_bytes": 4,
                    "context_length": 4096,
                    "expires": "2026-11-26T01:05:00Z",
                }
            ],
        )
        self.assertEqual(self.node("model:m")["nodes"], 1)
        for _ in range(3):
            self.world.pool.checked("a", 0.0, False, "connection refused")
        self.assertEqual(self.node()["loaded"], [])


class EventsTests(LiveCase):
    """``GET /api/events``."""

    def test_greeting(self) -> None:
        """
        It begins with what there is.
        """
        ((name, document),) = self.heard(self.listen())
        self.assertEqual((name, document), ("snapshot", self.document()))

    def test_silence(self) -> None:
        """
        As long as nothing changes, there is only a sign of life.
        """
        client = self.listen()
        self.world.sweep(8)
        self.heard(client)
        self.world.sweep(BEAT)
        said = client.read()
        self.assertEqual((events(said), said.count(b": still here\n\n")), ([], 1))

    def test_turn(self) -> None:
        """
        That a node turns is told without waiting for the next second.
        """
        client = self.listen()
        self.heard(client)
        for _ in range(3):
            self.world.pool.checked("a", 0.0, False, "connection refused")
        self.world.clock.advance(SOON)
        (_, delta), *_ = self.heard(client)
        self.assertEqual(
            [each["text"] for each in delta["events"]], ["a is down: connection refused"]
        )
        (told,) = (each for each in delta["nodes"] if each["id"] == "a")
        self.assertEqual((told["state"], told["error"]), ("down", "connection refused"))

    def test_storm(self) -> None:
        """
        However often nodes turn, deltas come four times a second at most.
        """
        client = self.listen()
        self.heard(client)
        for number in range(200):
            loaded = ("m",) if number % 2 else ()
            self.world.know("a", ("m",), loaded)
            self.world.clock.advance(0.01)
        self.assertLessEqual(len(self.heard(client)), 2 / SOON + 1)

    def test_requests(self) -> None:
        """
        Requests are told once a second, however many there are.
        """
        client = self.listen()
        self.heard(client)
        for _ in range(5):
            other = self.world.client()
            other.send(post(b"/api/chat"))
        self.assertEqual(self.heard(client), [])
        self.world.sweep(1)
        ((_, delta),) = self.heard(client)
        (told,) = (each for each in delta["nodes"] if each["id"] == "gateway")
        self.assertEqual(told["in_flight"], 5)

    def test_slow(self) -> None:
        """
        Who reads slowly is told the whole again; who does not read at all is hung up on.
        """
        slow, quick = self.listen(), self.listen()
        self.heard(slow)
        slow.stall()
        self.world.know("a", ("m", "n"))
        self.world.clock.advance(SOON)
        self.assertIn("delta", [name for name, _ in self.heard(quick)])
        self.assertEqual(self.heard(slow), [])
        slow.catch_up()
        ((name, document),) = self.heard(slow)
        self.assertEqual((name, document["nodes"][2]["models"]), ("snapshot", ["m", "n"]))
        slow.stall()
        self.world.sweep(2 * BEAT)
        self.assertEqual((slow.wire.aborted, quick.hung_up), (True, False))

    def test_stays(self) -> None:
        """
        Who listens may do so for as long as it likes.
        """
        client = self.listen()
        self.world.sweep(3600)
        self.assertEqual(client.hung_up, False)

    def test_leaves(self) -> None:
        """
        Who leaves is forgotten.
        """
        client = self.listen()
        self.assertEqual(len(self.world.gateway.live.feed), 1)
        client.leave()
        self.assertEqual(len(self.world.gateway.live.feed), 0)
        self.world.sweep(BEAT)

    def test_full(self) -> None:
        """
        Only so many may listen.
        """
        for _ in range(MAX_LISTENERS):
            self.listen()
        self.assertEqual(self.ask(b"/api/events")[0], b"503")

    def test_end(self) -> None:
        """
        When the gateway stops, streams end at once, as they should; one that is not read is cut.
        """
        client, slow = self.listen(), self.listen()
        slow.stall()
        self.world.gateway.live.close()
        self.assertTrue(client.read().endswith(b"0\r\n\r\n"))
        self.assertEqual(slow.wire.aborted, True)
        self.assertEqual(self.world.site.busy, 0)

    def test_head(self) -> None:
        """
        HEAD tells what it would be, and ends.
        """
        status, fields, body = self.ask(b"/api/events", method=b"HEAD")
        self.assertEqual((status, body), (b"200", b""))
        self.assertEqual(fields[b"content-type"], b"text/event-stream; charset=utf-8")


class HistoryTests(LiveCase):
    """``GET /api/history``."""

    def test_told(self) -> None:
        """
        The last minutes are told, of the gateway and of each node.
        """
        self.world.sweep(2)
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.sweep(4)
        told = self.document(b"/api/history")
        self.assertEqual((told["interval"], [*told["series"]]), (2.0, ["gateway", "a", "b"]))
        in_flight = told["series"]["a"]["in_flight"]
        self.assertEqual((len(in_flight), in_flight[-4:]), (150, [None, 0, 1, 1]))
        self.assertEqual(told["series"]["gateway"]["waiting"][-1], 0)
        for fields in told["series"].values():
            for points in fields.values():
                self.assertEqual(len(points), 150)
