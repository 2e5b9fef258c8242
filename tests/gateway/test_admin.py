"""What operators may do while the gateway runs, and who is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.load import load
from ollama_twisted.config.resolved import Address, Config, GatewayLimits, NodeConfig
from ollama_twisted.errors import ConfigError, Fault
from ollama_twisted.gateway.admin import FORGETS, MAX_TEXT
from tests.gateway.harness import STREAM, Client, World, chunks, get, post, split, whole

JSON = b"Content-Type: application/json"


def node(name: str, **more: Any) -> NodeConfig:
    """A node as the harness has them."""
    return replace(NodeConfig(name, (Address("http", f"{name}.test", 11434),)), **more)


class AdminCase(SynchronousTestCase):
    """A gateway with two nodes; ``says`` is what its file says from now on."""

    def setUp(self) -> None:
        self.world = World("ab")

    def says(self, *nodes: NodeConfig, **more: Any) -> None:
        config = replace(self.world.config, nodes=nodes, **more)
        self.world.read = lambda text: config

    def ask(self, request: bytes, host: str = "127.0.0.1") -> tuple[bytes, Any]:
        client = self.world.client(host)
        client.send(request)
        first, fields, rest = split(client.read())
        self.assertEqual(fields[b"content-type"], b"application/json; charset=utf-8")
        self.assertEqual(fields[b"cache-control"], b"no-store")
        client.leave()
        return first[9:12], json.loads(rest)

    def reload(self, **said: Any) -> tuple[bytes, Any]:
        return self.ask(post(b"/api/config/reload", b""), **said)

    def topology(self) -> Any:
        client = self.world.client()
        client.send(get(b"/api/topology"))
        return json.loads(split(client.read())[2])

    def states(self) -> dict[str, str]:
        return {each["id"]: each["state"] for each in self.topology()["nodes"] if "state" in each}


class ReloadTests(AdminCase):
    """``POST /api/config/reload``."""

    def test_taken_over(self) -> None:
        """
        What the file says is what holds from then on.
        """
        limits = GatewayLimits(max_body=5, allowed_hosts=("me.example",), listen=("tcp:1",))
        self.says(node("a", weight=2.0), node("c"), strategy="least_connections", gateway=limits)
        status, told = self.reload()
        self.assertEqual((status, told["ok"], told["nodes"]), (b"200", True, 2))
        self.assertEqual(told["warnings"], ["gateway.listen has changed: that needs a restart"])
        summary = told["summary"]
        self.assertEqual(
            (summary["added"], summary["removed"], summary["changed"]), (["c"], ["b"], ["a"])
        )
        self.assertEqual(summary["needs_restart"], ["gateway.listen"])
        self.assertEqual([*self.world.pool.nodes], ["a", "c"])
        self.assertEqual(self.topology()["gateway"]["strategy"], "least_connections")
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.assertEqual(client.read()[9:12], b"413")
        client = self.world.client()
        client.send(get(b"/health").replace(b"localhost", b"me.example"))
        self.assertEqual(client.read()[9:12], b"200")

    def test_streams(self) -> None:
        """
        An answer that is under way goes on, from a node that is gone, too; that node's idle
        connections are closed, and this one when it has ended.
        """
        streaming, waiting = self.world.client(), self.world.client()
        for client in (streaming, waiting):
            client.send(post(b"/api/chat"))
        kept, idle = self.world.node("a"), self.world.node("b")
        kept.answer(STREAM + chunks(b'{"done":false}\n', end=False))
        idle.answer(whole(b"{}"))
        self.says(node("c"))
        self.assertEqual(self.reload()[0], b"200")
        self.assertEqual((kept.gone, idle.gone), (False, True))
        self.world.know("c", ("m",))
        self.assertEqual(self.states(), {"a": "draining", "c": "healthy"})
        self.world.sweep(5)
        kept.answer(chunks(b'{"done":true}\n'))
        self.assertTrue(streaming.read().endswith(b'{"done":true}\n\r\n0\r\n\r\n'))
        self.assertEqual(kept.gone, True)
        self.world.sweep(1)
        self.assertEqual(self.states(), {"c": "healthy"})
        self.assertEqual([*self.world.gateway.upstreams], ["c"])

    def test_kept(self) -> None:
        """
        A node that stays keeps its connections and what was counted of it.
        """
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node("a").answer(whole(b"{}"))
        self.says(node("a", weight=3.0), node("b"))
        self.reload()
        self.assertEqual(self.world.node("a").gone, False)
        self.assertEqual(self.world.pool.nodes["a"].total_requests, 1)

    def test_moved(self) -> None:
        """
        A node whose address is another one is connected to there.
        """
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node("a").answer(whole(b"{}"))
        elsewhere = NodeConfig("a", (Address("http", "z.test", 11434),))
        self.says(elsewhere)
        self.reload()
        self.assertEqual(self.world.node("a").gone, True)
        self.world.know("a", ("m",))
        client.send(post(b"/api/chat"))
        self.assertIn(b"Host: z.test:11434", self.world.node("z").asked())

    def test_line(self) -> None:
        """
        Whoever waits in line is served by a node that has come.
        """
        self.world = World("a", max_in_flight=1)
        clients = [self.world.client() for _ in range(2)]
        for client in clients:
            client.send(post(b"/api/chat"))
        self.assertEqual(len(self.world.pool.line), 1)
        self.says(node("a", max_in_flight=1), node("b", max_in_flight=1))
        self.reload()
        self.assertEqual(len(self.world.pool.line), 1)
        self.world.know("b", ("m",))
        self.assertEqual(len(self.world.pool.line), 0)
        self.world.node("b").answer(whole(b"{}"))
        self.assertEqual(clients[1].read()[9:12], b"200")

    def test_bad(self) -> None:
        """
        A configuration that cannot be used changes nothing; one is told what is wrong.
        """
        self.assertEqual(self.world.sample("config_last_reload_successful"), 1)
        fault = Fault("expected a number, got true or false", "nodes[0].weight", "nodes.json")

        def bad(text: bytes | None) -> Config:
            raise ConfigError([fault, "nodes.json: line 2, column 1: nonsense"])

        self.world.read = bad
        status, told = self.reload()
        self.assertEqual((status, told["ok"]), (b"422", False))
        self.assertEqual(told["error"], f"the configuration cannot be used: {fault}")
        self.assertEqual(
            told["faults"][0],
            {"path": "nodes[0].weight", "message": "expected a number, got true or false"},
        )
        self.assertEqual([*self.world.pool.nodes], ["a", "b"])
        self.assertEqual(self.world.sample("config_last_reload_successful"), 0)
        self.assertEqual(self.topology()["events"][-1]["kind"], "reload_failed")
        self.says(node("a"))
        self.reload()
        self.assertEqual(self.world.sample("config_last_reload_successful"), 1)
        self.assertEqual(
            self.topology()["events"][-1]["text"],
            "the configuration was read again: 1 node removed (b)",
        )

    def test_time(self) -> None:
        """
        When a configuration was last taken over is measured.
        """
        name = "config_last_reload_success_timestamp_seconds"
        before = self.world.sample(name)
        assert before is not None
        self.world.gateway.configured_at = 5.0
        self.reload()
        now = self.world.sample(name)
        assert now is not None
        self.assertGreaterEqual(now, before)

    def test_file_gone(self) -> None:
        """
        That there is no file any more is no wish to be without nodes.
        """
        config = Config((node("local"),), source="defaults, without a file", is_default=True)
        self.world.config = self.world.gateway.config = replace(
            self.world.config, source="config/node_config.json"
        )
        self.world.read = lambda text: config
        status, told = self.reload()
        self.assertEqual(status, b"422")
        self.assertIn("config/node_config.json: is not there any more", told["error"])

    def test_get(self) -> None:
        """
        Nothing is done by asking.
        """
        client = self.world.client()
        client.send(get(b"/api/config/reload"))
        self.assertEqual(client.read()[9:12], b"405")


class CheckTests(AdminCase):
    """``POST /api/config/check``."""

    def setUp(self) -> None:
        super().setUp()
        nowhere, environ = Path(self.mktemp()), {"SECRET": "hunter2"}
        self.world.read = lambda text: load({}, environ, nowhere, text)

    def check(self, text: bytes) -> tuple[bytes, Any]:
        return self.ask(post(b"/api/config/check", text, JSON))

    def test_good(self) -> None:
        """
        A configuration that could be used is told as what it would change; nothing is.
        """
        document = {"nodes": [{"name": "c", "hosts": ["10.0.0.1"]}]}
        status, told = self.check(json.dumps(document).encode())
        self.assertEqual((status, told["ok"], told["nodes"]), (b"200", True, 1))
        self.assertEqual(told["summary"]["added"], ["c"])
        self.assertEqual([*self.world.pool.nodes], ["a", "b"])

    def test_bad(self) -> None:
        """
        Every fault is told with its place.
        """
        document = {"nodes": [{"name": "c", "host": "10.0.0.1"}], "strategy": "${SECRET}"}
        status, told = self.check(json.dumps(document).encode())
        self.assertEqual((status, told["ok"]), (b"422", False))
        self.assertEqual(
            [each["path"] for each in told["faults"]], ["nodes[0].host", "nodes[0]", "strategy"]
        )
        self.assertNotIn("hunter2", json.dumps(told))
        self.assertEqual(self.world.gateway.reload_successful, True)

    def test_no_json(self) -> None:
        """
        What is no JSON is told with line and column.
        """
        status, told = self.check(b"{,}")
        self.assertEqual(status, b"422")
        self.assertIn("this configuration: line 1, column 2", told["error"])

    def test_long(self) -> None:
        """
        It has its limit.
        """
        self.assertEqual(self.check(b" " * (MAX_TEXT + 1))[0], b"413")


class DrainTests(AdminCase):
    """``POST /nodes/{name}/drain`` and ``resume``."""

    def act(self, name: bytes, what: bytes) -> tuple[bytes, Any]:
        return self.ask(post(b"/nodes/%b/%b" % (name, what), b""))

    def test_drained(self) -> None:
        """
        A node that drains ends what it works on, and gets nothing new until it resumes.
        """
        client = self.world.client()
        client.send(post(b"/api/chat"))
        draining = {"node": "a", "draining": True, "drained": False, "in_flight": 1}
        told = {**draining, "transfers": 0, "note": FORGETS}
        self.assertEqual(self.act(b"a", b"drain"), (b"200", told))
        self.assertEqual(self.states(), {"a": "draining", "b": "healthy"})
        for _ in range(4):
            other = self.world.client()
            other.send(post(b"/api/chat"))
        self.assertEqual(self.world.pool.nodes["b"].in_flight, 4)
        self.world.node("a").answer(whole(b"{}"))
        self.assertEqual(client.read()[9:12], b"200")
        told = {**draining, "drained": True, "in_flight": 0, "transfers": 0, "note": FORGETS}
        self.assertEqual(self.act(b"a", b"drain"), (b"200", told))
        self.world.sweep(1)
        resumed = {"draining": False, "drained": False, "in_flight": 0, "transfers": 0}
        self.assertEqual(self.act(b"a", b"resume"), (b"200", {"node": "a", **resumed}))
        self.assertEqual(self.states()["a"], "healthy")
        kinds = [each["kind"] for each in self.topology()["events"]]
        self.assertEqual(kinds, ["draining", "drained", "resumed"])

    def transfers(self, nodes: bytes) -> tuple[Client, dict[str, Any]]:
        """Somebody who pulls a model to these nodes; what is said of one of them, which drains."""
        client = self.world.client()
        client.send(post(b"/api/pull", b'{"model":"x"}', b"X-Ollama-Gateway-Nodes: " + nodes))
        self.world.node("a").answer(STREAM + chunks(b'{"status":"pulling"}\n', end=False))
        return client, self.act(b"a", b"drain")[1]

    def test_transfers(self) -> None:
        """
        A node that a model is brought to is not drained before that has ended, whether it is
        the only one or not; if the client leaves, it has ended.
        """
        for nodes, leaves in ((b"a", False), (b"a, b", False), (b"a", True), (b"a, b", True)):
            self.setUp()
            client, told = self.transfers(nodes)
            self.assertEqual((told["drained"], told["in_flight"], told["transfers"]), (False, 1, 1))
            seen = next(each for each in self.topology()["nodes"] if each["id"] == "a")
            self.assertEqual((seen["in_flight"], seen["transfers"]), (0, 1))
            if leaves:
                client.leave()
            else:
                self.world.node("a").answer(chunks(b'{"status":"success"}\n'))
            told = self.act(b"a", b"drain")[1]
            self.assertEqual((told["drained"], told["transfers"]), (True, 0))

    def test_removed(self) -> None:
        """
        A node that is gone from the configuration ends what it was bringing, too.
        """
        client, _ = self.transfers(b"a")
        self.says(node("b"))
        self.reload()
        self.world.sweep(3)
        self.assertEqual(self.states(), {"a": "draining", "b": "healthy"})
        self.world.node("a").answer(chunks(b'{"status":"success"}\n'))
        self.assertTrue(client.read().endswith(b"0\r\n\r\n"))
        self.world.sweep(1)
        self.assertEqual(self.states(), {"b": "healthy"})

    def test_disabled(self) -> None:
        """
        One that is disabled, which a restart does not forget, ends what it works on as well.
        """
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node("a").answer(STREAM)
        self.says(node("a", enabled=False), node("b"))
        self.reload()
        self.world.sweep(3)
        self.world.node("a").answer(chunks(b'{"done":true}\n'))
        self.assertTrue(client.read().endswith(b"0\r\n\r\n"))
        client.send(post(b"/api/chat"))
        self.assertEqual(self.world.pool.nodes["b"].in_flight, 1)

    def test_shown(self) -> None:
        """
        Whoever asks why nothing goes there is told.
        """
        self.act(b"a", b"drain")
        client = self.world.client()
        client.send(get(b"/api/nodes"))
        told = {
            each["name"]: each["stats"] for each in json.loads(split(client.read())[2])["nodes"]
        }
        self.assertEqual((told["a"]["is_draining"], told["b"]["is_draining"]), (True, False))
        client.send(get(b"/api/routing/query?model_name=m"))
        rejected = json.loads(split(client.read())[2])["rejected_nodes"]
        self.assertEqual([each["reason"] for each in rejected], ["draining"])

    def test_all(self) -> None:
        """
        With all nodes draining the gateway cannot answer, and says so.
        """
        for name in (b"a", b"b"):
            self.act(name, b"drain")
        client = self.world.client()
        client.send(get(b"/health"))
        self.assertEqual(split(client.read())[0][9:12], b"503")
        client.send(post(b"/api/chat"))
        self.assertIn(b"a: draining; b: draining", client.read())

    def test_reload(self) -> None:
        """
        A reload does not undo it, unless the node went and came back.
        """
        self.act(b"a", b"drain")
        self.says(node("a", weight=2.0), node("b"))
        self.reload()
        self.assertEqual(self.states()["a"], "draining")
        self.says(node("b"))
        self.reload()
        self.says(node("a"), node("b"))
        self.reload()
        self.assertEqual(self.world.pool.nodes["a"].draining, False)

    def test_unknown(self) -> None:
        """
        There is nothing else to be done to a node, nor other nodes.
        """
        self.assertEqual(self.act(b"z", b"drain"), (b"404", {"error": "there is no node 'z'"}))
        for path in (b"/nodes/a/explode", b"/nodes/a/drain/x", b"/nodes/a"):
            client = self.world.client()
            client.send(post(path, b""))
            self.assertIn(client.read()[9:12], (b"404", b"405"))


class GuardTests(AdminCase):
    """Who may do any of this."""

    ACTIONS = (b"/api/config/check", b"/api/config/reload", b"/nodes/a/drain", b"/nodes/a/resume")

    def refused(
        self, status: bytes, *fields: bytes, body: bytes = b"", host: str = "127.0.0.1"
    ) -> None:
        for path in self.ACTIONS:
            found, told = self.ask(post(path, body, *fields), host)
            self.assertEqual((found, [*told]), (status, ["error"]), path)

    def test_from_elsewhere(self) -> None:
        """
        Only whom ``gateway.manage_models`` allows.
        """
        self.refused(b"403", host="203.0.113.1")

    def test_open(self) -> None:
        """
        Everybody, if that says so.
        """
        self.world = World("ab", limits=GatewayLimits(manage_models="open"))
        self.assertEqual(self.reload(host="203.0.113.1")[0], b"200")

    def test_keys(self) -> None:
        """
        Whoever shows a key, if that takes one.
        """
        keys = GatewayLimits(manage_models="keys", manage_keys=("hunter2",))
        self.world = World("ab", limits=keys)
        self.refused(b"403")
        self.refused(b"403", b"Authorization: Bearer hunter3")
        fields = (b"Authorization: Bearer hunter2",)
        told = self.ask(post(b"/api/config/reload", b"", *fields), "203.0.113.1")
        self.assertEqual(told[0], b"200")

    def test_foreign_page(self) -> None:
        """
        No page of another site, however its browser tells of it.
        """
        for field in (
            b"Origin: https://evil.example",
            b"Origin: null",
            b"Origin: http://localhost:11436",
            b"Origin: http://localhost",
            b"Sec-Fetch-Site: cross-site",
            b"Sec-Fetch-Site: same-site",
        ):
            self.refused(b"403", field)

    def test_own_page(self) -> None:
        """
        Our own pages may.
        """
        fields = (b"Origin: http://localhost:11435", b"Sec-Fetch-Site: same-origin")
        self.assertEqual(self.ask(post(b"/api/config/reload", b"", *fields))[0], b"200")

    def test_form(self) -> None:
        """
        What a form can send is not JSON.
        """
        for kind in (b"text/plain", b"application/x-www-form-urlencoded", b""):
            self.refused(b"415", b"Content-Type: " + kind, body=b"{}")
