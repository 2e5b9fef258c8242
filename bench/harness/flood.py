"""
A client that does not read, with a million chunks waiting for it.

The node writes as fast as it is read from.  A proxy that waits for its client
keeps its size; one that does not takes the whole answer into memory.
"""

from __future__ import annotations

import socket
import time

from .measures import Bench, Figures
from .process import Meter, resident_bytes

_BETWEEN_SAMPLES = 0.1
_END = b"\r\n0\r\n\r\n"


def flood(bench: Bench) -> Figures:
    """Growth of the proxy while a client does not read, then how fast the rest drains."""
    _ask(bench, 100).drain()  # so that growth is not what any first request costs
    before = resident_bytes(bench.pid)
    client = _ask(bench, bench.size.flood_chunks)
    sizes = _watch(bench)
    meter = Meter(bench.pid, bench.core)
    began = time.monotonic()
    received = client.drain()
    drain_s = time.monotonic() - began
    cpu, use = meter.read()
    growth = [(size - before) / 1e6 for size in sizes]
    return {
        "before_mb": before / 1e6,
        "growth_mb": max(growth),
        "growth_over_time_mb": [round(each, 1) for each in growth],
        "drain_s": drain_s,
        "drain_mb_s": received / 1e6 / drain_s,
        "cpu_us_mb": cpu / max(received / 1e6, 1e-9) * 1e6,
        "errors": client.errors,
        **use,
    }


def _ask(bench: Bench, chunks: int) -> _SlowClient:
    return _SlowClient(bench.port, chunks)


def _watch(bench: Bench) -> list[int]:
    """The proxy's resident bytes, sampled while nobody reads."""
    until = time.monotonic() + bench.size.flood_seconds
    sizes = []
    while time.monotonic() < until:
        time.sleep(_BETWEEN_SAMPLES)
        sizes.append(resident_bytes(bench.pid))
    return sizes


class _SlowClient:
    """Asks at once, reads when told to."""

    def __init__(self, port: int, chunks: int) -> None:
        self.errors: list[str] = []
        self._expected = chunks
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        body = b'{"model":"m","stream":true}'
        head = (
            f"POST /api/chat?n={chunks}&ms=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)

    def drain(self) -> int:
        """Read to the end; how many bytes came.  What is not as it should be goes to ``errors``."""
        received = stamps = 0
        tail = b""
        try:
            while not tail.endswith(_END):
                data = self._socket.recv(2**20)
                if not data:
                    self.errors.append("the answer ended early")
                    break
                received += len(data)
                stamps += data.count(b"@")  # two a chunk, but not in the last
                tail = (tail + data)[-len(_END) :] if len(data) < len(_END) else data[-len(_END) :]
        except OSError as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            self._socket.close()
        if stamps // 2 != self._expected - 1:
            self.errors.append(f"{stamps // 2 + 1} of {self._expected} chunks came")
        return received
