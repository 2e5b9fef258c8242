"""The clock that waiting goes by."""

from __future__ import annotations

import time
from typing import Any


def use_monotonic_time(reactor: Any) -> None:
    """
    Make the reactor's timers follow the monotonic clock.

    Twisted's own follow the wall clock: set it back an hour, and no timer fires
    for an hour.  Call it before anything is scheduled.
    """
    reactor.seconds = time.monotonic
