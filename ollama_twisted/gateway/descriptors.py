"""How many clients fit into the number of files that this process may have open."""

from __future__ import annotations

import sys
from dataclasses import replace

from ollama_twisted.config.resolved import Config

#: Kept free for checks, logs, bodies in files and children.
RESERVE = 64
#: So much of what is wanted is as good as all.
NEARLY = 0.95


def fitting(config: Config) -> Config:
    """
    The configuration with no more clients than there is room for, and a warning if many have none.

    Each may need a connection to a node beside its own.  The limit is raised first, as far
    as the system lets a process raise its own: many shells begin with 1,024.
    """
    wanted = config.gateway.max_connections
    files = _raised(2 * wanted + RESERVE)
    room = max(1, (files - RESERVE) // 2)
    if room >= wanted:
        return config
    # A few clients fewer are nobody's concern, and a round limit would always miss a few.
    concerns = room < NEARLY * wanted
    warning = (
        f"gateway.max_connections is {room} instead of {wanted}:"
        f" this process may have {files} files open (ulimit -n, LimitNOFILE)"
    )
    return replace(
        config,
        gateway=replace(config.gateway, max_connections=room),
        warnings=(*config.warnings, warning) if concerns else config.warnings,
    )


def _raised(wanted: int) -> int:
    """How many of so many files may be open, once the limit is raised as far as it may be."""
    if sys.platform == "win32":
        return wanted
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY or soft >= wanted:
        return wanted
    reached = wanted if hard == RLIM_INFINITY else min(wanted, hard)
    try:
        setrlimit(RLIMIT_NOFILE, (reached, hard))
    except (OSError, ValueError):
        # macOS has a second limit, which it tells nobody.
        return soft
    return reached
