"""Lists of what the nodes have: as one answer, and node by node."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ollama_twisted.gateway.lists import NodeLists
from ollama_twisted.services import Kind
from ollama_twisted.web.asking import Unanswered
from tests.gateway.harness import Client, get, split
from tests.gateway.test_checker import DOWN, CheckerCase, models

LATE = Unanswered("no answer within 0.5 s", timed_out=True)


class ListsCase(CheckerCase):
    """Three nodes that are healthy."""

    names = "abc"

    def setUp(self) -> None:
        super().setUp()
        self.says("a", models("z", "m"), models("m"))
        self.says("b", models("m", "B"), models("m"))
        self.says("c", models("c"))
        self.start()
        lists = NodeLists(self.world.gateway, self.asker, self.checker)  # type: ignore[arg-type]
        self.world.gateway.lists = lists
        self.client = self.world.client()

    def ask(self, path: bytes) -> Any:
        self.client.send(get(path))
        return self.document(self.client)

    def document(self, client: Client, status: bytes = b"200 OK") -> Any:
        first, self.fields, rest = split(client.read())
        self.assertEqual(first, b"HTTP/1.1 " + status)
        self.assertEqual(self.fields[b"content-type"], b"application/json; charset=utf-8")
        return json.loads(rest)

    def field(self, name: bytes) -> bytes | None:
        return self.fields.get(b"x-ollama-gateway-" + name)

    def asked_of(self, name: str, path: str) -> int:
        return len(self.asker.times(f"{name}.test", path))


class KindsTests(ListsCase):
    """Lists of nodes of several kinds."""

    def setUp(self) -> None:
        super().setUp()
        kinds = {"a": Kind.OLLAMA, "b": Kind.OPENAI, "c": Kind.WHISPER}
        nodes = (replace(each, kind=kinds[each.name]) for each in self.world.config.nodes)
        self.world.pool.replace(replace(self.world.config, nodes=tuple(nodes)), 0)
        self.checker.stopService()
        self.checker.checks.clear()
        for name, model in {"b": "Org/GGUF", "c": "tiny"}.items():
            self.fails(name, Unanswered("answered 404", 404))
            self.asker.says[f"{name}.test/health"] = {"status": "ok"}
            self.asker.says[f"{name}.test/v1/models"] = {"data": [{"id": model, "meta": {}}]}
        self.asker.says["b.test/v1/models"]["data"][0]["aliases"] = ["Org/GGUF", "nick"]
        self.asker.says["a.test/v1/models"] = {"data": [{"id": "m"}, {"id": "z"}]}
        self.start()

    def test_tags(self) -> None:
        """What is in Ollama's words is asked of those that speak them."""
        listed = self.ask(b"/api/tags")["models"]
        self.assertEqual([each["name"] for each in listed], ["m", "z"])
        self.assertEqual((self.field(b"nodes"), self.field(b"missing")), (b"a", None))
        self.assertEqual([each["node"] for each in self.ask(b"/api/ps")["models"]], ["a"])

    def test_openai(self) -> None:
        """In OpenAI's words all can be told, and whose they are."""
        listed = self.ask(b"/v1/models")["data"]
        self.assertEqual(
            [(each["id"], each["nodes"]) for each in listed],
            [("m", ["a"]), ("Org/GGUF", ["b"]), ("tiny", ["c"]), ("z", ["a"])],
        )
        self.assertEqual((self.field(b"nodes"), self.field(b"missing")), (b"a, b, c", None))

    def test_known(self) -> None:
        """One that does not answer in time counts with what it said last."""
        self.asker.says["c.test/v1/models"] = LATE
        listed = self.ask(b"/v1/models")["data"]
        self.assertIn("tiny", [each["id"] for each in listed])
        self.assertEqual(self.field(b"missing"), b"c: no answer within 0.5 s")

    def test_configured(self) -> None:
        """One whose models are configured is listed with those, and not asked."""
        asked = self.asked_of("c", "/v1/models")
        self.world.pool.nodes["c"].config = replace(
            self.world.pool.nodes["c"].config, models=("whisper-1",)
        )
        listed = self.ask(b"/v1/models")["data"]
        self.assertEqual([each["id"] for each in listed if each["nodes"] == ["c"]], ["whisper-1"])
        self.assertEqual(self.asked_of("c", "/v1/models"), asked)

    def test_one(self) -> None:
        """A model of Ollama's is found by all of its names, another by its own only."""
        self.assertEqual(self.ask(b"/v1/models/M:latest")["nodes"], ["a"])
        self.assertEqual(self.ask(b"/v1/models/Org%2FGGUF")["nodes"], ["b"])
        self.assertEqual(self.ask(b"/v1/models/nick")["nodes"], ["b"])
        before = len(self.world.endpoints["a"].connections)
        self.client.send(get(b"/v1/models/org%2Fgguf"))
        self.assertEqual(len(self.world.endpoints["a"].connections), before + 1)

    def test_by_node(self) -> None:
        """The pages of each node say which has no such list."""
        told = self.ask(b"/nodes/ps")
        self.assertEqual(told["b"]["error"], "an openai node has no /api/ps")
        self.client.send(get(b"/nodes/c/tags"))
        error = self.document(self.client, b"400 Bad Request")["error"]
        self.assertEqual(error, "c: a whisper node has no /api/tags")

    def test_none(self) -> None:
        """Without any Ollama there is no list in its words, and where there is one is told."""
        nodes = tuple(each for each in self.world.pool.nodes if each != "a")
        config = self.world.config
        kinds = {name: self.world.pool.nodes[name].config for name in nodes}
        self.world.pool.replace(replace(config, nodes=tuple(kinds.values())), 0)
        self.client.send(get(b"/api/tags"))
        error = self.document(self.client, b"404 Not Found")["error"]
        self.assertEqual(
            error,
            "no node can answer (b: an openai node has no /api/tags; "
            "c: a whisper node has no /api/tags); b, c can be asked on /v1/models",
        )


class TagsTests(ListsCase):
    """``/api/tags`` of all nodes as one list."""

    def listed(self) -> list[str]:
        return [model["name"] for model in self.ask(b"/api/tags")["models"]]

    def test_merged(self) -> None:
        """Each model is told once, sorted by name, with those who have it."""
        listed = self.ask(b"/api/tags")["models"]
        self.assertEqual(
            [(each["name"], each["nodes"]) for each in listed],
            [("B", ["b"]), ("c", ["c"]), ("m", ["a", "b"]), ("z", ["a"])],
        )
        self.assertEqual((self.field(b"nodes"), self.field(b"missing")), (b"a, b, c", None))

    def test_new_fields(self) -> None:
        """What a newer Ollama says of a model passes."""
        self.says("a", {"models": [{"name": "m", "new": {"x": [1]}}]})
        listed = {each["name"]: each for each in self.ask(b"/api/tags")["models"]}
        self.assertEqual(listed["m"]["new"], {"x": [1]})

    def test_side_by_side(self) -> None:
        """The nodes are asked at the same time."""
        for name in self.names:
            self.says(name, None)
        self.client.send(get(b"/api/tags"))
        self.assertEqual(
            sorted(host for host, _ in self.asker.waiting), ["a.test", "b.test", "c.test"]
        )
        self.asker.let(models("same"))
        (model,) = self.document(self.client)["models"]
        self.assertEqual((model["name"], model["nodes"]), ("same", ["a", "b", "c"]))

    def test_patience(self) -> None:
        """A node is waited for half a second if its list is known, else as long as for a check."""
        limits = []
        ask = self.asker.json

        async def json(node: Any, address: Any, path: str, timeout: float) -> Any:
            limits.append(timeout)
            return await ask(node, address, path, timeout)

        self.asker.json = json  # type: ignore[method-assign]
        del self.world.gateway.listed_at["b"]
        self.listed()
        self.assertEqual(limits, [0.5, 2.0, 0.5])

    def test_dead(self) -> None:
        """A node that has died and is not known to is told of as it was, and that is said."""
        self.fails("b", DOWN)
        self.assertEqual(self.listed(), ["B", "c", "m", "z"])
        self.assertEqual(self.field(b"missing"), b"b: connection refused")
        self.fails("b", LATE)
        self.assertEqual(self.listed(), ["B", "c", "m", "z"])
        self.assertEqual(self.field(b"missing"), b"b: no answer within 0.5 s")

    def test_down(self) -> None:
        """One that is known to be down is not asked, and not told of."""
        self.fails("b", DOWN)
        self.wait(8)
        asked = self.asked_of("b", "/api/tags")
        self.assertEqual(self.listed(), ["c", "m", "z"])
        self.assertEqual(self.asked_of("b", "/api/tags"), asked)
        self.assertEqual(self.field(b"nodes"), b"a, c")
        self.assertEqual(self.field(b"missing"), b"b: down (connection refused)")

    def test_all_down(self) -> None:
        """An empty list would say that there are no models: it is an error, with its reasons."""
        for name in self.names:
            self.fails(name, DOWN)
        self.wait(8)
        self.client.send(get(b"/api/tags"))
        error = self.document(self.client, b"503 Service Unavailable")["error"]
        self.assertIn("a: down (connection refused); b: down (connection refused)", error)

    def test_junk(self) -> None:
        """One that answers junk is told of as it was."""
        for junk in ({"models": 5}, [], "x"):
            self.says("b", junk)
            self.assertEqual(self.listed(), ["B", "c", "m", "z"])
            self.assertEqual(self.field(b"missing"), b"b: its answer is no list")

    def test_half_a_character(self) -> None:
        """A name that no encoding knows does not take the list away from everybody."""
        self.says("c", models("\ud800"))
        self.assertEqual(self.listed(), ["B", "m", "z", "\ud800"])

    def test_head(self) -> None:
        """HEAD is a question to one node, which has no body to merge."""
        self.client.send(get(b"/api/tags", method=b"HEAD"))
        self.assertEqual(self.world.in_flight(), 1)

    def test_accounted(self) -> None:
        """It is one exchange, of no node in particular."""
        self.listed()
        (record,) = self.world.records
        self.assertEqual((record.operation, record.status, record.node), ("tags", 200, ""))


class LoadedTests(ListsCase):
    """``/api/ps``."""

    def test_each_copy(self) -> None:
        """A model that two nodes have loaded is told twice, with the node."""
        loaded = self.ask(b"/api/ps")["models"]
        self.assertEqual(
            [(each["name"], each["node"]) for each in loaded], [("m", "a"), ("m", "b")]
        )

    def test_dead(self) -> None:
        """A node that has died a moment ago is told of as it was."""
        self.fails("b", DOWN)
        self.assertEqual([each["node"] for each in self.ask(b"/api/ps")["models"]], ["a", "b"])
        self.assertEqual(self.field(b"missing"), b"b: connection refused")


class OpenaiTests(ListsCase):
    """``/v1/models``, and one of them."""

    def setUp(self) -> None:
        super().setUp()
        for name, ids in (("a", ["m:latest"]), ("b", ["m:latest", "n:1"])):
            data = [{"id": each, "object": "model", "created": 7, "new": 1} for each in ids]
            self.asker.says[f"{name}.test/v1/models"] = {"object": "list", "data": data}
        # Too old to know the path.
        self.asker.says["c.test/v1/models"] = Unanswered("answered 404", 404)

    def test_merged(self) -> None:
        """Those of all nodes; of one that cannot say them, by its own list."""
        document = self.ask(b"/v1/models")
        self.assertEqual(document["object"], "list")
        self.assertEqual(
            [(each["id"], each["created"], each["nodes"]) for each in document["data"]],
            [("c", 0, ["c"]), ("m:latest", 7, ["a", "b"]), ("n:1", 7, ["b"])],
        )

    def test_one(self) -> None:
        """It is told by the name that it was asked by, with those who have it."""
        self.assertEqual(
            self.ask(b"/v1/models/M"),
            {"id": "M", "object": "model", "created": 7, "new": 1, "nodes": ["a", "b"]},
        )

    def test_unknown(self) -> None:
        """A node says best what is not there."""
        self.client.send(get(b"/v1/models/nobody-has"))
        self.assertEqual(self.world.in_flight(), 1)


class VersionTests(ListsCase):
    """``/api/version``."""

    def check(self, **versions: str) -> None:
        for name, version in versions.items():
            self.says(name, models(), version={"version": version})
        self.wait(3)

    def test_same(self) -> None:
        """Where all have the same, the answer is that of a node; nobody is asked for it."""
        asked = len(self.asker.asked)
        self.assertEqual(self.ask(b"/api/version"), {"version": "0.20.0"})
        self.assertEqual(len(self.asker.asked), asked)
        self.assertEqual(self.world.in_flight(), 0)
        self.assertEqual(self.field(b"nodes"), b"a, b, c")

    def test_lowest(self) -> None:
        """What may be asked of any node is what the oldest understands."""
        self.check(a="0.13.1", b="0.9.6")
        self.assertEqual(
            self.ask(b"/api/version"),
            {"version": "0.9.6", "nodes": {"a": "0.13.1", "b": "0.9.6", "c": "0.20.0"}},
        )

    def test_down(self) -> None:
        """One that is down does not count."""
        self.check(a="0.13.1", c="0.13.1")
        self.fails("b", DOWN)
        self.wait(8)
        self.assertEqual(self.ask(b"/api/version"), {"version": "0.13.1"})

    def test_unknown(self) -> None:
        """While no version is known, a node is asked."""
        for node in self.world.pool.nodes.values():
            node.version = None
        self.client.send(get(b"/api/version"))
        self.assertEqual(self.world.in_flight(), 1)


class OtherPathTests(ListsCase):
    """Everything else."""

    def test_one_node(self) -> None:
        """It goes to one node, which knows best what it makes of other spellings."""
        for path in (b"/", b"/api/status", b"/api/tags/", b"/API/ps", b"/v1/models/"):
            client = self.world.client()
            client.send(get(path))
            self.assertEqual(self.world.in_flight(), 1, path)
            client.leave()


class NodePageTests(ListsCase):
    """``/nodes/...``: what each node says."""

    def test_ps(self) -> None:
        """Each node's own answer, or why there is none."""
        self.fails("b", DOWN)
        told = self.ask(b"/nodes/ps")
        self.assertEqual(
            told["a"], {"url": "http://a.test:11434", "ps": models("m"), "error": None}
        )
        self.assertEqual(
            told["b"],
            {"url": "http://b.test:11434", "ps": None, "error": "connection refused"},
        )
        self.assertEqual(list(told), ["a", "b", "c"])

    def test_loaded(self) -> None:
        """How many models each has in memory, and which."""
        self.says("c", models(), {"models": 5})
        told = self.ask(b"/nodes/loaded-models")
        self.assertEqual(told["a"], {**models("m"), "count": 1})
        self.assertEqual(told["c"], {"models": [], "count": 0})

    def test_tags(self) -> None:
        """One node's own list, untouched."""
        self.assertEqual(self.ask(b"/nodes/b/tags"), models("m", "B"))

    def test_no_tags(self) -> None:
        """An unknown node is 404, one that does not answer is 502."""
        for path, status, error in (
            (b"/nodes/x/tags", b"404 Not Found", "there is no node 'x'"),
            (b"/nodes/b/tags", b"502 Bad Gateway", "b: connection refused"),
        ):
            self.fails("b", DOWN)
            self.client.send(get(path))
            self.assertEqual(self.document(self.client, status), {"error": error})

    def test_down(self) -> None:
        """A node that is down is not asked."""
        self.fails("b", DOWN)
        self.wait(8)
        asked = len(self.asker.asked)
        self.assertEqual(self.ask(b"/nodes/ps")["b"]["error"], "down (connection refused)")
        self.assertEqual(len(self.asker.asked), asked + 2)

    def test_departure(self) -> None:
        """A client that leaves is waited for by nobody."""
        self.says("a", models(), None)
        self.asker.says["a.test/api/ps"] = None
        self.client.send(get(b"/nodes/ps"))
        ((_, waiting),) = self.asker.waiting
        self.client.leave()
        self.assertTrue(waiting.called)

    def test_fault(self) -> None:
        """A fault of ours is an answer too."""
        self.asker.says["a.test/api/ps"] = ZeroDivisionError()
        self.client.send(get(b"/nodes/ps"))
        told = self.document(self.client, b"500 Internal Server Error")
        self.assertEqual(told, {"error": "internal error"})
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_elsewhere(self) -> None:
        """There is nothing else below."""
        for path in (b"/nodes/", b"/nodes/a", b"/nodes/a/ps", b"/nodes/a/tags/x"):
            client = self.world.client()
            client.send(get(path))
            self.assertEqual(split(client.read())[0], b"HTTP/1.1 404 Not Found", path)


class DisabledNodePageTests(ListsCase):
    """A node that is configured away."""

    node = {"enabled": False}

    def test_disabled(self) -> None:
        """It is 400, as it was in the original."""
        self.client.send(get(b"/nodes/a/tags"))
        told = self.document(self.client, b"400 Bad Request")
        self.assertEqual(told, {"error": "a is disabled"})
