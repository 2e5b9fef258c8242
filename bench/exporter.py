"""
What the exporter costs beside many connections: CPU for a scrape, and for an interval's probing.

    python bench/exporter.py [CONNECTIONS]       5000 connections are 10,000 sockets; Linux only

Both ends of every connection are in this process; the exporter is a process of its own.
"""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
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
        before = cpu(exporter.pid)
        time.sleep(INTERVALS * INTERVAL)
        after = cpu(exporter.pid)
        own, children = ((b - a) / INTERVALS * 1000 for a, b in zip(before, after, strict=True))
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
    print(f"an interval: {own:6.2f} ms of CPU in the exporter, {children:.2f} ms in its tools")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
