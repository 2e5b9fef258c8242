"""What real tools printed, and which of our readers is for which."""

from __future__ import annotations

from collections.abc import Callable

from ollama_twisted.probe import lsof, netstat, powershell, proc, ss
from ollama_twisted.probe.connection import Reading, count
from ollama_twisted.probe.diag import Reader
from tests.parts import ROOT

FOLDER = ROOT / "tests" / "recorded" / "probes"

READERS: dict[str, Callable[[str], Reading]] = {
    "ss-": lambda text: ss.Reader().read(text).reading,
    "proc": proc.read,
    "lsof": lsof.read,
    "netstat-linux": netstat.read_linux,
    "netstat-macos": netstat.read_macos,
    "netstat-freebsd": netstat.read_macos,
    "netstat-windows": netstat.read_windows,
    "powershell": powershell.read,
}


def names() -> list[str]:
    """Every recorded output that some reader is for."""
    return sorted(path.name for path in FOLDER.glob("*.txt") if not path.name.startswith("nettop"))


def text(name: str) -> str:
    """One of them, decoded and with its lines ended as the prober does it."""
    encoding = next(
        (each for mark, each in {"de": "cp850", "zhcn": "cp936", "zhtw": "cp950"}.items()
         if name.startswith("netstat-windows") and mark in name.replace(".", "-").split("-")),
        "utf-8",
    )  # fmt: skip
    return (FOLDER / name).read_bytes().decode(encoding, "replace").replace("\r\n", "\n")


def binary(name: str) -> bytes:
    """One that is no text."""
    return (FOLDER / name).read_bytes()


def whole(data: bytes, reader: Reader | None = None) -> Reading:
    """What is read of a kernel's answer that comes in one part."""
    reader = reader or Reader()
    reader.begin()
    reader.take(memoryview(data))
    return reader.reading()


def reader(name: str) -> Callable[[str], Reading]:
    """The reader for a recorded output."""
    return next(read for prefix, read in READERS.items() if name.startswith(prefix))


def seen(name: str, port: int) -> dict[str, int]:
    """The states on a port, without those that nothing is in."""
    found = count(reader(name)(text(name)).rows, [port])[port]
    return {state.value: number for state, number in found.states.items() if number}
