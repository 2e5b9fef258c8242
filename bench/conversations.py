"""
Mixed-model conversations through the gateway: which strategy spares most loads and waits.

For each strategy in turn the same nodes are started afresh (simulators), a gateway
in front of them, and the same seeded conversations led through it: each is with one
model, chosen by Zipf's law, has a few turns, and sends all that was said again each time.

    python bench/conversations.py
    python bench/conversations.py --engine llama --conversations 24 --models 2 --max-loaded 1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.request import urlopen

STRATEGIES = "round_robin,least_connections,warm_first,prefix_affinity,adaptive"
WORDS = ("river", "stone", "market", "winter", "garden", "letter", "engine", "silver", "music")


@dataclass
class Figures:
    """What came of one strategy."""

    firsts: list[float] = field(default_factory=list)
    followings: list[float] = field(default_factory=list)
    errors: int = 0
    loads: int = 0
    seconds: float = 0.0


@dataclass
class Conversation:
    """One conversation as it will be led."""

    number: int
    model: str
    system: str
    questions: list[str]
    context: int | None


def conversations(options: argparse.Namespace) -> list[Conversation]:
    """The same for each strategy, as the seed has it."""
    random = Random(options.seed)
    weights = [1 / rank for rank in range(1, options.models + 1)]
    found = []
    for number in range(options.conversations):
        (rank,) = random.choices(range(options.models), weights)
        found.append(
            Conversation(
                number,
                f"m{rank}:135m",
                f"You are assistant {number}. " + _text(random, options.system_words),
                [_text(random, options.question_words) for _ in range(options.turns)],
                random.choice([2048, 4096]) if options.contexts else None,
            )
        )
    return found


def _text(random: Random, words: int) -> str:
    return " ".join(random.choice(WORDS) for _ in range(words))


async def lead(
    talk: Conversation, port: int, options: argparse.Namespace, figures: Figures, random: Random
) -> None:
    """All turns of one conversation, with a while to think between them."""
    messages = [{"role": "system", "content": talk.system}]
    for turn, question in enumerate(talk.questions):
        messages.append({"role": "user", "content": question})
        settings: dict[str, int] = {"num_predict": options.answer_tokens, "seed": 1}
        if talk.context is not None:
            settings["num_ctx"] = talk.context
        body = {"model": talk.model, "messages": messages, "options": settings}
        try:
            first, answer = await ask(port, json.dumps(body).encode())
        except (OSError, ValueError, asyncio.IncompleteReadError):
            figures.errors += 1
            return
        (figures.followings if turn else figures.firsts).append(first)
        messages.append({"role": "assistant", "content": answer})
        await asyncio.sleep(random.expovariate(1 / options.think))


async def ask(port: int, body: bytes) -> tuple[float, str]:
    """Seconds to the first token, and the whole answer; ValueError if it is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        begun, first, text = time.perf_counter(), 0.0, ""
        writer.write(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(repr(head.split(b"\r\n")[0]))
        done = False
        async for line in reader:
            if line.startswith(b"{"):
                first = first or time.perf_counter() - begun
                piece = json.loads(line)
                text += piece.get("message", {}).get("content", "")
                done = done or bool(piece.get("done"))
        if not done:
            raise ValueError("cut short")
        return first, text
    finally:
        writer.close()


async def lead_all(options: argparse.Namespace, port: int) -> Figures:
    """So many conversations at a time, until all were led."""
    figures, random = Figures(), Random(options.seed)
    waiting = iter(conversations(options))

    async def one_after_another() -> None:
        for talk in waiting:
            await lead(talk, port, options, figures, random)

    begun = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(options.concurrency)))
    figures.seconds = time.perf_counter() - begun
    return figures


@contextmanager
def program(name: str, *options: str) -> Iterator[int]:
    """One of our own programs on a port of its own, for as long as the block lasts."""
    root = str(Path(__file__).resolve().parent.parent)
    child = subprocess.Popen(
        # Nobody reads what it prints later; a log would fill the pipe, and it would stand still.
        [sys.executable, "-m", "twisted", "--log-level", "warn", name, *options, "--announce"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if "listening on" in line:
                break
        else:
            raise SystemExit(f"{name} did not start: {child.args!r}")
        yield int(line.strip().rpartition(":")[2])
    finally:
        child.terminate()
        child.wait()


def measure(options: argparse.Namespace, strategy: str) -> Figures:
    """Nodes and gateway started afresh, and all conversations led through them."""
    if not options.nodes:
        raise SystemExit("at least one node")
    models = [f"--model=m{rank}:135m" for rank in range(options.models)]
    said = [
        "--port=0",
        f"--engine={options.engine}",
        f"--slots={options.slots}",
        f"--max-loaded={options.max_loaded}",
        f"--load-time={options.load_time}",
        "--tokens-per-second=100",
        "--first-token-delay=0.02",
        f"--prompt-tokens-per-second={options.prompt_rate}",
        f"--answer-tokens={options.answer_tokens}",
        *models,
    ]
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        ports = [
            stack.enter_context(program("ollama-simulator", *said)) for _ in range(options.nodes)
        ]
        nodes = [
            {"name": f"n{index}", "url": f"http://127.0.0.1:{port}"}
            for index, port in enumerate(ports)
        ]
        file = Path(folder) / "nodes.json"
        file.write_text(json.dumps({"nodes": nodes, "strategy": strategy}))
        port = stack.enter_context(
            program("ollama-gateway", f"--config={file}", "--port=0", "--access-log=off")
        )
        figures = asyncio.run(lead_all(options, port))
        for each in ports:
            with urlopen(f"http://127.0.0.1:{each}/simulator/state") as answer:
                figures.loads += json.load(answer)["loads"]
    return figures


def at(share: float, values: list[float]) -> str:
    """The value below which such a share of the values lies, in milliseconds."""
    if not values:
        return "-"
    return f"{sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000:.0f}"


def main() -> None:
    """Measure each strategy, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n")[0])
    parser.add_argument("--strategies", default=STRATEGIES, help="comma separated")
    parser.add_argument("--engine", default="canned", choices=["canned", "llama"])
    for name, value in {
        "nodes": 4,
        "models": 6,
        "max-loaded": 2,
        "slots": 4,
        "conversations": 60,
        "concurrency": 12,
        "turns": 4,
        "answer-tokens": 16,
        "system-words": 300,
        "question-words": 60,
        "seed": 1,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"({value})")
    parser.add_argument("--load-time", type=float, default=1.0, help="canned: seconds (1)")
    parser.add_argument("--prompt-rate", type=float, default=1000.0, help="canned: tokens/s (1000)")
    parser.add_argument("--think", type=float, default=0.2, help="mean pause, in seconds (0.2)")
    parser.add_argument("--contexts", action="store_true", help="half ask for another num_ctx")
    options = parser.parse_args()
    print(
        "| strategy | loads | TTFT p50 ms | p95 ms | following turns p50 | p95 | seconds | errors |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for strategy in options.strategies.split(","):
        found = measure(options, strategy)
        both = found.firsts + found.followings
        cells = [at(0.5, both), at(0.95, both), at(0.5, found.followings)]
        cells += [at(0.95, found.followings), f"{found.seconds:.0f}", str(found.errors)]
        print(f"| {strategy} | {found.loads} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
