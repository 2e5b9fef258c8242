"""
Ten thousand sockets, and what it costs to look at them.

Run as ``unshare -n python -m tests.live.crowd``; prints, as one object of JSON,
the CPU seconds of each interval, children included, and those of ``ss`` alone, which
is what they are held against: no two machines take equally long.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
from itertools import pairwise

from ollama_twisted.probe import ss
from tests.live.accounting import Watcher

CLIENTS = 5000
LOOKS = 12


def main() -> None:
    """Connect them all, look for a while, and print."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listener.getsockname()[1]
    held = []
    for _ in range(CLIENTS):
        client = socket.create_connection(("127.0.0.1", port))
        server = listener.accept()[0]
        client.sendall(b"q" * 100)
        server.sendall(b"a" * 1000)
        held += [client, server]
    watcher = Watcher(0.5, port)
    watcher.wait(1)
    alone = []
    for _ in range(LOOKS // 2):
        watcher.wait(1)
        alone.append(_dump(port))
    idle = len(watcher.snapshots)
    for _ in range(LOOKS // 2):
        # Every one of them has something to tell at every look.
        for server in held[1::2]:
            server.sendall(b"a")
        watcher.wait(1)
        alone.append(_dump(port))
    # A look that is cut short when it is told to stop is one that saw nothing.
    looks = [*watcher.snapshots]
    watcher.stop()
    spent = [later["cpu"] - before["cpu"] for before, later in pairwise(looks)]
    last = looks[-1]["ports"][str(port)]
    told = {"ss": alone, "idle": spent[: idle - 1], "busy": spent[idle - 1 :], "last": last}
    print(json.dumps(told))


def _dump(port: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(ss.dump_command([port]), check=True, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
