"""
What the exporter costs beside many connections: CPU for a scrape, and for an interval's probing.

    python bench/exporter.py [CONNECTIONS]       5000 connections are 10,000 sockets; Linux only

Both ends of every connection are in this process; the exporter is a process of its own.
An interval is measured twice: while nothing passes, and while every connection carries
something between two looks.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INTERVAL = 2.0
INTERVALS = 10
SCRAPES = 200
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> tuple[float, float]:
    """Seconds of CPU that a process has used, and those that its ended children have used."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    user, system, of_user, of_system = (int(each) / TICKS for each in fields[11:15])
    return user + system, of_user + of_system


def connect(port: int, listener: socket.socket, count: int) -> list[socket.socket]:
    """So many connections to ourselves; both ends of each."""
    ends = []
    for _ in range(count):
        ends.append(socket.create_connection(("127.0.0.1", port)))
        ends.append(listener.accept()[0])
    return ends


def move(ends: list[socket.socket]) -> None:
    """Have every connection carry a question and an answer."""
    for client, server in zip(ends[::2], ends[1::2], strict=True):
        client.send(b"x" * 100)
        server.recv(100)
        server.send(b"y" * 300)
        client.recv(300)


def intervals(pid: int, between: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds of CPU an interval, in the exporter and in its tools."""
    before, began = cpu(pid), time.monotonic()
    for number in range(INTERVALS):
        between()
        time.sleep(max(began + (number + 1) * INTERVAL - time.monotonic(), 0))
    after = cpu(pid)
    own, children = ((b - a) / INTERVALS * 1000 for a, b in zip(before, after, strict=True))
    return own, children


def main(count: int) -> None:
    """Measure, and print."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * count + 100)), hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listener.getsockname()[1]
    ends = connect(port, listener, count)
    command = ["ollama-exporter", "--listen", "tcp:0:interface=127.0.0.1", "--announce"]
    command += ["--ollama-port", str(port), "--interval", str(INTERVAL), "--stop-on-stdin-eof"]
    exporter = subprocess.Popen(
        [sys.executable, "-m", "twisted", "--log-level", "warn", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert exporter.stdout is not None
    while not (line := exporter.stdout.readline()).startswith("listening on "):
        pass
    connection = HTTPConnection("127.0.0.1", int(line.rpartition(":")[2]), timeout=30)

    def scrape() -> str:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()

    try:
        time.sleep(2 * INTERVAL)
        while "ollama_connections{" not in scrape():
            time.sleep(0.2)
        shown = next(
            each for each in scrape().splitlines() if each.startswith("ollama_connections{")
        )
        own, children = intervals(exporter.pid, lambda: None)
        moving, of_moving = intervals(exporter.pid, lambda: move(ends))
        # The exporter has hung up meanwhile: nobody asked for anything.
        connection.close()
        # Waiting in between, so that a scrape is not paid for with a look.
        idle = own / INTERVAL / 1000
        began, before = time.monotonic(), cpu(exporter.pid)
        for _ in range(SCRAPES):
            scrape()
        elapsed, after = time.monotonic() - began, cpu(exporter.pid)
        each = (after[0] - before[0] - idle * elapsed) / SCRAPES * 1000
    finally:
        exporter.communicate()
    print(f"{len(ends)} sockets and a listener; the exporter says {shown}")
    print(f"a scrape:    {each:6.2f} ms of CPU")
    for what, ours, tools in (
        ("an interval", own, children),
        ("the same, all sockets moving bytes", moving, of_moving),
    ):
        print(
            f"{what}: {ours:.2f} ms of CPU in the exporter, {tools:.2f} ms in its tools,"
            f" {ours + tools:.2f} ms in all"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
