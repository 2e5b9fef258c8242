"""The kernel, asked over a netlink socket: a little at a time, for so long and so much."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from ollama_twisted.probe.command import Finished
from ollama_twisted.probe.diag import Question
from ollama_twisted.probe.run import DEADLINE, LIMIT
from ollama_twisted.probe.snapshot import Reason

_SOCK_DIAG = 4
LARGEST = 64 * 2**10  # twice what the kernel puts into one datagram
AT_A_TIME = 4  # datagrams, of 80 sockets each, before others have their turn
ATTEMPTS = 3

_REASONS = {
    **dict.fromkeys((errno.EPERM, errno.EACCES), Reason.DENIED),
    **dict.fromkeys((errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT), Reason.DENIED),
    errno.ENOBUFS: Reason.OVERFLOW,
}


class Kernel:
    """Asks one thing at a time."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._dump: _Dump | None = None

    def ask(self, question: Question) -> Deferred[Finished]:
        """The whole answer, read; always succeeds, as failing is an answer too."""
        self._dump = _Dump(self._reactor, question)
        self._dump.begin()
        return self._dump.finished

    def stop(self) -> None:
        """Give up what is being asked."""
        if self._dump is not None:
            self._dump.fail(Reason.DENIED, "everything is being stopped")


@implementer(IReadDescriptor)
class _Dump:
    """One socket, with which one thing is asked."""

    def __init__(self, reactor: Any, question: Question) -> None:
        self.finished: Deferred[Finished] = Deferred()
        self._reactor = reactor
        self._question = question
        self._attempts = 1
        self._part = memoryview(bytearray(LARGEST))
        self._size = 0
        self._socket: socket.socket | None = None
        self._timer: Any = None
        self._began = reactor.seconds()

    def begin(self) -> None:
        """Ask."""
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        try:
            self._socket = socket.socket(socket.AF_NETLINK, kind, _SOCK_DIAG)
            self._ask(self._socket)
        except OSError as error:
            self._refused(error.errno or 0)
            return
        self._reactor.addReader(self)
        self._timer = self._reactor.callLater(
            DEADLINE, self.fail, Reason.TIMEOUT, f"did not answer within {DEADLINE:g} s"
        )

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "netlink"

    def doRead(self) -> None:
        """Take some of the answer; the kernel makes the next part as this one is taken."""
        for _ in range(AT_A_TIME):
            if self._socket is None:
                return
            try:
                self._take(self._socket, self._socket.recv_into(self._part))
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._refused(error.errno or 0)

    def connectionLost(self, reason: Any) -> None:
        self.fail(Reason.EXIT, "the netlink socket was closed")

    def _ask(self, link: socket.socket) -> None:
        self._size = 0
        self._question.reader.begin()
        link.send(self._question.message)

    def _take(self, link: socket.socket, size: int) -> None:
        self._size += size
        end = self._question.reader.take(self._part[:size])
        if self._size > LIMIT:
            self.fail(Reason.OVERFLOW, f"answered more than {LIMIT} bytes")
        elif end is None:
            return
        elif end.error:
            self._refused(end.error)
        elif end.interrupted:
            self._start_over(link)
        else:
            took = self._reactor.seconds() - self._began
            reading = self._question.reader.reading()
            self._finish(Finished(exit_code=0, duration=took, reading=reading))

    def _start_over(self, link: socket.socket) -> None:
        """Something changed under the kernel's hands, so sockets may be missing."""
        if self._attempts == ATTEMPTS:
            self.fail(Reason.EXIT, f"was interrupted {ATTEMPTS} times")
            return
        self._attempts += 1
        self._ask(link)

    def _refused(self, code: int) -> None:
        self.fail(_REASONS.get(code, Reason.EXIT), f"netlink: {os.strerror(code)}")

    def fail(self, reason: Reason, detail: str) -> None:
        """Let go of the socket, and say why; after the end this does nothing."""
        took = self._reactor.seconds() - self._began
        self._finish(Finished(duration=took, fault=reason, detail=detail))

    def _finish(self, finished: Finished) -> None:
        link, self._socket = self._socket, None
        if self.finished.called:
            return
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if link is not None:
            with suppress(OSError, ValueError):
                self._reactor.removeReader(self)
            link.close()
        self.finished.callback(finished)
