"""What a server of ours says that cannot start: why, and what to do, in one line."""

from __future__ import annotations

import errno
import sys
from types import TracebackType

from twisted.internet.error import CannotListenError

_ADVICE = {
    errno.EADDRINUSE: "something listens there already, perhaps another one of these;"
    " --port takes another",
    errno.EADDRNOTAVAIL: "this machine has no such address; --host takes another",
    errno.EACCES: "ports below 1024 are for privileged programs; --port takes another",
}


def explained(error: BaseException) -> str:
    """What is wrong, in words; empty if it is nothing that people bring about."""
    if isinstance(error, CannotListenError):
        why = error.socketError
        host = error.interface or ""
        place = f"[{host}]:{error.port}" if ":" in host else f"{host}:{error.port}"
        said = f"cannot listen on {place}: {getattr(why, 'strerror', None) or why}"
        advice = _ADVICE.get(getattr(why, "errno", 0) or 0)
        return f"{said} ({advice})" if advice else said
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return _of_file(error.filename, error.strerror or "")
    return ""


def _of_file(name: str, why: str) -> str:
    """twistd writes two files, where it was started unless it is told otherwise."""
    for ending, advice in (
        (".pid", "--pidfile= does without, --pidfile FILE takes another"),
        (".log", "--logfile FILE takes another"),
    ):
        if name.endswith(ending):
            return f"cannot write {name}: {why} (twistd's {advice})"
    return ""


def without_traceback(program: str) -> None:
    """Let what is explained end the program with that line, and not with a traceback."""
    before = sys.excepthook

    def hook(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        said = explained(error)
        if said:
            print(f"{program}: {said}", file=sys.stderr)
        else:
            before(kind, error, traceback)

    sys.excepthook = hook
