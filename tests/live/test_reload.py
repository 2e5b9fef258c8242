"""A configuration that changes under load: nothing that clients ask for is lost."""

from __future__ import annotations

import json
import os
import pty
import signal
import threading
from collections import Counter
from http.client import HTTPConnection
from typing import Any

from tests.live.child import PATIENCE
from tests.live.gateways import RunningGateway, free_port
from tests.live.listening import Listener, told
from tests.live.simulated import SimulatedNode
from tests.live.test_gateway import HELLO, GatewayCase

RELOADS, REQUESTS, CALLERS, STREAMS = 5, 2000, 4, 6


class ReloadTests(GatewayCase):
    """One gateway, whose file is written anew while it runs."""

    def setUp(self) -> None:
        self.nodes = {name: self.node("--tokens-per-second", "0") for name in ("one", "two")}
        self.slow = self.node("--tokens-per-second", "20", "--answer-tokens", "200")
        # By turns, so that the slow one is asked, too.
        self.running = self.gateway({**self.nodes, "slow": self.slow}, strategy="round_robin")

    def says(self, *names: str, **more: Any) -> None:
        """What the file says from now on."""
        nodes = {**self.nodes, "slow": self.slow}
        entries = [
            {"name": name, "hosts": ["127.0.0.1"], "port": nodes[name].port} for name in names
        ]
        document = {"nodes": entries, "health": {"interval": 0.2, "timeout": 1}, **more}
        file = self.running.folder / "nodes.json"
        # As an editor does it: a half written file is a bad one.
        file.with_suffix(".new").write_text(json.dumps(document))
        file.with_suffix(".new").replace(file)

    def known(self) -> set[str]:
        return {each["name"] for each in self.running.get("GET", "/api/nodes")["nodes"]}

    def stream(self) -> Any:
        """The beginning of an answer that lasts, on the slow node."""
        while True:
            answer = self.running.open("POST", "/api/chat", HELLO)
            if answer.getheader("X-Ollama-Gateway-Node") == "slow":
                answer.readline()
                return answer
            answer.read()

    def test_under_load(self) -> None:
        """
        Five reloads, among them the end of a node at work and its return, under two thousand
        requests and some streams: none is lost, none is cut.
        """
        streams = [self.stream() for _ in range(STREAMS)]
        statuses: Counter[int | str] = Counter()
        asked = threading.Semaphore(0)

        def call() -> None:
            connection = HTTPConnection("127.0.0.1", self.running.port, timeout=PATIENCE)
            for _ in range(REQUESTS // CALLERS):
                try:
                    connection.request("POST", "/api/show", json.dumps({"model": HELLO["model"]}))
                    answer = connection.getresponse()
                    answer.read()
                    statuses[answer.status] += 1
                except OSError as error:
                    statuses[repr(error)] += 1
                    connection.close()
                asked.release()
            connection.close()

        callers = [threading.Thread(target=call) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        self.says("one")
        for turn in range(RELOADS):
            # Spread over all of the load.
            for _ in range(REQUESTS // (RELOADS + 1)):
                asked.acquire()
            answer = self.running.get("POST", "/api/config/reload")
            self.assertEqual(answer["ok"], True, answer)
            names = ("one", "two") if turn % 2 else ("two", "slow", "one")
            self.says(*names, strategy="least_connections" if turn % 2 else "round_robin")
        for caller in callers:
            caller.join()
        self.assertEqual(statuses, Counter({200: REQUESTS}))
        for stream in streams:
            lines = stream.read().splitlines()
            self.assertEqual(json.loads(lines[-1])["done"], True)

    def test_signal(self) -> None:
        """
        SIGHUP reads the file again; a bad one changes nothing, and each fault is in the log.
        """
        listener = Listener(self.running)
        self.addCleanup(listener.close)
        self.says("one")
        self.running.process.send_signal(signal.SIGHUP)
        listener.until(told("reloaded"))
        self.assertEqual(self.known(), {"one"})
        # Read again as it is, it is no other one.
        again = self.running.get("POST", "/api/config/check")
        self.assertEqual(again["summary"]["text"], "nothing has changed")
        self.says("two", strategy="nonsense", line={"max_waiting": "many"})
        self.running.process.send_signal(signal.SIGHUP)
        listener.until(told("reload_failed"))
        self.assertEqual(self.known(), {"one"})
        with self.running.open("GET", "/metrics") as answer:
            metrics = answer.read().decode()
        self.assertIn("ollama_gateway_config_last_reload_successful 0.0", metrics)
        said = self.running.stop()
        for fault in ("strategy: unknown", "line.max_waiting: expected a whole number"):
            self.assertEqual(sum(fault in line for line in said.splitlines()), 1, said)

    def test_new_node(self) -> None:
        """
        A node that is new is not asked before it was checked: one that is not there costs nobody
        anything.
        """
        gone = SimulatedNode()
        gone.stop()
        self.nodes["three"] = gone
        self.says("one", "three", strategy="round_robin")
        self.running.get("POST", "/api/config/reload")
        for _ in range(10):
            with self.running.open("POST", "/api/show", {"model": HELLO["model"]}) as answer:
                self.assertEqual(answer.getheader("X-Ollama-Gateway-Node"), "one")
                self.assertEqual(answer.getheader("X-Ollama-Gateway-Retries"), None)
                answer.read()


class TerminalTests(GatewayCase):
    """A gateway that was started by hand."""

    def test_closed(self) -> None:
        """
        The end of its terminal is its own, too.
        """
        master, slave = pty.openpty()
        self.addCleanup(os.close, slave)
        running = RunningGateway({"nobody": free_port()}, stdin=slave)
        self.addCleanup(running.stop)
        running.process.send_signal(signal.SIGHUP)
        running.get("GET", "/api/nodes")
        os.close(master)
        running.process.send_signal(signal.SIGHUP)
        self.assertEqual(running.process.wait(timeout=PATIENCE), 0)
