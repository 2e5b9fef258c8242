"""A simulated node as a process of its own."""

from __future__ import annotations

import time
from typing import Any

from tests.live.child import PATIENCE, ROOT, Child

__all__ = ["ROOT", "SimulatedNode"]


class SimulatedNode(Child):
    """A node, and what it says of itself."""

    def __init__(self, *options: str, port: int = 0) -> None:
        super().__init__("ollama-simulator", "--port", str(port), "--stop-on-stdin-eof", *options)

    def orphan(self) -> None:
        """Be gone, as far as the node can tell."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def state(self) -> Any:
        """What the node says of itself."""
        return self.get("GET", "/simulator/state")

    def until(self, **wanted: int) -> float:
        """Wait until the state says so; the seconds that took."""
        asked = time.monotonic()
        while time.monotonic() - asked < PATIENCE:
            state = self.state()
            if all(state[name] == value for name, value in wanted.items()):
                return time.monotonic() - asked
            time.sleep(0.002)
        raise AssertionError(f"wanted {wanted}, have {self.state()}")
