"""
A view of the system for one child: its own processes, no network, and of the
files only what an interpreter needs, read only.

Linux alone has it.  Nothing here needs root: without it, a user namespace
gives the rights, if the kernel lets ordinary users have one.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000

_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT = 1, 2, 4, 8, 32
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_NOATIME, _NODIRATIME, _RELATIME = 1024, 2048, 1 << 21
_DETACH = 2
_PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS, _SUBREAPER = 1, 4, 38, 36
_CAPABILITY_VERSION_3 = 0x20080522

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
_FILES = ("/etc/ld.so.cache",)
_DEVICES = ("null", "zero", "full", "random", "urandom")
SCRATCH = "/scratch"
SCRATCH_SIZE = "32m"

# statvfs says of a mount what a remount must say again, or be refused.
_KEPT = (
    (getattr(os, "ST_NOSUID", 2), _NOSUID),
    (getattr(os, "ST_NODEV", 4), _NODEV),
    (getattr(os, "ST_NOEXEC", 8), _NOEXEC),
    (getattr(os, "ST_NOATIME", 1024), _NOATIME),
    (getattr(os, "ST_NODIRATIME", 2048), _NODIRATIME),
    (getattr(os, "ST_RELATIME", 4096), _RELATIME),
)


def _call(name: str, *arguments: Any) -> None:
    """Call the C library; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    raw = [each.encode() if isinstance(each, str) else each for each in arguments]
    if getattr(libc, name)(*raw) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    _call("mount", source, target, kind, ctypes.c_ulong(flags), data or None)


def die_with_parent(signal: int) -> None:
    """Have the kernel end this process when the one that started it ends."""
    _call("prctl", _PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0)


def adopt() -> None:
    """Become the parent of whatever is left behind further down."""
    _call("prctl", _SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)


def hide() -> None:
    """Let no process of the same user look into this one."""
    _call("prctl", _DUMPABLE, ctypes.c_ulong(0), 0, 0, 0)


def renounce() -> None:
    """Give up every capability, and the hope of any."""
    _call("prctl", _NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def enter(files: bool) -> None:
    """
    Leave the namespaces we share with others; the next child is the first process of its own.

    ``files``: also of mounts, for `furnish`.
    """
    wanted = NEWPID | NEWNET | NEWIPC | NEWUTS | (NEWNS if files else 0)
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _call("unshare", wanted)
        return
    _call("unshare", wanted | NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def furnish(root: str) -> None:
    """
    Make an empty folder the whole file system of this process and of those it starts.

    There is in it the system's libraries and this interpreter, read only, and
    `SCRATCH`, which is empty, bounded, and the working directory.
    """
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount("none", root, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    for source in _outermost(_needed()):
        _bring(source, root)
    os.mkdir(f"{root}/dev")
    for name in _DEVICES:
        _bind(f"/dev/{name}", f"{root}/dev/{name}")
    os.mkdir(root + SCRATCH)
    _mount("none", root + SCRATCH, "tmpfs", _NOSUID | _NODEV, f"size={SCRATCH_SIZE},mode=777")
    if not os.path.lexists(f"{root}/tmp"):  # where the interpreter may live
        os.symlink(SCRATCH, f"{root}/tmp")
    os.chdir(root)
    _call("pivot_root", ".", ".")
    _call("umount2", ".", _DETACH)
    _mount(None, "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
    os.chdir(SCRATCH)


def _needed() -> Iterator[str]:
    """What an interpreter reads while it runs; of a virtual environment its libraries alone."""
    yield from _SYSTEM
    yield from _FILES
    for prefix in {sys.base_prefix, sys.base_exec_prefix, sys.prefix}:
        for name in ("lib", "lib64"):
            yield os.path.realpath(os.path.join(prefix, name))
            yield os.path.join(prefix, name)


def _outermost(paths: Iterable[str]) -> list[str]:
    """Those that exist and lie in no other one of them."""
    found: list[str] = []
    for path in sorted({os.path.normpath(each) for each in paths if os.path.lexists(each)}):
        if not any(path.startswith(each + "/") for each in found if not os.path.islink(each)):
            found.append(path)
    return found


def _bring(source: str, root: str) -> None:
    target = root + source
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    _bind(source, target)
    found = os.statvfs(target).f_flag
    kept = sum(ours for theirs, ours in _KEPT if found & theirs)
    _mount(None, target, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | kept)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.mkdir(target, 0o755)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    _mount(source, target, None, _BIND | _REC)
