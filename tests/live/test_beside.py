"""An exporter that the gateway starts beside itself, as ``make run`` does."""

from __future__ import annotations

import json
import socket
import time
from http.client import HTTPConnection
from typing import Any

import psutil
from twisted.trial.unittest import SynchronousTestCase

from tests.live.child import PATIENCE
from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode


class BesideTests(SynchronousTestCase):
    """In front of one node of this machine and one elsewhere."""

    def setUp(self) -> None:
        self.node = SimulatedNode()
        self.addCleanup(self.node.stop)

    def gateway(self, port: int) -> RunningGateway:
        running = RunningGateway(
            {"here": self.node.port},
            "--exporter",
            nodes=({"name": "far", "hosts": ["192.0.2.1"], "port": 11434},),
            env={"EXPORTER_PORT": str(port)},
        )
        self.addCleanup(running.stop)
        return running

    def child(self, gateway: RunningGateway) -> psutil.Process:
        """The exporter, once it has been started."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for child in psutil.Process(gateway.process.pid).children():
                return child
            time.sleep(0.01)
        raise AssertionError("no exporter")

    def health(self, port: int) -> Any:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            connection = HTTPConnection("127.0.0.1", port, timeout=2)
            try:
                connection.request("GET", "/health")
                answer = connection.getresponse()
                told = json.loads(answer.read())
                if answer.status == 200:
                    return told
            except (OSError, ValueError):
                pass
            finally:
                connection.close()
            time.sleep(0.1)
        raise AssertionError("no exporter")

    def test_started(self) -> None:
        """
        It watches the nodes of this machine, by the gateway's names, and ends with the gateway.
        """
        port = free_port()
        gateway = self.gateway(port)
        self.assertEqual(list(self.health(port)["nodes"]), ["here"])
        children = psutil.Process(gateway.process.pid).children(recursive=True)
        gateway.stop()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        self.assertEqual(alive, [])

    def test_port_in_use(self) -> None:
        """
        An exporter that cannot listen is no reason for the gateway not to serve.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            gateway = self.gateway(taken.getsockname()[1])
            _, alive = psutil.wait_procs([self.child(gateway)], timeout=PATIENCE)
            self.assertEqual(alive, [])
            gateway.until_healthy("here")
        self.assertIn("exporter has ended by itself, with exit code 1", gateway.stop())

    def test_ends_early(self) -> None:
        """
        An exporter that somebody else ends is missed, in one line.
        """
        port = free_port()
        gateway = self.gateway(port)
        self.health(port)
        child = self.child(gateway)
        child.kill()
        psutil.wait_procs([child], timeout=PATIENCE)
        gateway.until_healthy("here")
        (line,) = [each for each in gateway.stop().splitlines() if "exporter" in each]
        self.assertIn("exporter has ended by itself, by SIGKILL; we go on without it", line)
