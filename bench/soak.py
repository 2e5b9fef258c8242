"""
A long time with everything that happens to a gateway, and whether it is as it was afterwards.

    python bench/soak.py [--minutes 10] [--clients 40] [--seed 1]

Clients ask and read, leave in mid-answer, read slowly, send nonsense or half of a
request; meanwhile nodes are killed and come back, stand still for a while, are drained,
and the configuration is loaded again.  Told are: what the clients were told, memory and
descriptors of the gateway by the minute, and whatever should not be: an answer that ended
as if it were complete and was not, a place that was never given back, a traceback in the log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
NODES = 3
PATIENCE = 60.0
ASK = {"model": "smollm2:135m", "messages": [{"role": "user", "content": "Tell me a story."}]}


@dataclass
class Program:
    """A child that tells where it listens, and can be started again at the same place."""

    options: list[str]
    log: Path
    port: int = 0
    child: subprocess.Popen[bytes] | None = None
    _heard: int = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "twisted", *self.options, "--announce"]
        listen = f"tcp:{self.port}:interface=127.0.0.1"
        command += (
            ["--listen", listen] if "ollama-gateway" in self.options else ["--port", f"{self.port}"]
        )
        told = self.log.open("a")
        self.child = subprocess.Popen(
            command,
            cwd=self.log.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=told,
            stderr=told,
        )
        with self.log.open() as heard:
            heard.seek(self._heard)
            line = ""
            while "listening on " not in line or not line.endswith("\n"):
                if self.child.poll() is not None:
                    raise SystemExit(f"{self.options} did not start: see {self.log}")
                time.sleep(0.02)
                line = (
                    heard.readline() if line.endswith("\n") or not line else line + heard.readline()
                )
            self._heard = heard.tell()
        told.close()
        self.port = int(line.rpartition(":")[2])

    def signal(self, number: int) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def end(self) -> None:
        if self.child is not None:
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
            self.child.wait()


@dataclass
class Soak:
    """What goes on, and what came of it."""

    gateway: Program
    nodes: list[Program]
    config: Path
    random: Random
    told: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    over: bool = False

    def configure(self) -> None:
        """Write the configuration, in which the nodes have other weights each time."""
        listed = [
            {
                "name": f"node-{n + 1}",
                "url": f"http://127.0.0.1:{node.port}",
                "weight": self.random.randint(1, 4),
            }
            for n, node in enumerate(self.nodes)
        ]
        self.config.write_text(json.dumps({"nodes": listed, "health": {"interval": 0.5}}))

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.gateway.port)

    async def ask(
        self, path: str, body: bytes | None = None, method: str = "POST"
    ) -> tuple[int, bytes, bool]:
        """Status, body, and whether that is whole; on a connection of its own."""
        reader, writer = await self.open()
        try:
            writer.write(_request(path, body, method))
            return await _answer(reader, 0.0)
        finally:
            writer.close()

    async def reads(self, pause: float = 0.0) -> None:
        """Ask for a stream and read all of it."""
        reader, writer = await self.open()
        try:
            writer.write(_request("/api/chat", json.dumps(ASK).encode()))
            status, body, whole = await _answer(reader, pause)
        finally:
            writer.close()
        if status != 200:
            self.told[f"{status}: {_words(body)}"] += 1
            return
        last = body.strip().rpartition(b"\n")[2]
        if b'"done":true' in last:
            self.told["whole answers"] += 1
        elif b'"error"' in last or not whole:
            self.told["answers cut, and known to be"] += 1
        else:
            self.wrong.append(f"an answer ended as if it were complete: {last[-200:]!r}")

    async def reads_slowly(self) -> None:
        await self.reads(pause=0.05)

    async def leaves(self) -> None:
        """Ask, hear the beginning, and go, sometimes rudely."""
        reader, writer = await self.open()
        writer.write(_request("/api/chat", json.dumps(ASK).encode()))
        if self.random.random() < 0.7:
            await reader.read(200)
        if self.random.random() < 0.5:
            writer.transport.abort()
        writer.close()
        self.told["clients that left"] += 1

    async def stops_halfway(self) -> None:
        """Send a part of a request, wait a moment, and go."""
        _, writer = await self.open()
        whole = _request("/api/chat", json.dumps(ASK).encode())
        writer.write(whole[: self.random.randrange(len(whole))])
        await asyncio.sleep(self.random.random())
        writer.close()
        self.told["requests that never came"] += 1

    async def talks_nonsense(self) -> None:
        """Ask for what is not there, or in no language."""
        body, path = self.random.choice(
            [
                (b'{"model": "no-such-model", "prompt": "?"}', "/api/generate"),
                (b'{"model": ', "/api/generate"),
                (b"\x00\xff" * 100, "/v1/chat/completions"),
                (json.dumps({**ASK, "model": 5}).encode(), "/api/chat"),
                (b"{}", "/nowhere"),
            ]
        )
        status, _, _ = await self.ask(path, body)
        self.told[f"nonsense: {status}"] += 1
        if status < 400 or status == 500:
            self.wrong.append(f"{path} {body[:40]!r}: {status}")

    async def lists(self) -> None:
        path = self.random.choice(
            ["/api/tags", "/api/ps", "/api/version", "/v1/models", "/metrics"]
        )
        status, _, _ = await self.ask(path, None, "GET")
        self.told[f"GET {path}: {status}"] += 1

    async def client(self) -> None:
        """One client after the other, until it is over."""
        acts: list[Callable[[], Awaitable[None]]] = [
            self.reads,
            self.reads_slowly,
            self.leaves,
            self.stops_halfway,
            self.talks_nonsense,
            self.lists,
        ]
        while not self.over:
            (act,) = self.random.choices(acts, [8, 2, 3, 1, 2, 2])
            try:
                await asyncio.wait_for(act(), PATIENCE)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                self.told[f"{act.__name__}: {type(error).__name__}"] += 1
            except asyncio.TimeoutError:
                self.wrong.append(f"{act.__name__} had no answer for {PATIENCE:g} s")

    async def trouble(self) -> None:
        """One thing after the other happens to the nodes and the gateway."""
        while not self.over:
            await asyncio.sleep(self.random.uniform(1, 4))
            node = self.random.choice(self.nodes)
            name = f"node-{self.nodes.index(node) + 1}"
            kind = self.random.choice(["kill", "stop", "reload", "drain"])
            self.told[f"happened: {kind}"] += 1
            if kind == "kill":
                node.end()
                await asyncio.sleep(self.random.uniform(0.2, 3))
                await asyncio.to_thread(node.start)
            elif kind == "stop":
                node.signal(signal.SIGSTOP)
                await asyncio.sleep(self.random.uniform(0.2, 3))
                node.signal(signal.SIGCONT)
            elif kind == "reload":
                self.configure()
                self.gateway.signal(signal.SIGHUP)
            else:
                await self.ask(f"/nodes/{name}/drain", b"")
                await asyncio.sleep(self.random.uniform(0.2, 2))
                await self.ask(f"/nodes/{name}/resume", b"")

    async def watch(self, minutes: float) -> None:
        """A line each minute."""
        print(f"{'minute':>7} {'RSS MB':>8} {'files':>6} {'CPU s':>7} {'asked':>8}", flush=True)
        began = time.monotonic()
        for minute in range(1, max(1, round(minutes)) + 1):
            await asyncio.sleep(max(0.0, began + minute * min(60, minutes * 60) - time.monotonic()))
            self.line(f"{minute}")

    def line(self, name: str) -> None:
        rss, files, cpu = _use(self.gateway)
        asked = sum(number for what, number in self.told.items() if not what.startswith("happened"))
        print(f"{name:>7} {rss:8.1f} {files:6} {cpu:7.1f} {asked:8}", flush=True)

    async def settled(self) -> None:
        """Nothing is under way any more."""
        for _ in range(100):
            _, body, _ = await self.ask("/health", None, "GET")
            nodes = json.loads(body)["nodes"]
            held = {name: node["active_connections"] for name, node in nodes.items()}
            if not any(held.values()):
                return
            await asyncio.sleep(0.2)
        self.wrong.append(f"places never given back: {held}")


def _request(path: str, body: bytes | None, method: str = "POST") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + (body or b"")


async def _answer(reader: asyncio.StreamReader, pause: float) -> tuple[int, bytes, bool]:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(None, 2)[1])
    parts = []
    try:
        while part := await reader.read(500 if pause else 65536):
            parts.append(part)
            if pause:
                await asyncio.sleep(pause)
    except ConnectionError:
        return status, b"".join(parts), False
    body = b"".join(parts)
    if b"chunked" not in head.lower():
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        return status, body, length is None or len(body) == int(length[1])
    return status, b"".join(_chunks(body)), body.endswith(b"0\r\n\r\n")


def _chunks(body: bytes) -> list[bytes]:
    found, at = [], 0
    while (stop := body.find(b"\r\n", at)) > 0:
        size = int(body[at:stop], 16)
        found.append(body[stop + 2 : stop + 2 + size])
        at = stop + 4 + size
    return found


def _words(body: bytes) -> str:
    """An error without what differs from one to the next."""
    try:
        said = json.loads(body)["error"]
    except (ValueError, KeyError):
        said = body.decode("utf-8", "replace")
    return re.sub(r"\(.*\)", "(...)", str(said))[:80]


def _use(program: Program) -> tuple[float, int, float]:
    """Megabytes of resident memory, open files, and seconds of CPU."""
    assert program.child is not None
    folder = Path(f"/proc/{program.child.pid}")
    pages = int((folder / "statm").read_text().split()[1])
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    cpu = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(list((folder / "fd").iterdir())), cpu


async def soak(options: argparse.Namespace, folder: Path) -> int:
    """All of it; the exit code."""
    simulator = ["ollama-simulator", "--first-token-delay", "0.05", "--tokens-per-second", "100"]
    nodes = [Program(simulator, folder / f"node-{n + 1}.log") for n in range(NODES)]
    gateway = Program(["--log-level", "info", "ollama-gateway"], folder / "gateway.log")
    try:
        for node in nodes:
            node.start()
        run = Soak(gateway, nodes, folder / "nodes.json", Random(options.seed))
        run.configure()
        gateway.options += ["--config", str(run.config)]
        gateway.start()
        run.line("start")
        clients = [asyncio.create_task(run.client()) for _ in range(options.clients)]
        trouble = asyncio.create_task(run.trouble())
        await run.watch(options.minutes)
        run.over = True
        await asyncio.gather(trouble, *clients)
        await run.settled()
        run.line("rest")
    finally:
        for program in (gateway, *nodes):
            program.end()
    log = gateway.log.read_text(errors="replace")
    run.wrong += [line for line in log.splitlines() if "Traceback" in line or "Unhandled" in line]
    for what, number in sorted(run.told.items()):
        print(f"{number:8}  {what}")
    for each, number in Counter(run.wrong).items():
        print(f"WRONG {number} times: {each}")
    return 1 if run.wrong else 0


def main() -> int:
    """Run it with what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, help="folder for the logs, which are deleted otherwise"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
        return asyncio.run(soak(options, options.keep or Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
