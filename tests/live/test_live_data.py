"""What the gateway tells of itself, while real nodes come, work and die."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.live.child import PATIENCE
from tests.live.gateways import RunningGateway
from tests.live.listening import Listener, told
from tests.live.simulated import SimulatedNode
from tests.live.test_gateway import HELLO, MODEL, QUICK, GatewayCase

#: Longer than anybody waits here: what is asked for so seldom is not how it was found out.
NEVER = 3600


class EventsTests(GatewayCase):
    """
    A gateway whose checks are too seldom, or too patient, to be what tells of a change.

    What is promised within two seconds is thus seen without a watch, by which of its ways
    it came.
    """

    def begin(self, **health: float) -> None:
        self.nodes = {"one": self.node(), "two": self.node()}
        ports = {name: node.port for name, node in self.nodes.items()}
        self.running = RunningGateway(ports, health=health, strategy="round_robin")
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
        """Have a whole answer, a short one; the node that gave it."""
        short = {**HELLO, "options": {"num_predict": 5}}
        with self.running.open("POST", "/api/chat", short) as answer:
            self.assertEqual(answer.status, 200)
            answer.read()
            return answer.getheader("X-Ollama-Gateway-Node") or ""

    def until_answered(self, *names: str) -> None:
        """Chat until each of these nodes has answered."""
        until, wanted = time.monotonic() + PATIENCE, set(names)
        while wanted:
            self.assertLess(time.monotonic(), until, wanted)
            wanted.discard(self.chat())

    def test_killed_and_back(self) -> None:
        """
        A node that is killed is gone with the first check, though nobody asks it; and comes back.
        """
        self.begin(interval=2, fall=100)
        port = self.nodes["one"].port
        self.nodes["one"].process.kill()
        document = self.listener.until(told("ejected", "one"))
        self.assertEqual(self.state(document, "one"), "ejected")
        self.assertEqual({self.chat() for _ in range(4)}, {"two"})
        self.nodes["one"].stop()
        self.addCleanup(SimulatedNode(*QUICK, port=port).stop)
        self.listener.until(told("readmitted", "one"))

    def test_killed_at_work(self) -> None:
        """One that holds connections of ours is checked because it has closed them."""
        # Its next turn would come after we have ceased to wait, the check for doubt comes before.
        self.begin(interval=1.2 * PATIENCE)
        self.assertEqual({self.chat() for _ in range(4)}, {"one", "two"})
        self.nodes["one"].process.kill()
        self.listener.until(told("ejected", "one"))

    def test_loaded(self) -> None:
        """
        A model that is loaded is seen in memory, whoever had it loaded; what nodes work on is
        seen while they do, and in the history.
        """
        self.begin(interval=2, models_interval=NEVER)
        self.nodes["two"].get("POST", "/api/chat", {**HELLO, "stream": False})
        document = self.listener.until(told("model_loaded", "two"))
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
        self.begin(interval=NEVER)
        answer = self.running.open("POST", "/api/chat", HELLO)
        first = answer.getheader("X-Ollama-Gateway-Node") or ""
        (other,) = {"one", "two"} - {first}
        drained = self.running.get("POST", f"/nodes/{first}/drain")
        self.assertEqual(drained["draining"], True)
        document = self.listener.until(told("draining", first))
        self.assertEqual(self.state(document, first), "draining")
        self.assertEqual({self.chat() for _ in range(4)}, {other})
        self.assertTrue(json.loads(answer.read().splitlines()[-1])["done"])
        self.running.get("POST", f"/nodes/{first}/resume")
        self.listener.until(told("resumed", first))
        # It is given its share little by little.
        self.until_answered("one", "two")
        self.running.process.terminate()
        self.running.process.wait(timeout=10)
        self.assertRaises((AssertionError, OSError), self.listener.until, lambda document: False)

    def speed(self, document: Any) -> float:
        """Tokens a second; -1 where it is not told."""
        told = document.get("gateway") or {}
        return float(told.get("tokens_per_second", -1) or 0)
