"""What the gateway tells of itself, while real nodes come, work and die."""

from __future__ import annotations

import json
from typing import Any

from tests.live.gateways import RunningGateway
from tests.live.listening import Listener, told
from tests.live.simulated import SimulatedNode
from tests.live.test_gateway import HELLO, MODEL, QUICK, GatewayCase

#: What is promised: so long after it has happened, it is seen.
SEEN = 2.0


class EventsTests(GatewayCase):
    """A gateway that checks as often as it does unless told otherwise."""

    def setUp(self) -> None:
        self.nodes = {"one": self.node(), "two": self.node()}
        ports = {name: node.port for name, node in self.nodes.items()}
        self.running = RunningGateway(ports, health={"interval": 2}, strategy="round_robin")
        self.addCleanup(self.running.stop)
        self.running.until_healthy(*ports)
        self.listener = Listener(self.running)
        self.addCleanup(self.listener.close)
        self.listener.next()

    def state(self, document: Any, name: str) -> str | None:
        states = {each["id"]: each.get("state") for each in document["nodes"]}
        found = states.get(name)
        assert found is None or isinstance(found, str)
        return found

    def chat(self) -> str:
        """Have a whole answer; the node that gave it."""
        with self.running.open("POST", "/api/chat", HELLO) as answer:
            self.assertEqual(answer.status, 200)
            answer.read()
            return answer.getheader("X-Ollama-Gateway-Node") or ""

    def test_killed_and_back(self) -> None:
        """A node that is killed is seen to be gone, though nobody asks it; and to come back."""
        port = self.nodes["one"].port
        self.nodes["one"].process.kill()
        document, took = self.listener.until(told("ejected", "one"))
        self.assertEqual(self.state(document, "one"), "ejected")
        # On top of the interval of the checks: the delay of a busy machine.
        self.assertLess(took, 2 * SEEN)
        self.assertEqual({self.chat() for _ in range(4)}, {"two"})
        self.nodes["one"].stop()
        self.addCleanup(SimulatedNode(*QUICK, port=port).stop)
        # It may have been found down before it was there again.
        self.listener.until(told("readmitted up", "one"))

    def test_killed_at_work(self) -> None:
        """One that holds connections of ours is seen to be gone at once."""
        self.assertEqual({self.chat() for _ in range(4)}, {"one", "two"})
        self.nodes["one"].process.kill()
        _, took = self.listener.until(told("ejected", "one"))
        self.assertLess(took, SEEN)

    def test_loaded(self) -> None:
        """
        A model that is loaded is seen in memory, whoever had it loaded; what nodes work on is
        seen while they do, and in the history.
        """
        self.nodes["two"].get("POST", "/api/chat", {**HELLO, "stream": False})
        document, took = self.listener.until(told("model_loaded", "two"))
        self.assertLess(took, 2 * SEEN)
        (node,) = (each for each in document["nodes"] if each["id"] == "two")
        self.assertEqual([each["name"] for each in node["loaded"]], [MODEL])
        self.assertIn(f"two->model:{MODEL}", [each["id"] for each in document["links"]])
        for _ in range(4):
            self.chat()
        self.listener.until(lambda document: self.speed(document) > 0)
        self.listener.until(lambda document: self.speed(document) == 0)
        series = self.running.get("GET", "/api/history")["series"]
        self.assertGreater(max(filter(None, series["gateway"]["tokens_per_second"])), 0)

    def test_drained(self) -> None:
        """
        A node that is drained ends its stream, and gets nothing new until it resumes; when the
        gateway stops, who listens is not waited for.
        """
        answer = self.running.open("POST", "/api/chat", HELLO)
        first = answer.getheader("X-Ollama-Gateway-Node") or ""
        (other,) = {"one", "two"} - {first}
        drained = self.running.get("POST", f"/nodes/{first}/drain")
        self.assertEqual(drained["draining"], True)
        document, took = self.listener.until(told("draining", first))
        self.assertEqual(self.state(document, first), "draining")
        self.assertLess(took, SEEN)
        self.assertEqual({self.chat() for _ in range(4)}, {other})
        self.assertTrue(json.loads(answer.read().splitlines()[-1])["done"])
        self.running.get("POST", f"/nodes/{first}/resume")
        self.listener.until(told("resumed", first))
        self.assertEqual({self.chat() for _ in range(4)}, {"one", "two"})
        self.running.process.terminate()
        self.running.process.wait(timeout=10)
        self.assertRaises((AssertionError, OSError), self.listener.until, lambda document: False)

    def speed(self, document: Any) -> float:
        """Tokens a second; -1 where it is not told."""
        told = document.get("gateway") or {}
        return float(told.get("tokens_per_second", -1) or 0)
