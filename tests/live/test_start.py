"""The first moments of a gateway, whose nodes it does not know yet."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode

TIMES = 5


class StartTests(SynchronousTestCase):
    """Two nodes, each with a model of its own, and one where nobody listens."""

    def setUp(self) -> None:
        self.ports = {"gone": free_port()}
        for name in ("a", "b"):
            node = SimulatedNode("--model", f"of-{name}", "--tokens-per-second", "0")
            self.addCleanup(node.stop)
            self.ports[name] = node.port

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str | None, Any]:
        """Ask a gateway that has just begun to listen: status, node, and what it said."""
        # On a busy machine a node may well take longer than a second for its first answer.
        gateway = RunningGateway(self.ports, health={"interval": 1, "timeout": 10})
        try:
            with gateway.open(method, path, body) as answer:
                node = answer.headers["x-ollama-gateway-node"]
                return answer.status, node, json.loads(answer.read())
        finally:
            gateway.stop()

    def test_right_at_once(self) -> None:
        """
        Whoever asks as soon as it listens is answered by the node that has the model.
        """
        for _ in range(TIMES):
            for name in ("a", "b"):
                ask = {"model": f"of-{name}", "stream": False}
                for path in ("/api/show", "/api/chat"):
                    status, node, said = self.ask("POST", path, ask)
                    self.assertEqual((status, node), (200, name), said)

    def test_unknown_model(self) -> None:
        """
        A model that nobody has is told so by a node, as it is later.
        """
        for _ in range(TIMES):
            status, _, said = self.ask("POST", "/api/chat", {"model": "nope"})
            self.assertEqual((status, said), (404, {"error": "model 'nope' not found"}))

    def test_whole_lists(self) -> None:
        """
        Lists have what all nodes have from the first moment on.
        """
        for _ in range(TIMES):
            _, _, said = self.ask("GET", "/api/tags")
            names = {each["name"] for each in said["models"]}
            self.assertEqual(names, {"of-a:latest", "of-b:latest"})
