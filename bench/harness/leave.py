"""
How long after a client has left its node notices, so that no GPU works for nobody.

The client notes the time just before it closes; the node notes the time at
which it found its connection gone; both clocks are the same.
"""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable
from statistics import median, quantiles

from .measures import Bench, Figures
from .node import NodeView

_PATIENCE = 3.0
_ENOUGH_MISSED = 5
_ENOUGH_SECONDS = 20.0
_numbers = itertools.count(1)
_PIPELINED = b"GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_PIPELINED_BYTES = 40 * 1024

Departure = Callable[[Bench, NodeView, int], socket.socket]


def leave(bench: Bench) -> Figures:
    """Time to the node's notice, for clients that leave at three moments."""
    node = NodeView(bench.node_port)
    figures: Figures = {"errors": []}
    for name, departure in DEPARTURES.items():
        figures[name] = _many(bench, node, departure)
    node.close()
    return figures


def _many(bench: Bench, node: NodeView, departure: Departure) -> Figures:
    times_ms: list[float] = []
    missed = 0
    enough = time.monotonic() + _ENOUGH_SECONDS
    for _ in range(bench.size.leaves):
        taken = _one(bench, node, departure)
        if taken is None:
            missed += 1
        else:
            times_ms.append(taken)
        if missed == _ENOUGH_MISSED or time.monotonic() > enough:
            break
    return {
        "n": len(times_ms),
        "missed": missed,
        "p50_ms": median(times_ms) if times_ms else None,
        "p99_ms": quantiles(times_ms, n=100)[98] if len(times_ms) > 1 else None,
        "max_ms": max(times_ms, default=None),
    }


def _one(bench: Bench, node: NodeView, departure: Departure) -> float | None:
    """Milliseconds to the node's notice; None when it did not notice while the stream went on."""
    number = next(_numbers)
    client = departure(bench, node, number)
    left = time.monotonic_ns()
    client.close()
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        time.sleep(0.005)
        noticed = node.cancelled_ns(number)
        if noticed:
            return (noticed - left) / 1e6
    return None


def _ask(bench: Bench, settings: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", bench.port), timeout=10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = b'{"model":"m","stream":true}'
    head = (
        f"POST /api/chat?{settings} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    return client


def _in_the_stream(bench: Bench, node: NodeView, number: int) -> socket.socket:
    """One in the silence after the first chunk: the next comes a second later."""
    client = _ask(bench, f"n=1000&ms=1000&id={number}")
    _read_chunk(client)
    return client


def _before_the_first_byte(bench: Bench, node: NodeView, number: int) -> socket.socket:
    """One whose node is still thinking."""
    active = int(node.stats()["active"])
    client = _ask(bench, f"n=10&ms=50&wait=5000&id={number}")
    node.wait_active(active + 1, patience=5)
    return client


def _with_more_sent(bench: Bench, node: NodeView, number: int) -> socket.socket:
    """One that has sent 40 KB of further requests behind the one that is being answered."""
    client = _in_the_stream(bench, node, number)
    client.sendall(_PIPELINED * (_PIPELINED_BYTES // len(_PIPELINED)))
    time.sleep(0.01)
    return client


def _read_chunk(client: socket.socket) -> None:
    seen = b""
    while b"@@" not in seen:
        data = client.recv(65536)
        if not data:
            raise ConnectionError(f"the answer ended early: {seen[:100]!r}")
        seen += data


DEPARTURES: dict[str, Departure] = {
    "in_stream": _in_the_stream,
    "waiting": _before_the_first_byte,
    "pipelined": _with_more_sent,
}
