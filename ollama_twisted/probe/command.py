"""Which tools to try on this system, in which order, and what to make of how they end."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from ollama_twisted.probe import diag, lsof, netstat, powershell, proc, ss
from ollama_twisted.probe.connection import Reading, Row, State
from ollama_twisted.probe.snapshot import Method, Reason


@dataclass(frozen=True, slots=True)
class Finished:
    """
    How a child ended, and what it said.

    ``exit_code`` is None if it never began, -1 if it was killed.  ``fault`` says
    why we did not let it end by itself, or why it could not begin.  ``reading`` is
    what the kernel said, which is read as it comes.
    """

    out: bytes = b""
    err: bytes = b""
    exit_code: int | None = None
    duration: float = 0.0
    fault: Reason | None = None
    detail: str = ""
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a tool's answer cannot be used, in one word and in a sentence."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Look:
    """
    What a tool saw.

    ``ports`` are those it can be believed about.  ``method`` is how its rows count
    bytes, None if they do not.
    """

    rows: Sequence[Row]
    ports: Collection[int]
    method: Method | None = None
    sees_others: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """
    One tool: how it is called, and how its text is read.

    ``talks``: it is kept running, and answers each line with a line.
    ``question``: it is no program but the kernel, asked this; there is no text to read.
    """

    name: str
    argv: Sequence[str]
    read: Callable[[str], Reading]
    method: Method | None = None
    blind: bool = False
    talks: bool = False
    question: diag.Question | None = None


def tools(platform: str, ports: Sequence[int], root: bool) -> list[Tool]:
    """The tools for a platform (as in ``sys.platform``), best first."""
    lsof_ = Tool("lsof", lsof.command(ports), lsof.read, blind=not root)
    if platform.startswith("linux"):
        reader = ss.Reader()

        def read_ss(text: str) -> Reading:
            return reader.read(text).reading

        read_proc = partial(proc.read, little=sys.byteorder == "little")
        asked = diag.question(ports)
        return [
            Tool("netlink", (), _no_text, Method.SS_POLL, question=asked),
            Tool("ss", ss.dump_command(ports), read_ss, Method.SS_POLL),
            Tool("proc", proc.COMMAND, read_proc),
            Tool("netstat", netstat.LINUX, netstat.read_linux),
            lsof_,
        ]
    if platform == "darwin":
        method = Method.NETSTAT_POLL
        return [Tool("netstat", netstat.MACOS, netstat.read_macos, method), lsof_]
    if platform in {"win32", "cygwin"}:
        # PowerShell second: its loop has not been tried on a real Windows yet.
        answer = powershell.command(ports)
        return [
            Tool("netstat", netstat.WINDOWS, netstat.read_windows),
            Tool("powershell", answer, powershell.read, talks=True),
        ]
    return [Tool("netstat", netstat.BSD, netstat.read_macos), lsof_]


def _no_text(text: str) -> Reading:
    """What the kernel prints: nothing."""
    return Reading([])


def judge(tool: Tool, finished: Finished, ports: Sequence[int], encoding: str) -> Look | Failure:
    """What a child's end means: rows, or a reason why there are none."""
    if finished.fault is not None:
        return Failure(finished.fault, finished.detail)
    err = finished.err.decode(encoding, "replace").strip()
    if finished.exit_code != 0 and not _harmless(tool, finished):
        denied = re.search(r"permission denied|not permitted|access.{0,4}denied", err, re.I)
        reason = Reason.DENIED if denied else Reason.EXIT
        return Failure(reason, f"{tool.name} ended with {finished.exit_code}: {_first_line(err)}")
    if finished.reading is not None:
        if not finished.reading.believable:
            return Failure(Reason.PARSE, f"{tool.name} answered what it never answers")
        return _look(tool, finished.reading.rows, ports)
    out = finished.out.decode(encoding, "replace")
    if "\r" in out:
        out = out.replace("\r\n", "\n")
    reading = tool.read(out)
    if not reading.believable:
        said = _first_line(out) or "nothing"
        return Failure(Reason.PARSE, f"{tool.name} printed what it never prints: {said}")
    return _look(tool, reading.rows, ports)


def _look(tool: Tool, rows: list[Row], ports: Sequence[int]) -> Look | Failure:
    if not tool.blind:
        return Look(rows, ports, tool.method if _measured(rows) else None)
    # Whoever holds the listening socket is this user, and then all of it can be seen.
    seen = {row.local_port for row in rows if row.state is State.LISTEN}
    partly = {row.peer_port for row in rows} | {row.local_port for row in rows}
    believed = [port for port in ports if port in seen or port in partly]
    if not believed:
        return Failure(
            Reason.DENIED, f"{tool.name} shows this user's own sockets only, and none on the port"
        )
    return Look(rows, believed, None, all(port in seen for port in ports))


def _measured(rows: list[Row]) -> bool:
    """Whether the rows have their bytes; without any connection the last answer holds good."""
    # Looked up once: in the class of an enum that takes longer than all the rest.
    established = State.ESTABLISHED
    return None not in [row[7] for row in rows if row[4] is established]


def _harmless(tool: Tool, finished: Finished) -> bool:
    """Whether a bad exit code is this tool's way of saying something else."""
    if tool.name == "lsof":  # nothing found; an error has words
        return finished.exit_code == 1 and not finished.out and not finished.err
    if tool.name == "proc":  # no IPv6 here, so no such table
        return finished.exit_code == 1 and finished.err.count(b"\n") == 1 and bool(finished.out)
    return False


def _first_line(text: str) -> str:
    return text.partition("\n")[0].strip()[:200]
