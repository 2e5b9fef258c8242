"""An external node: HTTPS, verified, with a key of its own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.authority import Authority, SecureNode
from tests.live.gateways import RunningGateway

BIG = {"model": "big:120b", "messages": []}


class ExternalTests(SynchronousTestCase):
    """A server for ``localhost`` that only its own authority vouches for."""

    def setUp(self) -> None:
        self.authority = Authority(
            Path(tempfile.mkdtemp(prefix="ollama-gateway-test-")), "localhost"
        )
        self.node = SecureNode(self.authority)
        self.addCleanup(self.node.stop)

    def gateway(self, host: str = "localhost", **env: str) -> RunningGateway:
        external = {
            "name": "cloud",
            "type": "external",
            "api_url": f"https://{host}:{self.node.port}",
            "api_key": "${CLOUD_KEY}",
            "health": {"interval": 0.2, "timeout": 2, "models_interval": 0.2},
        }
        gateway = RunningGateway({}, nodes=(external,), env={"CLOUD_KEY": "our-key", **env})
        self.addCleanup(gateway.stop)
        return gateway

    def test_trusted(self) -> None:
        """It gets its own key, and not what the client sent for the gateway."""
        gateway = self.gateway(SSL_CERT_FILE=str(self.authority.trusted)).until_healthy("cloud")
        theirs = {"Authorization": "Bearer their-key", "Cookie": "a=b"}
        with gateway.open("POST", "/api/chat", BIG, **theirs) as answer:
            self.assertEqual((answer.status, json.loads(answer.read())["done"]), (200, True))
        sent = self.node.asked[0]
        self.assertEqual((sent["authorization"], sent.get("cookie")), ("Bearer our-key", None))
        self.assertEqual(sent["host"], f"localhost:{self.node.port}")

    def test_not_trusted(self) -> None:
        """A certificate that nobody known vouches for is as good as no node, and no key leaves."""
        with self.gateway().open("POST", "/api/chat", BIG) as answer:
            self.assertEqual(answer.status, 503)
            self.assertIn("cloud", json.loads(answer.read())["error"])
        self.assertEqual(self.node.asked, [])

    def test_wrong_name(self) -> None:
        """So is one for another name."""
        gateway = self.gateway("127.0.0.1", SSL_CERT_FILE=str(self.authority.trusted))
        with gateway.open("POST", "/api/chat", BIG) as answer:
            self.assertEqual(answer.status, 503)
        self.assertEqual(self.node.asked, [])
