"""
How many frames a second the topology page draws of a crowded pool, without a graphics processor.

    python bench/topology.py [NODES]             200 by default; Chromium and its driver are needed

A real gateway has so many nodes, which are a few simulators under many names, and answers
chats all the while.  Of each view the frames of ten seconds are counted, as the page's own
animation sees them: twice, since neighbours come and go.
"""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.live.browser import browser
from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

MODELS = ("llama3.2:3b", "qwen3:8b", "gemma3:12b", "gpt-oss:120b")
SECONDS = 10
ROUNDS = 2
CLIENTS = 8

# The gaps between frames, in milliseconds.
FRAMES = """
const [seconds, done] = arguments;
const gaps = [];
const began = performance.now();
let last = began;
requestAnimationFrame(function frame(now) {
  gaps.push(now - last);
  last = now;
  if (now - began < seconds * 1000) requestAnimationFrame(frame);
  else done(gaps.slice(1));
});
"""


def chat(gateway: RunningGateway, model: str, over: threading.Event) -> None:
    """Ask, again and again."""
    for number in count():
        if over.is_set():
            return
        said = [{"role": "user", "content": f"Question {number}"}]
        gateway.lines("/api/chat", {"model": model, "messages": said})


def drain(gateway: RunningGateway) -> None:
    """Read what it says, and forget it."""
    assert gateway.process.stdout is not None
    for _ in gateway.process.stdout:
        pass


def main(nodes: int) -> None:
    """Measure, and print."""
    with ExitStack() as stack:
        simulators = []
        for model in MODELS:
            options = ("--model", model, "--tokens-per-second", "15", "--answer-tokens", "60")
            simulators.append(SimulatedNode(*options, "--slots", "64"))
            stack.callback(simulators[-1].stop)
        ports = {f"gpu-{n:03}": simulators[n % len(MODELS)].port for n in range(1, nodes + 1)}
        health = {"interval": 10, "timeout": 5, "models_interval": 10}
        gateway = RunningGateway(ports, "--strategy", "least_connections", health=health)
        stack.callback(gateway.stop)
        # It warns of each name that shares an address, which fills a pipe that nobody reads.
        threading.Thread(target=drain, args=(gateway,), daemon=True).start()
        gateway.until_healthy(*ports)
        over = threading.Event()
        for number in range(CLIENTS):
            asking = (gateway, MODELS[number % len(MODELS)], over)
            client = threading.Thread(target=chat, args=asking)
            client.start()
            stack.callback(client.join)
        stack.callback(over.set)
        page = browser()
        page.driver.set_script_timeout(60)
        for _ in range(ROUNDS):
            for view in ("2d", "3d"):
                page.open(f"{gateway.url}/topology?view={view}", width=1920, height=1080)
                page.until_live()
                chosen = f"return document.querySelector('[value=\"{view}\"]').checked"
                page.until(lambda chosen=chosen: page.run(chosen))
                drawn = page.run("return document.querySelectorAll('#picker button').length")
                gaps = sorted(page.driver.execute_async_script(FRAMES, SECONDS))
                rate = 1000 * len(gaps) / sum(gaps)
                middle, worst = gaps[len(gaps) // 2], gaps[len(gaps) * 99 // 100]
                told = f"{rate:.1f} frames/s, median {middle:.0f} ms, p99 {worst:.0f} ms"
                print(f"{view}: {drawn} nodes, {told}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
