#!/usr/bin/env python3
"""
What a request costs the gateway itself, steadily, on a machine that is not quiet.

    python bench/inprocess.py [--paths get,post,...] [--rounds 200]
    python bench/inprocess.py --paths get --instructions       with valgrind: counts, not times

Clients, gateway and node are one process over real sockets on loopback.  Only the
gateway's turns are timed, in CPU time of the thread, and the fastest tenth of many short
rounds tells what they take when nobody disturbs.  Instructions come out the same
within a percent whatever else the machine does; the kernel's are not among them, and
the clients' and the node's are, which are few.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from twisted.internet import reactor as _reactor  # noqa: E402
from twisted.web.resource import Resource  # noqa: E402

from ollama_twisted.clock import use_monotonic_time  # noqa: E402
from ollama_twisted.config.resolved import Address, Config, NodeConfig  # noqa: E402
from ollama_twisted.garbage import spare_the_collector  # noqa: E402
from ollama_twisted.gateway.accesslog import AccessLog  # noqa: E402
from ollama_twisted.gateway.core import Gateway  # noqa: E402
from ollama_twisted.gateway.polling import poll_without_log_context  # noqa: E402
from ollama_twisted.gateway.site import GatewaySite  # noqa: E402
from ollama_twisted.gateway.transport import eager  # noqa: E402
from ollama_twisted.gateway.upstream import endpoint_for  # noqa: E402
from ollama_twisted.metrics import GatewayMetrics  # noqa: E402
from ollama_twisted.pool.models import NodeModels  # noqa: E402
from ollama_twisted.pool.pool import NodePool  # noqa: E402

reactor: Any = _reactor
CLIENTS = 50
TOKEN = (
    b'{"model":"m","created_at":"2026-01-01T00:00:00.000000000Z","response":"%s","done":false}\n'
)
FINAL = b'{"model":"m","done":true,"total_duration":9,"prompt_eval_count":5,"eval_count":60}\n'


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _get(path: bytes) -> bytes:
    # What wrk sends.
    return b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:11435\r\n\r\n" % path


def _post(path: bytes, body: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:11435\r\nContent-Type: application/json\r\n"
    return head % path + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _whole(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_PIECE = _chunk(TOKEN % (b"x" * 50))
_ASK = b'{"model":"m","prompt":"why?"}'
_EMBED = b'{"model":"m","input":"%b"}' % (b"x" * 4000)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One kind of exchange: what a client sends, and what the node answers, part by part."""

    about: str
    request: bytes
    answer: Sequence[bytes]
    #: How many of the unit that is told of are in one exchange.
    units: float = 1.0
    unit: str = "request"


PATHS = {
    "get": Exchange("GET of a tiny answer", _get(b"/api/status"), [_whole(b'{"cloud":null}')]),
    "post": Exchange(
        "POST of 4 KB, answer of 200 bytes",
        _post(b"/api/embed", _EMBED),
        [_whole(b'{"model":"m","embeddings":[[%b0]]}' % (b"0.1," * 40))],
    ),
    "stream": Exchange(
        "stream of 60 chunks, one a read",
        _post(b"/api/generate", _ASK),
        [_STREAM + _PIECE, *[_PIECE] * 58, _chunk(FINAL) + b"0\r\n\r\n"],
        60,
        "chunk",
    ),
    "flood": Exchange(
        "stream of 2,000 chunks, many a read",
        _post(b"/api/generate", _ASK),
        [_STREAM + _PIECE, *[_PIECE * 222] * 9, _chunk(FINAL) + b"0\r\n\r\n"],
        1.999 * len(_PIECE) / 1000,
        "MB",
    ),
    "embed": Exchange(
        "answer of 256 KB with a length",
        _post(b"/api/embed", b'{"model":"m","input":"x"}'),
        [_whole(b'{"model":"m","embeddings":[[%b0]]}' % (b"0.12345," * 32768))],
        0.262,
        "MB",
    ),
}


class Bench:
    """A gateway, its one node and its clients, in this process."""

    def __init__(self, folder: Path) -> None:
        use_monotonic_time(reactor)
        poll_without_log_context(reactor)
        self._node = socket.create_server(("127.0.0.1", 0), backlog=1024)
        port = self._node.getsockname()[1]
        config = Config(nodes=(NodeConfig("bench", (Address("http", "127.0.0.1", port),)),))
        transports = eager(reactor)
        self._gateway = gateway = Gateway(
            config, NodePool(config, Random(1)), endpoint_for(transports), reactor
        )
        gateway.metrics = GatewayMetrics(gateway.view, "bench")
        gateway.access_log = AccessLog(
            str(folder / "access.log"), "json", reactor.seconds, lambda call, done: (call(), done())
        )
        listed = [{"name": "m", "model": "m"}]
        gateway.learn(["m"])
        models = NodeModels.from_lists(listed, listed)
        gateway.pool.checked("bench", reactor.seconds(), True, models=models)
        site = GatewaySite(Resource(), gateway)
        listening = transports.listenTCP(0, site, interface="127.0.0.1")
        self._clients = [
            socket.create_connection(("127.0.0.1", listening.getHost().port))
            for _ in range(CLIENTS)
        ]
        for client in self._clients:
            client.setblocking(False)
        self._nodes: list[socket.socket] = []
        self._node.setblocking(False)
        spare_the_collector()

    def _turn(self) -> float:
        began = time.thread_time()
        reactor.iterate(0)
        return time.thread_time() - began

    def round(self, path: Exchange) -> float:
        """Each client asks once; CPU seconds that the gateway took for all."""
        for client in self._clients:
            client.send(path.request)
        took = 0.0
        unread = dict.fromkeys(self._nodes, len(path.request) // 10 * 9)
        asked = 0
        while asked < CLIENTS:
            took += self._turn()
            asked += self._listen(unread)
        for part in path.answer:
            took += self._pass_on(part)
        while self._in_flight():
            took += self._pass_on(b"")
        return took

    def _in_flight(self) -> int:
        return sum(node.in_flight for node in self._gateway.pool.nodes.values())

    def _listen(self, unread: dict[socket.socket, int]) -> int:
        """What the node hears; to how many requests it can now answer."""
        with suppress(BlockingIOError):
            while True:
                node, _ = self._node.accept()
                node.setblocking(False)
                self._nodes.append(node)
                unread[node] = 1
        asked = 0
        for node, least in unread.items():
            if least > 0:
                with suppress(BlockingIOError):
                    unread[node] -= len(node.recv(65536))
                    asked += unread[node] <= 0
        return asked

    def _pass_on(self, part: bytes) -> float:
        """Have a part of each answer carried from the node to the clients."""
        took = 0.0
        waiting = [(node, part) for node in self._nodes] if part else []
        while True:
            waiting = [(node, rest[_send(node, rest) :]) for node, rest in waiting]
            waiting = [(node, rest) for node, rest in waiting if rest]
            took += self._turn()
            for client in self._clients:
                with suppress(BlockingIOError):
                    while len(client.recv(2**20)) == 2**20:
                        pass
            if not waiting:
                return took


def _send(to: socket.socket, data: bytes) -> int:
    try:
        return to.send(data)
    except BlockingIOError:
        return 0


def measure(names: Sequence[str], rounds: int) -> None:
    """Print what each path takes."""
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for name in names:
            path = PATHS[name]
            for _ in range(20):
                bench.round(path)
            taken = sorted(bench.round(path) / CLIENTS * 1e6 for _ in range(rounds))
            fast, middle = taken[rounds // 10] / path.units, statistics.median(taken) / path.units
            print(
                f"{name:8} {path.about:36} {fast:9.2f} us/{path.unit:8}"
                f" (median {middle:9.2f}, of {rounds} rounds)",
                flush=True,
            )


def count(names: Sequence[str], rounds: int) -> None:
    """Print how many instructions each path takes, by valgrind's count."""
    for name in names:
        path = PATHS[name]
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        command += ["--callgrind-out-file=/dev/null", sys.executable, __file__]
        command += ["--paths", name, "--rounds", str(rounds), "--counted"]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode or not found:
            raise SystemExit(f"valgrind failed: {done.stderr[-500:]}")
        each = int(found[1]) / rounds / CLIENTS / path.units
        print(f"{name:8} {path.about:36} {each:11,.0f} instructions/{path.unit}", flush=True)


def run_counted(name: str, rounds: int) -> None:
    """What ``count`` starts below valgrind: only the rounds themselves are counted."""
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for _ in range(5):
            bench.round(PATHS[name])
        for switch in ("on", "off"):
            subprocess.run(
                ["callgrind_control", "-i", switch, str(os.getpid())],
                stdout=subprocess.DEVNULL,
                check=True,
            )
            if switch == "on":
                for _ in range(rounds):
                    bench.round(PATHS[name])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paths", default=",".join(PATHS), help=", ".join(PATHS))
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--counted", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.paths.split(",")
    if unknown := [name for name in names if name not in PATHS]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(PATHS)}")
    if options.counted:
        run_counted(names[0], options.rounds)
    elif options.instructions:
        count(names, options.rounds or 20)
    else:
        measure(names, options.rounds or 200)


if __name__ == "__main__":
    main()
