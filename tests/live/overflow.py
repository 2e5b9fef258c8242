"""
An ``ss -E`` that cannot keep up, and what the sums say then.

Run as ``unshare -n python -m tests.live.overflow``; prints, as one object of
JSON, what was known before, right after and some looks later.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading

import psutil

from tests.live.accounting import Watcher

SIZE = 1000


def main() -> None:
    """Serve, stop ss for a while, and let it go on."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listener.getsockname()[1]
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    watcher = Watcher(1.0, port)
    watcher.wait(1)

    def told() -> object:
        last = watcher.snapshots[-1]
        return {**last["ports"][str(port)], "events": last["probes"]["ss_events"]}

    _visit(port, 100)
    watcher.wait(2)
    before = told()
    (events,) = [
        child
        for child in psutil.Process(watcher.process.pid).children(recursive=True)
        if "-E" in child.cmdline()
    ]
    os.kill(events.pid, signal.SIGSTOP)
    _visit(port, 14_000)
    os.kill(events.pid, signal.SIGCONT)
    watcher.wait(2)
    worst = next(
        (each["ports"][str(port)]["quality"] for each in watcher.snapshots
         if each["ports"][str(port)]["quality"] != "exact"),
        "exact",
    )  # fmt: skip
    watcher.wait(3)
    after = told()
    _visit(port, 100)
    watcher.wait(2)
    later = told()
    watcher.stop()
    print(json.dumps({"before": before, "worst": worst, "after": after, "later": later}))


def _serve(listener: socket.socket) -> None:
    while True:
        server = listener.accept()[0]
        server.sendall(b"a" * SIZE)
        server.recv(1)
        server.close()


def _visit(port: int, times: int) -> None:
    for _ in range(times):
        client = socket.create_connection(("127.0.0.1", port))
        left = SIZE
        while left:
            left -= len(client.recv(left))
        client.close()


if __name__ == "__main__":
    main()
