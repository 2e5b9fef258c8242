"""
Who is measured, and how each contender is started in front of the node.

A new contender is one entry in ``CONTENDERS``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .build import BENCH, BUILD, ROOT, contender_python

_TEMPLATES = BENCH / "contenders"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works: its port, the node's, and a folder for its files."""

    port: int
    node_port: int
    folder: Path

    def fill(self, template: str, **more: str) -> Path:
        """Copy a template into the folder with its ``@WORDS@`` filled in."""
        text = (_TEMPLATES / template).read_text()
        words = {"PORT": self.port, "NODE_PORT": self.node_port, "RUN": self.folder, **more}
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        written = self.folder / template
        written.write_text(text)
        return written


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to stand between clients and the node."""

    about: str
    command: Callable[[Place], list[str]] | None
    version: Callable[[], str] = lambda: ""
    env: Mapping[str, str] = field(default_factory=dict)
    patience: float = 15.0


def _nginx(access_log: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        log = access_log.replace("@RUN@", str(place.folder))
        config = place.fill("nginx.conf", ACCESS_LOG=log)
        return ["nginx", "-c", str(config), "-p", str(place.folder)]

    return command


def _haproxy(place: Place) -> list[str]:
    return ["haproxy", "-db", "-f", str(place.fill("haproxy.cfg"))]


def _python_proxy(script: str, *options: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        node = f"http://127.0.0.1:{place.node_port}"
        program = str(_TEMPLATES / script)
        return [contender_python(), program, "--port", str(place.port), "--node", node, *options]

    return command


def _gateway(*options: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        config = str(place.fill("gateway.json"))
        listen = f"tcp:{place.port}:interface=127.0.0.1"
        program = [sys.executable, "-m", "twisted", *options, "ollama-gateway"]
        return [*program, "--config", config, "--listen", listen]

    return command


def _said(*command: str) -> Callable[[], str]:
    def version() -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    return version


def _packages(*names: str) -> Callable[[], str]:
    def version() -> str:
        program = (
            "import sys, importlib.metadata as m;"
            "print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
        )
        return _said(contender_python(), "-c", program, *names)()

    return version


CONTENDERS: dict[str, Contender] = {
    "direct": Contender("no proxy: the node itself", None),
    "nginx": Contender("nginx, 1 worker, no access log", _nginx("off"), _said("nginx", "-v")),
    "nginx-log": Contender(
        "nginx, 1 worker, access log to a file", _nginx("@RUN@/access.log"), _said("nginx", "-v")
    ),
    "haproxy": Contender("HAProxy, 1 thread", _haproxy, _said("haproxy", "-v")),
    "aiohttp": Contender(
        "aiohttp on uvloop", _python_proxy("aiohttp_proxy.py"), _packages("aiohttp", "uvloop")
    ),
    "aiohttp-asyncio": Contender(
        "aiohttp on asyncio's own loop",
        _python_proxy("aiohttp_proxy.py", "--loop", "asyncio"),
        _packages("aiohttp"),
    ),
    "fastapi": Contender(
        "FastAPI + httpx, uvicorn on httptools and uvloop, 1 worker",
        _python_proxy("fastapi_proxy.py"),
        _packages("fastapi", "httpx", "uvicorn", "httptools", "uvloop"),
    ),
    "gateway": Contender(
        "this gateway: routing, metrics and an access log to a file",
        _gateway(),
        _said(sys.executable, "-c", "import twisted; print('Twisted', twisted.__version__)"),
        env={"PYTHONPATH": str(ROOT)},
    ),
}


def make_place(name: str, port: int, node_port: int) -> Place:
    folder = BUILD / "run" / name
    folder.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        log.unlink()
    return Place(port, node_port, folder)
