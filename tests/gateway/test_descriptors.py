"""As many clients as there are files to be had for them, and room is kept for the nodes."""

from __future__ import annotations

import sys
from dataclasses import replace
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import Config, GatewayLimits
from ollama_twisted.gateway import descriptors
from ollama_twisted.gateway.descriptors import fitting


@skipIf(sys.platform == "win32", "Windows has no such limit")
class FittingTests(SynchronousTestCase):
    """With the limits of this process, or some that are made for it."""

    def limits(self, soft: int, hard: int, refuses: bool = False) -> None:
        """What the system says of its limits, and whether it lets them be raised."""
        import resource

        self.set: list[int] = []

        def setrlimit(number: int, pair: tuple[int, int]) -> None:
            if refuses:
                raise ValueError("not allowed")
            self.set.append(pair[0])

        self.patch(resource, "getrlimit", lambda number: (soft, hard))
        self.patch(resource, "setrlimit", setrlimit)

    def fitted(self, wanted: int) -> tuple[int, int]:
        """How many clients may come, and how many warnings that takes."""
        config = Config((), gateway=replace(GatewayLimits(), max_connections=wanted))
        found = fitting(config)
        return found.gateway.max_connections, len(found.warnings)

    def test_enough(self) -> None:
        """Where there is room, nothing is touched."""
        self.limits(1024, 4096)
        self.assertEqual((self.fitted(480), self.set), ((480, 0), []))

    def test_raised(self) -> None:
        """Where there may be, the limit is raised to what is needed and no further."""
        self.limits(1024, 1_000_000)
        self.assertEqual((self.fitted(10_000), self.set), ((10_000, 0), [20_064]))

    def test_too_many(self) -> None:
        """Else as many come as fit beside what the gateway itself needs, and it is said."""
        self.limits(1024, 4096)
        self.assertEqual((self.fitted(10_000), self.set), ((2016, 1), [4096]))

    def test_nearly(self) -> None:
        """Of the few that a round limit leaves out nothing is said."""
        self.limits(1024, 20_000)
        self.assertEqual(self.fitted(10_000), (9968, 0))

    def test_refused(self) -> None:
        """So it is where the limit may not be raised after all."""
        self.limits(256, 100_000, refuses=True)
        self.assertEqual(self.fitted(10_000), (96, 1))

    def test_tiny(self) -> None:
        """Somebody can always come."""
        self.limits(16, 16)
        self.assertEqual(self.fitted(10)[0], 1)

    def test_unlimited(self) -> None:
        """No limit is no limit."""
        import resource

        self.limits(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.assertEqual(self.fitted(10_000), (10_000, 0))

    def test_reserve(self) -> None:
        """Clients alone never use up all there is."""
        self.limits(2000, 2000)
        clients, _ = self.fitted(10_000)
        self.assertLessEqual(2 * clients + descriptors.RESERVE, 2000)
