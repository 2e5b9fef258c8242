"""
The process around a candidate: it fences itself in, starts the candidate, and
says on descriptor 3 how that ended.

It is started by `sandbox`, hears on standard input what to run, and is the
first process of its namespaces where there are any: whatever the candidate has
started ends with it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

from ollama_twisted.humaneval import namespaces
from ollama_twisted.humaneval.candidate import judge

LINUX = sys.platform == "linux"
OUT = 3
# Identifiers that systemd keeps for what lives as shortly as this.
_FIRST_USER, _USERS = 61184, 4336
_REPORT_LIMIT = 4096
_LOOK_EVERY = 0.05


def main() -> NoReturn:
    """Run what standard input says."""
    with suppress(OSError):  # where it leads a session already
        os.setsid()
    if LINUX:
        namespaces.die_with_parent(signal.SIGKILL)
    spec = json.load(sys.stdin)
    if spec["level"] == "bare":
        _supervise(spec, alone=False)
    namespaces.enter(files=spec["level"] == "full")
    pid = os.fork()
    if pid == 0:
        # The candidate is to be told nothing of the world outside, not even by its number.
        namespaces.die_with_parent(signal.SIGKILL)
        _supervise(spec, alone=True)
    os.close(OUT)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(os.waitstatus_to_exitcode(status))


def _supervise(spec: dict[str, Any], alone: bool) -> NoReturn:
    if spec["level"] == "full":
        namespaces.furnish(spec["scratch"])
    else:
        os.chdir(spec["scratch"])
    if LINUX:
        namespaces.adopt()
        namespaces.hide()
    key = os.urandom(16).hex().encode() + b" "
    heard, told = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become_candidate(spec, key, told)
    os.close(told)
    said, status, usage = _wait(pid, heard, began + spec["timeout"])
    wall = time.monotonic() - began
    _end_all(pid, alone)
    if status is None:
        _, status, usage = os.wait4(pid, 0)
        timed_out = not said
    else:
        timed_out = False
    answer = {
        "verdict": _verdict(said, key, timed_out, status),
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_kb": usage.ru_maxrss,
        "level": spec["level"],
    }
    os.write(OUT, json.dumps(answer).encode())
    os._exit(0)


def _wait(pid: int, heard: int, until: float) -> tuple[bytes, int | None, Any]:
    """Until the candidate has told its verdict, has ended, or its time is over."""
    poll = select.poll()
    poll.register(heard, select.POLLIN)
    said, status, usage = b"", None, None
    while (left := until - time.monotonic()) > 0:
        if status is not None:
            left = 0.0  # what it had said before it ended, and no more
        if poll.poll(min(left, _LOOK_EVERY) * 1000):
            data = os.read(heard, _REPORT_LIMIT)
            said += data
            if b"\n" in said or len(said) > _REPORT_LIMIT:
                break
            if not data:
                poll.unregister(heard)
        elif status is not None:
            break
        if status is None:
            ended, found, used = os.wait4(pid, os.WNOHANG)
            if ended:
                status, usage = found, used
    return said, status, usage


def _verdict(said: bytes, key: bytes, timed_out: bool, status: int) -> str:
    if said.startswith(key):
        return said[len(key) :].partition(b"\n")[0].decode("utf-8", "replace")
    if timed_out:
        return "timeout"
    if said:
        return "told a verdict of its own making"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return "timeout" if number == signal.SIGXCPU else f"killed by signal {number}"
    return f"ended with {os.waitstatus_to_exitcode(status)} before the test was over"


def _end_all(pid: int, alone: bool) -> None:
    """End the candidate and all it has started; ``alone``: all that there is but ourselves."""
    if alone:
        _kill(-1)
    for target in (-pid, pid):
        _kill(target)
    while LINUX and not alone:
        left = [each for each in _children() if each != pid]
        if not left:
            break
        for each in left:
            _kill(each)
            os.waitpid(each, 0)


def _children() -> list[int]:
    """Processes that have us as their parent, those we have adopted among them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(each) for each in file.read().split()]
    except OSError:
        return []


def _kill(target: int) -> None:
    with suppress(OSError):
        os.kill(target, signal.SIGKILL)


def _become_candidate(spec: dict[str, Any], key: bytes, told: int) -> NoReturn:
    os.setsid()
    if LINUX:
        namespaces.die_with_parent(signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(told, 3)
    os.closerange(4, 4096)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    for name, value in spec["limits"].items():
        if name != "NPROC":
            _limit(name, value)
    if os.geteuid() == 0:
        user = _FIRST_USER + spec["number"] % _USERS
        if spec["level"] != "full":
            os.chown(spec["scratch"], user, user)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        if LINUX:  # forgotten with the change of user
            namespaces.die_with_parent(signal.SIGKILL)
    if LINUX:
        namespaces.renounce()
    _limit("NPROC", spec["limits"]["NPROC"])
    os.umask(0o077)
    judge(spec["program"], spec["test"], spec["entry_point"], key, 3)


def _limit(name: str, value: int) -> None:
    number = getattr(resource, f"RLIMIT_{name}", None)
    if number is None:
        return
    _, hard = resource.getrlimit(number)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(number, (value, value))
    except (OSError, ValueError):
        if LINUX:  # macOS knows RLIMIT_AS and refuses it
            raise
