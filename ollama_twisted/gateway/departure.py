"""Whether somebody has left from whom nothing is read at present: the system is asked."""

from __future__ import annotations

import select
from typing import Any

# Linux alone tells it without reading; elsewhere it shows when reading goes on.
_GONE = getattr(select, "POLLRDHUP", 0)


def has_left(transport: Any) -> bool:
    """
    Has the other side of this TCP connection ended it, or its half of it?

    A reset shows at once; an orderly end when all that was sent before it is in our
    system's buffer, whether or not it was read.
    """
    below = getattr(transport, "transport", transport)  # of TLS, what carries it
    fileno = getattr(below, "fileno", None)
    number = fileno() if fileno is not None else -1
    if not _GONE or number < 0:
        return False
    poll = select.poll()
    poll.register(number, _GONE)
    return bool(poll.poll(0))
