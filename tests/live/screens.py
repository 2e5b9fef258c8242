"""
Pictures of the gateway's pages, as a real browser shows them.

``python -m tests.live.screens`` starts three simulated nodes and a gateway, makes traffic
for some minutes, lets a node die, and writes what the pages show of it into
``docs/images``.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import threading
import time
from http.client import HTTPException

from tests import parts
from tests.live.browser import browser
from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode
from tests.parts import ROOT

FOLDER = ROOT / "docs" / "images"
CHATS = ("llama3.2:3b", "qwen3:8b", "gemma3:12b", "phi4:14b")
NODES = {
    "gpu-1": ("--tokens-per-second", "160", "--max-loaded", "3"),
    "gpu-2": ("--tokens-per-second", "110", "--max-loaded", "2"),
    "laptop": ("--tokens-per-second", "45", "--max-loaded", "1"),
}
BUSY, DOWN = 250, 10


def start(name: str, port: int) -> SimulatedNode:
    """A node with its models; the laptop has the small ones only."""
    models = CHATS[:2] if name == "laptop" else CHATS
    return SimulatedNode(
        *(word for model in models for word in ("--model", model)), *NODES[name], port=port
    )


def traffic(gateway: RunningGateway, number: int, over: threading.Event) -> None:
    """Somebody who asks a model the same thing again and again, and pauses at times."""
    model = CHATS[(number * number) % len(CHATS)]
    began = time.monotonic()
    while not over.is_set():
        busy = 0.5 + 0.5 * math.sin((time.monotonic() - began) / 23 + number)
        chat = {"model": model, "messages": [{"role": "user", "content": f"Why {number}?"}]}
        with contextlib.suppress(HTTPException, OSError):  # the laptop dies
            gateway.lines("/api/chat", chat)
        time.sleep(3 * (1 - busy))


def picture(gateway: RunningGateway, name: str, path: str, height: int, dark: bool = False) -> None:
    """What a page shows now, as a small file."""
    page = browser().open(gateway.url + path, width=1280, height=height, dark=dark).until_live()
    # The chart's newest point, and what flashes at first.
    time.sleep(3)
    file = FOLDER / f"{name}.png"
    page.picture(file)
    small = [parts.executable("pngquant"), "--force", "--ext", ".png", "64", str(file)]
    subprocess.run(small, check=True)


def main() -> None:
    """Run it all, and take the pictures at the end."""
    ports = {name: free_port() for name in NODES}
    nodes = {name: start(name, port) for name, port in ports.items()}
    gateway = RunningGateway(ports, "--strategy", "adaptive", node={"max_in_flight": 4})
    gateway.until_healthy(*nodes)
    over = threading.Event()
    crowd = [threading.Thread(target=traffic, args=(gateway, number, over)) for number in range(14)]
    try:
        for each in crowd:
            each.start()
        time.sleep(BUSY)
        picture(gateway, "dashboard", "/", 760)
        picture(gateway, "routing", "/routing?model=phi4%3A14b", 680)
        picture(gateway, "topology-3d", "/topology?view=3d&selected=gpu-1", 760, dark=True)
        nodes["laptop"].stop()
        time.sleep(DOWN)
        picture(gateway, "dashboard-dark", "/", 760, dark=True)
        picture(gateway, "topology", "/topology?view=2d", 700)
    finally:
        over.set()
        for each in crowd:
            each.join()
        gateway.stop()
        for node in nodes.values():
            node.stop()


if __name__ == "__main__":
    main()
