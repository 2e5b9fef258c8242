"""A terminal that is drawn on and that keys are read from, left as it was found."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

#: What ends it.
_ENDS = b"qQ\x03\x04"


@implementer(IReadDescriptor)
class Keys:
    """
    The keys that are pressed; ``end`` is called for those that end it.

    Without a terminal that can tell of single keys (Windows) there is only Ctrl-C.
    """

    def __init__(self, reactor: Any, end: Callable[[], None]) -> None:
        self._reactor = reactor
        self._end = end
        self._before: Any = None

    def start(self) -> None:
        """Have keys told as they are pressed, and not shown."""
        try:
            import termios
            import tty
        except ImportError:
            return
        if not sys.stdin.isatty():
            return
        self._before = termios.tcgetattr(self.fileno())
        tty.setcbreak(self.fileno())
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._before is None:
            return
        import termios

        self._reactor.removeReader(self)
        termios.tcsetattr(self.fileno(), termios.TCSADRAIN, self._before)
        self._before = None

    def fileno(self) -> int:
        return sys.stdin.fileno()

    def logPrefix(self) -> str:
        return "keys"

    def doRead(self) -> None:
        pressed = os.read(self.fileno(), 1024)
        # Nothing to read is the end of the terminal itself.
        if not pressed or any(key in _ENDS for key in pressed):
            self._end()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has stopped."""


class Display:
    """The screen: taken over whole, and given back."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def start(self) -> None:
        """Take the screen over."""
        self._live.start()

    def show(self, drawn: RenderableType) -> None:
        """Show this now."""
        self._live.update(drawn, refresh=True)

    def stop(self) -> None:
        """Give it back with what was on it."""
        self._live.stop()
