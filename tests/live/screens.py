"""
Pictures of the gateway's pages, as a real browser shows them.

``python -m tests.live.screens`` starts three simulated nodes and a gateway, makes traffic
for some minutes, lets a node die and return, and writes what the pages show of it into
``docs/images``.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from http.client import HTTPException

from tests.live.browser import browser
from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode
from tests.parts import ROOT

SECONDS = 240
FOLDER = ROOT / "docs" / "images"
CHATS = ("llama3.2:3b", "qwen3:8b", "gemma3:12b", "phi4:14b")
NODES = {
    "gpu-1": ("--tokens-per-second", "160", "--max-loaded", "3"),
    "gpu-2": ("--tokens-per-second", "110", "--max-loaded", "2"),
    "laptop": ("--tokens-per-second", "45", "--max-loaded", "1"),
}
DIES, RETURNS = 120, 150
PAGES = {
    "dashboard": ("/", {"height": 860}),
    "dashboard-dark": ("/", {"height": 860, "dark": True}),
    "nodes": ("/nodes", {"height": 760}),
    "routing": ("/routing?model=phi4%3A14b", {"height": 620}),
}


def start(name: str, port: int) -> SimulatedNode:
    """A node with its models; the laptop has the small ones only."""
    models = CHATS[:2] if name == "laptop" else CHATS
    return SimulatedNode(
        *(word for model in models for word in ("--model", model)), *NODES[name], port=port
    )


def traffic(gateway: RunningGateway, number: int, began: float) -> None:
    """Somebody who asks now this model, now that, and pauses at times."""
    model = CHATS[(number * number) % len(CHATS)]
    while (spent := time.monotonic() - began) < SECONDS:
        busy = 0.5 + 0.5 * math.sin(spent / 23 + number)
        chat = {"model": model, "messages": [{"role": "user", "content": f"Why {number}?"}]}
        with contextlib.suppress(HTTPException):  # the laptop dies
            gateway.lines("/api/chat", chat)
        time.sleep(3 * (1 - busy))


def main() -> None:
    """Run it all, and take the pictures at the end."""
    ports = {name: free_port() for name in NODES}
    nodes = {name: start(name, port) for name, port in ports.items()}
    gateway = RunningGateway(ports, "--strategy", "adaptive", node={"max_in_flight": 4})
    gateway.until_healthy(*nodes)
    began = time.monotonic()
    crowd = [
        threading.Thread(target=traffic, args=(gateway, number, began), daemon=True)
        for number in range(14)
    ]
    try:
        for each in crowd:
            each.start()
        time.sleep(DIES)
        nodes["laptop"].stop()
        time.sleep(RETURNS - DIES)
        nodes["laptop"] = start("laptop", ports["laptop"])
        time.sleep(SECONDS - RETURNS - 30)
        for name, (path, options) in PAGES.items():
            page = browser().open(gateway.url + path, width=1280, **options)
            page.until_live()
            # The chart's newest point, and what flashes at first.
            time.sleep(3)
            page.picture(FOLDER / f"{name}.png")
    finally:
        gateway.stop()
        for node in nodes.values():
            node.stop()


if __name__ == "__main__":
    main()
