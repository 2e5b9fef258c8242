"""
Random clients of a real server in a network of its own, and probers that watch it.

Run as ``unshare -n python -m tests.live.accounting``; prints, as one object of
JSON, what the clients themselves counted and what each prober said at last.
Every socket of the namespace is ours, so the two can be compared to the byte.
"""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import psutil

from tests.live.simulated import SimulatedNode

NOBODY = 1234  # neither root nor whoever the server runs as
AT_A_TIME = 100  # however slow the machine is: most connections shall be missed by each look
SEED = 20261124


class CountingSocket(socket.socket):
    """Counts what really passes."""

    sent = 0
    received = 0

    def sendall(self, data: Any, flags: int = 0) -> None:
        super().sendall(data, flags)
        self.sent += len(memoryview(data).cast("B"))

    def recv_into(self, *args: Any) -> int:
        size = super().recv_into(*args)
        self.received += size
        return size


class Clients:
    """Connects, asks, leaves in one of several ways, and keeps the sums."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self.truth = {"connections": 0, "resets": 0, "sent": 0, "received": 0}

    def visit(self, seed: int) -> None:
        """One connection from beginning to end."""
        rng = random.Random(seed)
        time.sleep(rng.uniform(0, 2))
        link = CountingSocket(socket.AF_INET)
        link.connect(("127.0.0.1", self._port))
        http = HTTPConnection("127.0.0.1", self._port)
        http.sock = link
        leave = rng.choice(["close", "reset", "half", "asked"])
        # Most are over between two looks; some live through several.
        for turn in range(rng.choice([1, 1, 1, 1, 2, 4])):
            if turn:
                time.sleep(rng.uniform(0, 1.5))
            self._ask(http, rng, last=leave == "asked" and turn == 0)
            if leave == "asked":
                break
        if leave == "reset":
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif leave == "half":
            link.shutdown(socket.SHUT_WR)
            link.recv_into(bytearray(1))
        with self._lock:
            self.truth["connections"] += 1
            self.truth["resets"] += leave == "reset"
            # The server's view: what we received, it sent.
            self.truth["sent"] += link.received
            self.truth["received"] += link.sent
        http.close()
        link.close()

    def _ask(self, http: HTTPConnection, rng: random.Random, last: bool) -> None:
        headers = {"Connection": "close"} if last else {}
        if rng.random() < 0.4:
            http.request("GET", rng.choice(["/", "/api/version", "/api/tags"]), headers=headers)
        else:
            ask = {
                "model": "smollm2:135m",
                "prompt": "why " * rng.choice([1, 10, 1000, 40000]),
                "stream": rng.random() < 0.7,
                "options": {"num_predict": rng.choice([1, 20, 200, 1500])},
            }
            http.request("POST", "/api/generate", json.dumps(ask), headers)
        http.getresponse().read()


class Watcher:
    """A prober as another user, and what it said last."""

    def __init__(self, interval: float, port: int, *options: str) -> None:
        self.interval = interval
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.live.watching", str(port)),
                *("--uid", str(NOBODY), "--interval", str(interval)),
                *options,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.snapshots: list[dict[str, Any]] = []
        self._more = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.snapshots.append(json.loads(line))
                self._more.notify_all()

    def wait(self, more: int) -> None:
        """Wait for so many further snapshots."""
        with self._more:
            wanted = len(self.snapshots) + more
            if not self._more.wait_for(lambda: len(self.snapshots) >= wanted, 60):
                raise AssertionError("no snapshot within a minute")

    def stop(self) -> None:
        """End it, and see that it takes its children along."""
        self.process.terminate()
        self.process.wait(10)


def main() -> None:
    """Everything."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    node = SimulatedNode(
        *("--tokens-per-second", "1000", "--first-token-delay", "0.01", "--load-time", "0"),
        *("--slots", "0", "--queue", "10000"),
    )
    watchers = [
        Watcher(interval, node.port, *options)
        for options in ((), ("--no-netlink",))
        for interval in (1.0, 5.0)
    ]
    for each in watchers:
        each.wait(1)
    clients = Clients(node.port)
    rng = random.Random(SEED)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(clients.visit, [rng.random() for _ in range(connections)]))
    for each in watchers:
        each.wait(2)
    told = [
        {
            "interval": each.interval,
            "looks": len(each.snapshots),
            "last": each.snapshots[-1],
            "most": max(one["ports"][str(node.port)]["established"] for one in each.snapshots),
        }
        for each in watchers
    ]
    for each in watchers:
        each.stop()
    node.stop()
    left = [each.name() for each in psutil.process_iter() if NOBODY in each.uids()]
    report = {"port": node.port, "truth": clients.truth, "told": told, "left": left}
    print(json.dumps(report))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
