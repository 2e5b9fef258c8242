"""
One turn of the epoll reactor without a log context for each event.

Twisted enters a context that names the connection around every event, so that log
messages can say whose they are: 1 microsecond each, several for each token.  The
gateway's messages name what they are about themselves.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import Any

from twisted.python import log


def poll_without_log_context(reactor: Any) -> bool:
    """
    Have the reactor take its turns that way, if it is Twisted's epoll reactor.

    Errors of protocols are logged by the reactor as ever.  Returns whether it is.
    """
    try:
        from twisted.internet.epollreactor import EPollReactor
    except ImportError:
        return False
    if reactor.__class__ is not EPollReactor:
        return False
    # One instance's methods: the class, and with it any other reactor, stays as it is.
    vars(reactor).update(doPoll=(turn := _turn(reactor)), doIteration=turn)
    return True


def _turn(reactor: Any) -> Callable[[float | None], None]:
    poller, selectables, act = reactor._poller, reactor._selectables, reactor._doReadOrWrite
    disconnect, readable_only = reactor._disconnectSelectable, reactor._POLL_IN

    def turn(timeout: float | None) -> None:
        try:
            events = poller.poll(-1 if timeout is None else timeout, len(selectables))
        except OSError as error:
            if error.errno == errno.EINTR:
                return
            raise
        for number, event in events:
            # One event's handling may have closed another one's connection.
            selectable = selectables.get(number)
            if selectable is None:
                continue
            if event != readable_only:
                act(selectable, number, event)
                continue
            # As the reactor acts, of which this is the usual case.
            readable = True
            try:
                why = selectable.doRead()
            except BaseException:
                log.err()
                why, readable = sys.exc_info()[1], False
            if why:
                disconnect(selectable, why, readable)

    return turn
