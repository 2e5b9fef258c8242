"""The synthetic node, asked directly: is it up, what did it count, when did it see a client go."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from typing import Any


class NodeView:
    """A connection to any server's small answers; kept alive between questions."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

    def close(self) -> None:
        self._connection.close()

    def ask(self, path: str) -> dict[str, Any]:
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if answer.status != 200:
            raise OSError(f"{path}: {answer.status} {body[:200]!r}")
        value: dict[str, Any] = json.loads(body)
        return value

    def stats(self) -> dict[str, Any]:
        return self.ask("/stats")

    def cancelled_ns(self, number: int) -> int:
        """When the stream asked for with this id was cancelled; 0: it was not, so far."""
        return int(self.ask(f"/cancelled?id={number}")["ns"])

    def wait_active(self, count: int, patience: float) -> int:
        """Wait until so many streams are active; how many there are in the end."""
        deadline = time.monotonic() + patience
        while True:
            active = int(self.stats()["active"])
            if active >= count or time.monotonic() > deadline:
                return active
            time.sleep(0.002 if count < 10 else 0.05)


def wait_until_up(port: int, process: subprocess.Popen[bytes], patience: float) -> str | None:
    """Wait until the node's version is served at a port; otherwise why it is not."""
    deadline = time.monotonic() + patience
    while True:
        view = NodeView(port)
        try:
            if "version" in view.ask("/api/version"):
                return None
            why = "the answer is not the node's"
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
        finally:
            view.close()
        if process.poll() is not None:
            return f"ended with code {process.returncode}"
        if time.monotonic() > deadline:
            return why
        time.sleep(0.1)
