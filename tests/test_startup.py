"""What is said when a server cannot start."""

from __future__ import annotations

import errno
import os
import sys
from io import StringIO

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.startup import explained, without_traceback


def refused(number: int, host: str = "127.0.0.1", port: int = 80) -> CannotListenError:
    """What Twisted raises when the system says no."""
    return CannotListenError(host, port, OSError(number, os.strerror(number)))  # type: ignore


class ExplainedTests(SynchronousTestCase):
    """Why, and what to do."""

    def test_in_use(self) -> None:
        """
        A port that is taken: by whom, perhaps, and how to take another.
        """
        self.assertEqual(
            explained(refused(errno.EADDRINUSE)),
            "cannot listen on 127.0.0.1:80: Address already in use (something listens there"
            " already, perhaps another one of these; --port takes another)",
        )

    def test_others(self) -> None:
        """
        Other reasons have advice of their own, if there is any.
        """
        self.assertIn("--host", explained(refused(errno.EADDRNOTAVAIL)))
        self.assertIn("below 1024", explained(refused(errno.EACCES, "::1")))
        self.assertIn("[::1]:80", explained(refused(errno.EACCES, "::1")))
        self.assertEqual(
            explained(refused(errno.EMFILE, "")), "cannot listen on :80: Too many open files"
        )

    def test_files(self) -> None:
        """
        What twistd cannot write where it was started has options of twistd's.
        """
        for name, option in (("twistd.pid", "--pidfile="), ("twistd.log", "--logfile FILE")):
            error = PermissionError(errno.EACCES, "Permission denied", f"/ro/{name}")
            self.assertIn(
                f"cannot write /ro/{name}: Permission denied (twistd's {option}", explained(error)
            )

    def test_nothing(self) -> None:
        """
        Whatever else goes wrong keeps its traceback.
        """
        for error in (ValueError("x"), OSError(errno.EIO, "x"), PermissionError(1, "x", "/ro/x")):
            self.assertEqual(explained(error), "")


class HookTests(SynchronousTestCase):
    """How a program ends."""

    def test_ends(self) -> None:
        """
        With one line in place of the traceback; with the traceback if it is a fault of ours.
        """
        seen: list[object] = []
        self.patch(sys, "excepthook", lambda *error: seen.append(error[1]))
        self.patch(sys, "stderr", StringIO())
        without_traceback("ollama-gateway")
        error, bug = refused(errno.EADDRINUSE), ValueError("x")
        for each in (error, bug):
            sys.excepthook(type(each), each, None)
        self.assertEqual(seen, [bug])
        self.assertEqual(sys.stderr.getvalue(), f"ollama-gateway: {explained(error)}\n")  # type: ignore
