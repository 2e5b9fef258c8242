"""The first moments of a gateway, whose nodes it does not know yet."""

from __future__ import annotations

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

    def started(self) -> RunningGateway:
        gateway = RunningGateway(self.ports)
        self.addCleanup(gateway.stop)
        return gateway

    def test_right_at_once(self) -> None:
        """
        Whoever asks as soon as it listens is answered by the node that has the model.
        """
        for _ in range(TIMES):
            for name in ("a", "b"):
                with self.started().open("POST", "/api/show", {"model": f"of-{name}"}) as answer:
                    said = answer.status, answer.headers["x-ollama-gateway-node"]
                self.assertEqual(said, (200, name))
                with self.started().open("POST", "/api/chat", {"model": f"of-{name}"}) as answer:
                    said = answer.status, answer.headers["x-ollama-gateway-node"]
                self.assertEqual(said, (200, name))

    def test_unknown_model(self) -> None:
        """
        A model that nobody has is told so by a node, as it is later.
        """
        for _ in range(TIMES):
            with self.started().open("POST", "/api/chat", {"model": "nope"}) as answer:
                self.assertEqual(answer.status, 404)

    def test_whole_lists(self) -> None:
        """
        Lists have what all nodes have from the first moment on.
        """
        for _ in range(TIMES):
            models = self.started().get("GET", "/api/tags")["models"]
            self.assertEqual({each["name"] for each in models}, {"of-a:latest", "of-b:latest"})
