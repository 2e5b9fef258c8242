"""Checks: who is well, who has which models, and how often each is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import Address, HealthConfig, NodeConfig
from ollama_twisted.gateway.checks import Checker
from ollama_twisted.pool.breaker import Circuit
from ollama_twisted.pool.health import Health
from ollama_twisted.services import Kind
from ollama_twisted.web.asking import Unanswered
from tests.gateway.harness import STREAM, World, chunks, get, post, split, whole
from tests.pool.nodes import node_config

DOWN = Unanswered("connection refused")
SILENT = Unanswered("no answer within 2 s", timed_out=True)


class FakeAsker:
    """
    Nodes that answer as a test has it.

    ``says`` maps the address and the path, or the address alone, to an answer, to a
    refusal, or to ``None``: it is waited for, until ``let`` ends that.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.says: dict[str, Any] = {}
        self.asked: list[tuple[float, str, str]] = []
        self.waiting: list[tuple[str, Deferred[Any]]] = []

    async def json(self, node: Any, address: Any, path: str, timeout: float) -> Any:
        self.asked.append((self.world.clock.seconds(), address.host, path))
        answer = self.says.get(address.host + path, self.says.get(address.host, {}))
        if answer is None:
            waiting: Deferred[Any] = Deferred()
            self.waiting.append((address.host, waiting))
            answer = await waiting
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def alive(self, node: Any, address: Any, path: str, timeout: float) -> None:
        await self.json(node, address, path, timeout)

    def times(self, host: str, path: str) -> list[float]:
        return [at for at, asked, of in self.asked if (asked, of) == (host, path)]

    def let(self, answer: Any) -> None:
        """Give all those who wait this answer."""
        waiting, self.waiting = self.waiting, []
        for _, each in waiting:
            each.callback(answer)


def models(*names: str) -> dict[str, Any]:
    """An answer to ``/api/tags`` or ``/api/ps``."""
    return {"models": [{"name": name, "model": name, "digest": "d"} for name in names]}


class CheckerCase(SynchronousTestCase):
    """A gateway whose nodes are checked."""

    names = "a"
    node: dict[str, Any] = {}

    def setUp(self) -> None:
        self.world = World(self.names, **self.node)
        self.asker = FakeAsker(self.world)
        for name in self.names:
            self.says(name, models("m"))
        self.checker = Checker(self.world.gateway, self.asker, Random(1))  # type: ignore[arg-type]
        self.addCleanup(self.checker.stopService)

    def says(self, name: str, tags: Any, loaded: Any = None, version: Any = None) -> None:
        """What this node answers from now on."""
        host = f"{name}.test"
        self.asker.says.pop(host, None)
        self.asker.says[f"{host}/api/version"] = version or {"version": "0.20.0"}
        self.asker.says[f"{host}/api/tags"] = tags
        self.asker.says[f"{host}/api/ps"] = loaded or models()

    def fails(self, name: str, how: Exception | None) -> None:
        self.asker.says = {
            key: value
            for key, value in self.asker.says.items()
            if not key.startswith(f"{name}.test")
        }
        self.asker.says[f"{name}.test"] = how

    def unchecked(self, **more: Any) -> None:
        """The node is one that nothing is known of."""
        self.world.pool.nodes["a"].health = Health(**more)

    def start(self) -> None:
        self.checker.startService()

    def wait(self, seconds: float) -> None:
        """Let time pass, a tenth of a second at a time."""
        for _ in range(round(seconds * 10)):
            self.world.clock.advance(0.1)

    def healthy(self, name: str = "a") -> bool:
        return self.world.pool.nodes[name].health.healthy

    def has(self, name: str = "a") -> list[str]:
        known = self.world.pool.nodes[name].models
        return sorted(known.names) if known is not None else []


class HealthTests(CheckerCase):
    """Whether a node is well."""

    def test_first_round(self) -> None:
        """When all have been asked once, it is known who is well and who has what."""
        self.says("a", models("llama3:8b"), models("llama3:8b"))
        self.start()
        self.successResultOf(self.checker.first_round)
        node = self.world.pool.nodes["a"]
        self.assertEqual((node.health.starting, node.version), (False, "0.20.0"))
        self.assertEqual(self.has(), ["llama3:8b"])

    def test_down_at_once(self) -> None:
        """A node that does not answer the first check is down until it does."""
        self.unchecked()
        self.fails("a", DOWN)
        self.start()
        self.assertEqual(self.healthy(), False)
        self.assertEqual(self.world.pool.nodes["a"].last_check_error, "connection refused")

    def test_start_period(self) -> None:
        """A node that is given time to start is up with its first good check."""
        self.unchecked(start_period=10.0)
        self.fails("a", DOWN)
        self.start()
        self.wait(8)
        health = self.world.pool.nodes["a"].health
        self.assertEqual((health.starting, health.healthy), (True, False))
        self.says("a", models("m"))
        self.wait(2)
        self.assertEqual(self.healthy(), True)

    def test_busy_at_first(self) -> None:
        """One that answers 503 to its first check is there, and may be asked."""
        self.unchecked()
        self.fails("a", Unanswered("answered 503", 503))
        self.start()
        self.assertEqual(self.healthy(), True)

    def test_fall(self) -> None:
        """Later it takes several bad checks in a row."""
        self.start()
        self.fails("a", DOWN)
        self.wait(4.5)
        self.assertEqual(self.healthy(), True)
        self.wait(2)
        self.assertEqual(self.healthy(), False)
        self.assertEqual(self.world.sample("node_up", node="a"), 0)

    def test_rise(self) -> None:
        """And several good ones to come back."""
        self.start()
        self.fails("a", DOWN)
        self.wait(8)
        self.says("a", models("m", "new"))
        self.wait(1.5)
        self.assertEqual(self.healthy(), False)
        self.wait(3)
        self.assertEqual(self.healthy(), True)
        self.assertEqual(self.has(), ["m", "new"])

    def test_refused(self) -> None:
        """A node where nobody listens is left alone at once, until it is back."""
        self.start()
        self.fails("a", Unanswered("connection refused", refused=True))
        self.wait(2)
        breaker = self.world.pool.nodes["a"].breaker
        self.assertEqual((self.healthy(), breaker.ejected(2.0)), (True, True))
        self.says("a", models("m"))
        self.wait(4)
        self.assertEqual(breaker.circuit, Circuit.CLOSED)

    def test_refused_and_down(self) -> None:
        """One that was never there is down, and no more than that."""
        self.unchecked()
        self.fails("a", Unanswered("connection refused", refused=True))
        self.start()
        self.wait(8)
        breaker = self.world.pool.nodes["a"].breaker
        self.assertEqual((self.healthy(), breaker.circuit), (False, Circuit.CLOSED))

    def test_doubt(self) -> None:
        """A node that closes what it holds is checked at once, but not time and again."""
        self.world.gateway.doubt = self.checker.doubt
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node().answer(whole(b"{}"))
        self.start()
        self.wait(0.5)
        self.fails("a", Unanswered("connection refused", refused=True))
        self.world.node().close()
        self.wait(0.1)
        self.assertEqual(self.world.pool.nodes["a"].breaker.circuit, Circuit.OPEN)
        asked = len(self.asker.asked)
        for _ in range(10):
            self.checker.doubt("a")
        self.checker.doubt("nobody")
        self.assertEqual(len(self.asker.asked), asked)
        self.wait(0.6)
        self.assertEqual(len(self.asker.asked), asked + 1)

    def test_doubt_at_the_end(self) -> None:
        """A check that was to come soon does not come after the end."""
        self.start()
        self.checker.doubt("a")
        asked = len(self.asker.asked)
        self.checker.stopService()
        self.wait(0.5)
        self.assertEqual(len(self.asker.asked), asked)

    def test_doubt_while_checking(self) -> None:
        """Two checks of a node never run side by side."""
        self.start()
        self.fails("a", None)
        self.wait(2)
        self.assertEqual(len(self.asker.waiting), 1)
        self.wait(2)
        self.checker.doubt("a")
        self.assertEqual(len(self.asker.waiting), 1)

    def test_doubted(self) -> None:
        """A request that failed is reason enough to look."""
        self.world.pool.doubted = self.checker.doubt
        self.start()
        self.wait(0.5)
        asked = len(self.asker.times("a.test", "/api/version"))
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node().close()
        self.wait(0.1)
        self.assertEqual(len(self.asker.times("a.test", "/api/version")), asked + 1)

    def test_silent(self) -> None:
        """A node that stays silent is as bad as one that refuses."""
        self.start()
        self.fails("a", SILENT)
        self.wait(8)
        self.assertEqual(self.healthy(), False)

    def test_busy(self) -> None:
        """A node that answers 503 is busy, which says nothing of its health."""
        self.start()
        self.fails("a", Unanswered("answered 503", 503))
        self.wait(30)
        self.assertEqual(self.healthy(), True)

    def test_busy_streaming(self) -> None:
        """Nor is a node down that is silent to checks while it streams answers."""
        self.start()
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node().answer(STREAM)
        self.fails("a", None)
        for _ in range(20):
            asked = self.asker.waiting
            self.asker.waiting = []
            for _ in range(2):
                self.world.node().answer(chunks(b"{}\n", end=False))
                self.world.sweep(1)
            for _, each in asked:
                each.callback(SILENT)
        self.assertEqual(self.healthy(), True)

    def test_other_errors(self) -> None:
        """Any other status is a bad check."""
        self.start()
        self.fails("a", Unanswered("answered 500", 500))
        self.wait(8)
        self.assertEqual(self.healthy(), False)

    def test_lists_do_not_decide(self) -> None:
        """A node that cannot tell its models is well all the same."""
        self.start()
        self.says("a", Unanswered("answered 500", 500), DOWN)
        self.wait(30)
        self.assertEqual((self.healthy(), self.has()), (True, ["m"]))

    def test_junk(self) -> None:
        """Whatever a node answers, the checks go on."""
        self.start()
        for junk in ([], None, 5, "x", {"version": 7}, {"version": None}):
            self.asker.says["a.test/api/version"] = junk if junk is not None else []
            self.wait(3)
            self.assertEqual(self.healthy(), True)
        for junk in ({"models": None}, {"models": [None, 1, {}, {"name": 5}]}, []):
            self.says("a", junk, junk)
            self.wait(12)
        self.says("a", models("m2"))
        self.wait(12)
        self.assertEqual(self.has(), ["m2"])

    def test_unforeseen(self) -> None:
        """A fault of ours is logged, and does not end the checks."""
        self.start()
        self.asker.says["a.test/api/version"] = RuntimeError("oops")
        self.wait(3)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.says("a", models("m3"))
        self.wait(12)
        self.assertEqual(self.has(), ["m3"])

    def test_measured(self) -> None:
        """How long the node took for a check is measured, without the lists that follow."""
        self.says("a", None)
        self.start()
        self.world.clock.advance(1)
        self.asker.let(models("m"))
        name = "health_check_duration_seconds"
        self.assertEqual(self.world.sample(f"{name}_count", node="a"), 1)
        self.assertEqual(self.world.sample(f"{name}_sum", node="a"), 0)


class PaceTests(CheckerCase):
    """How often a node is asked."""

    names = "abcdefgh"

    def test_interval(self) -> None:
        """Once in an interval, or a little sooner; nodes do not keep in step for ever."""
        self.start()
        self.wait(60)
        gaps = set()
        for name in self.names:
            times = self.asker.times(f"{name}.test", "/api/version")
            gaps.add(round((times[-1] - times[0]) / (len(times) - 1), 3))
        self.assertGreater(len(gaps), 3)
        self.assertTrue(min(gaps) >= 1.6 and max(gaps) <= 2.0, gaps)

    def test_slow_node(self) -> None:
        """A slow node delays nobody but itself."""
        self.start()
        before = len(self.asker.times("b.test", "/api/version"))
        self.fails("a", None)
        self.wait(20)
        self.assertEqual(len(self.asker.waiting), 1)
        self.assertGreater(len(self.asker.times("b.test", "/api/version")), before + 7)

    def test_lists(self) -> None:
        """The lists are asked for less often than the version."""
        self.start()
        self.wait(60)
        asked = len(self.asker.times("a.test", "/api/tags"))
        self.assertTrue(5 <= asked <= 7, asked)
        self.assertEqual(asked, len(self.asker.times("a.test", "/api/ps")))

    def test_stopped(self) -> None:
        """When the service ends so do the checks."""
        self.start()
        self.checker.stopService()
        asked = len(self.asker.asked)
        self.wait(10)
        self.assertEqual(len(self.asker.asked), asked)

    def test_stopped_in_first_check(self) -> None:
        """Even before the first one has ended."""
        self.fails("a", None)
        self.start()
        self.checker.stopService()
        asked = len(self.asker.asked)
        self.says("a", models("m"))
        self.asker.let({"version": "1"})
        self.wait(10)
        self.assertEqual(len(self.asker.times("a.test", "/api/version")), 1)
        self.assertLessEqual(len(self.asker.asked), asked + 2)


class ListTests(CheckerCase):
    """Which models a node has."""

    def test_learned(self) -> None:
        """A model that appears on a node is known within a while, under its own name."""
        self.start()
        self.says("a", models("m", "fresh:1b"))
        self.wait(13)
        self.assertEqual(self.has(), ["fresh:1b", "m"])
        client = self.world.client()
        client.send(post(b"/api/chat", b'{"model":"fresh:1b"}'))
        self.world.node().answer(whole(b"{}"))
        self.assertEqual(
            self.world.sample("requests_total", operation="chat", model="fresh:1b", code="200"), 1
        )

    def test_after_change(self) -> None:
        """After a request that changes them, the lists are asked for at once."""
        self.start()
        self.world.gateway.refresh = self.checker.refresh
        self.says("a", models("m", "pulled"))
        client = self.world.client()
        client.send(post(b"/api/pull"))
        self.world.node().answer(whole(b'{"status":"success"}'))
        self.assertEqual(self.has(), ["m", "pulled"])

    def test_watched(self) -> None:
        """While somebody looks on, what is in memory is asked for with every check."""
        self.start()
        self.says("a", models("m"), models("m"))
        self.wait(4)
        self.assertEqual(self.checker.loaded("a"), [])
        client = self.world.client()
        client.send(get(b"/api/events"))
        tags = len(self.asker.times("a.test", "/api/tags"))
        self.wait(2)
        self.assertEqual([each["name"] for each in self.checker.loaded("a")], ["m"])
        self.assertEqual(self.world.pool.nodes["a"].models.loaded_names, ("m",))
        self.assertEqual(len(self.asker.times("a.test", "/api/tags")), tags)
        self.assertIn(b"m was loaded on a", client.read())

    def test_change_while_asking(self) -> None:
        """A change that comes while they are asked for is not missed."""
        self.start()
        self.says("a", None)
        self.checker.refresh("a")
        self.checker.refresh("a")
        self.checker.refresh("a")
        self.says("a", models("newest"))
        self.asker.let(models("older"))
        self.assertEqual(self.has(), ["newest"])
        self.assertEqual(len(self.asker.times("a.test", "/api/tags")), 3)

    def test_unknown_node(self) -> None:
        """Who is not checked is not asked."""
        self.start()
        self.checker.refresh("nobody")

    def test_told_when(self) -> None:
        """When the lists were last had is shown."""
        self.start()
        client = self.world.client()
        client.send(get(b"/api/nodes"))
        (node,) = json.loads(split(client.read())[2])["nodes"]
        self.assertIsInstance(node["stats"]["last_model_sync"], float)


class AddressTests(CheckerCase):
    """A node with several addresses."""

    node = {"addresses": (Address("http", "a.test", 11434), Address("http", "second.test", 11434))}

    def test_fallback(self) -> None:
        """If the first refuses the second is asked, and requests go there too."""
        self.fails("a", DOWN)
        self.asker.says["second.test"] = {"version": "0.13.0", "models": []}
        self.start()
        self.assertEqual(self.healthy(), True)
        self.assertEqual(self.world.gateway.upstreams["a"].address.host, "second.test")

    def test_stays(self) -> None:
        """The one that answered is asked from then on."""
        self.test_fallback()
        before = len(self.asker.times("a.test", "/api/version"))
        self.wait(10)
        self.assertEqual(len(self.asker.times("a.test", "/api/version")), before)

    def test_both(self) -> None:
        """If both refuse the node is down."""
        self.start()
        self.fails("a", DOWN)
        self.asker.says["second.test"] = DOWN
        self.wait(8)
        self.assertEqual(self.healthy(), False)

    def test_error_is_an_answer(self) -> None:
        """An address that answers with an error has answered."""
        self.fails("a", Unanswered("answered 500", 500))
        self.start()
        self.assertEqual(self.asker.times("second.test", "/api/version"), [])


class KindTests(CheckerCase):
    """Nodes that are not checked like the others."""

    def of_kind(self, kind: Kind, **said: Any) -> None:
        """There is one node, of this kind."""
        self.world = World("a", kind=kind, **said)
        self.asker.world = self.world
        self.checker = Checker(self.world.gateway, self.asker, Random(1))  # type: ignore[arg-type]
        self.addCleanup(self.checker.stopService)

    def says_openai(self, health: Any, *ids: str) -> None:
        self.asker.says = {
            "a.test": Unanswered("answered 404", 404),
            "a.test/health": health,
            "a.test/v1/models": {"object": "list", "data": [{"id": each} for each in ids]},
        }

    def test_openai(self) -> None:
        """A server that is no Ollama is asked for its health, and for its models now and then."""
        self.of_kind(Kind.OPENAI)
        self.says_openai({"status": "ok"}, "Qwen/Qwen3-8B")
        self.start()
        self.wait(20)
        self.assertEqual((self.healthy(), self.has()), (True, ["Qwen/Qwen3-8B"]))
        self.assertEqual(len(self.asker.times("a.test", "/v1/models")), 2)
        self.assertEqual({path for _, _, path in self.asker.asked}, {"/health", "/v1/models"})

    def test_no_health(self) -> None:
        """One that has no such path is asked for its models instead."""
        for status in (404, 403):
            self.of_kind(Kind.OPENAI)
            self.asker.asked.clear()
            self.says_openai(Unanswered(f"answered {status}", status), "m")
            self.start()
            self.wait(20)
            self.assertEqual((self.healthy(), self.has()), (True, ["m"]))
            self.assertEqual(len(self.asker.times("a.test", "/health")), 1)

    def test_told(self) -> None:
        """One whose models are configured is not asked for them."""
        self.of_kind(Kind.WHISPER)
        node = self.world.pool.nodes["a"]
        node.config = replace(node.config, models=("whisper-1",))
        self.says_openai({"status": "ok"}, "something else")
        self.start()
        self.wait(20)
        self.assertEqual((self.healthy(), self.has()), (True, ["whisper-1"]))
        self.assertEqual(self.asker.times("a.test", "/v1/models"), [])

    def test_loading(self) -> None:
        """One that says that it is not ready yet is not asked until it is."""
        self.of_kind(Kind.OPENAI)
        self.says_openai(Unanswered("answered 503", 503), "m")
        self.unchecked()
        self.start()
        self.assertEqual(self.healthy(), False)
        self.says_openai({"status": "ok"}, "m")
        self.wait(5)
        self.assertEqual((self.healthy(), self.has()), (True, ["m"]))

    def test_deaf(self) -> None:
        """A speech server that is silent while it works is busy; when it is idle, it is down."""
        self.of_kind(Kind.WHISPER)
        self.says_openai({"status": "ok"}, "tiny")
        self.start()
        client = self.world.client()
        client.send(post(b"/v1/audio/translations"))
        self.fails("a", SILENT)
        self.wait(60)
        self.assertEqual(self.healthy(), True)
        self.world.node().answer(whole(b"{}"))
        self.wait(10)
        self.assertEqual(self.healthy(), False)

    def test_deaf_and_gone(self) -> None:
        """Work under way excuses silence, and nothing else."""
        self.of_kind(Kind.WHISPER)
        self.says_openai({"status": "ok"}, "tiny")
        self.start()
        self.world.client().send(post(b"/v1/audio/translations"))
        self.fails("a", DOWN)
        self.wait(10)
        self.assertEqual(self.healthy(), False)

    def test_silent_server(self) -> None:
        """Nor does it excuse other kinds, which answer while they work."""
        self.of_kind(Kind.OPENAI)
        self.says_openai({"status": "ok"}, "m")
        self.start()
        self.world.client().send(post(b"/v1/chat/completions"))
        self.fails("a", SILENT)
        self.wait(10)
        self.assertEqual(self.healthy(), False)

    def test_external(self) -> None:
        """A provider may have no version to tell: it is asked for its models."""
        self.of_kind(Kind.EXTERNAL)
        self.asker.says["a.test/api/version"] = Unanswered("answered 404", 404)
        self.asker.says["a.test/api/ps"] = Unanswered("answered 404", 404)
        self.start()
        self.assertEqual((self.healthy(), self.has()), (True, ["m"]))
        self.assertEqual(self.asker.times("a.test", "/api/version"), [])

    def test_disabled(self) -> None:
        """One that is disabled is left alone."""
        self.world = World("a", enabled=False)
        self.asker.world = self.world
        self.checker = Checker(self.world.gateway, self.asker, Random(1))  # type: ignore[arg-type]
        self.start()
        self.successResultOf(self.checker.first_round)
        self.wait(10)
        self.assertEqual(self.asker.asked, [])


class LoadingTests(CheckerCase):
    """A pool that chooses by what is loaded."""

    node = {"strategy": "adaptive"}

    def test_loads(self) -> None:
        """A model that a request loads is seen as soon as its answer begins."""
        self.start()
        self.world.gateway.refresh = self.checker.refresh
        self.says("a", models("m"), models("m"))
        client = self.world.client()
        client.send(post(b"/api/chat"))
        self.world.node().answer(STREAM)
        self.assertIn(b"200 OK", client.read())
        known = self.world.pool.nodes["a"].models
        assert known is not None
        self.assertEqual(known.loaded_names, ("m",))


class RenewedTests(CheckerCase):
    """Nodes that come, go, and change while they are checked."""

    names = "ab"

    def renew(self, *nodes: NodeConfig) -> None:
        self.world.gateway.replace(replace(self.world.config, nodes=nodes))
        self.checker.renew()

    def asked(self, host: str) -> int:
        return len(self.asker.times(host, "/api/version"))

    def test_kept(self) -> None:
        """A node that stays as it is goes on being checked as it was."""
        self.start()
        before = self.checker.checks["a"]
        self.renew(*(replace(each) for each in self.world.config.nodes))
        self.assertIs(self.checker.checks["a"], before)
        self.assertEqual(self.asked("a.test"), 1)
        self.wait(2)
        self.assertEqual(self.asked("a.test"), 2)

    def test_new(self) -> None:
        """One that comes is checked at once, and its models are known before it is chosen."""
        self.start()
        self.says("c", models("new"))
        self.renew(*self.world.config.nodes, node_config("c"))
        self.assertEqual((self.healthy("c"), self.has("c")), (True, ["new"]))

    def test_changed(self) -> None:
        """One that is to be checked otherwise is, and what it has stays known."""
        self.says("a", models("m"), models("m"))
        self.start()
        first, *others = self.world.config.nodes
        self.fails("a", None)
        self.renew(replace(first, health=HealthConfig(interval=1.0)), *others)
        self.assertEqual([each["name"] for each in self.checker.loaded("a")], ["m"])
        self.says("a", models("m"))
        self.asker.let({"version": "0.12.0"})
        before = self.asked("a.test")
        self.wait(5)
        self.assertGreaterEqual(self.asked("a.test"), before + 5)

    def test_gone(self) -> None:
        """One that is gone, or disabled, is not asked again."""
        self.start()
        self.renew(replace(self.world.config.nodes[0], enabled=False))
        before = len(self.asker.asked)
        self.wait(5)
        self.assertEqual((len(self.asker.asked), self.checker.checks), (before, {}))

    def test_gone_while_asked(self) -> None:
        """One that goes while it is asked is not asked for anything more."""
        self.start()
        for _ in range(3):
            self.world.pool.checked("b", 0, False, "gone")
        self.fails("b", None)
        self.wait(2)
        self.renew(self.world.config.nodes[0])
        self.world.sweep(1)
        before = len(self.asker.asked)
        self.asker.let({"version": "0.20.0"})
        self.assertEqual(len(self.asker.asked), before)

    def test_late(self) -> None:
        """What an old check finds out is not taken for the new node of that name."""
        self.start()
        self.fails("a", None)
        self.wait(2)
        self.assertEqual(len(self.asker.waiting), 1)
        self.says("z", models("other"))
        moved = replace(self.world.config.nodes[0], addresses=(Address("http", "z.test", 11434),))
        self.renew(moved, self.world.config.nodes[1])
        self.asker.let({"version": "9.9.9"})
        self.assertNotEqual(self.world.pool.nodes["a"].version, "9.9.9")
        self.assertEqual(self.has(), ["other"])
