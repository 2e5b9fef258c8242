"""
A candidate, run to its verdict inside the process that was made for it.

What runs here runs beside code that nobody has read: it must keep nothing
where that code would find it by chance, and trust nothing it may have changed.
"""

from __future__ import annotations

import builtins
import io
import os
import shutil
import subprocess
import sys
from typing import Any, NoReturn

_TRUE = "assert True"
_FALSE = "assert False"
_DETAIL = 300

# As the reference evaluator has it: a program that would use one of these is
# broken there, so it must be broken here.
_DISABLED_OS = """
    kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames
    truncate replace unlink fchmod fchown chmod chown chroot lchflags lchmod lchown getcwd chdir
"""
_DISABLED_MODULES = ("ipdb", "joblib", "resource", "psutil", "tkinter")


class _NoInput(io.StringIO):
    """Standard input as the reference evaluator has it: reading is an error."""

    def read(self, *_: Any) -> NoReturn:
        raise OSError

    readline = readlines = read

    def readable(self) -> bool:
        return False


def judge(program: str, test: str, entry_point: str, key: bytes, report: int) -> NoReturn:
    """
    Run the program, then its test; write the key and the verdict to the descriptor ``report``.

    Without the key nothing is believed: a program that ends on its own says nothing.
    """
    write, leave = os.write, os._exit
    _disable()
    original = dict(vars(builtins))
    try:
        scope: dict[str, Any] = {}
        exec(f"{program}\n{test}\n", scope)
        # A test may rely on what it has not been told was changed.
        sys.settrace(None)
        sys.setprofile(None)
        vars(builtins).update(original)
        exec(f"check({entry_point})", scope)
        verdict = b"passed\n" if _asserts_hold(scope) else b"failed assert was tampered with\n"
    except BaseException as error:
        verdict = b"failed " + _say(error) + b"\n"
    write(report, key + verdict)
    leave(0)


def _asserts_hold(scope: dict[str, Any]) -> bool:
    """Whether an assertion still fails where it must, and only there."""
    try:
        exec(_TRUE, scope)
        exec(_FALSE, scope)
    except AssertionError:
        return True
    return False


def _say(error: BaseException) -> bytes:
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:
        text = "an error that cannot be told"
    return " ".join(text.split())[:_DETAIL].encode("utf-8", "replace")


def _disable() -> None:
    builtin: Any = builtins
    builtin.exit = builtin.quit = builtin.help = None
    for name in _DISABLED_OS.split():
        if hasattr(os, name):
            setattr(os, name, None)
    for module, name in ((shutil, "rmtree"), (shutil, "move"), (shutil, "chown")):
        setattr(module, name, None)
    setattr(subprocess, "Popen", None)  # noqa: B010
    modules: dict[str, Any] = sys.modules
    for name in _DISABLED_MODULES:
        modules[name] = None
    sys.stdin = _NoInput()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
