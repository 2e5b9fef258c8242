"""Tests for the jobs: what is in none would not be tested, and nobody would see."""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.jobs import everything


class EverythingTests(SynchronousTestCase):
    """All jobs together."""

    def test_each_once(self) -> None:
        """
        Each module of tests is in exactly one job, and what is named is there.
        """
        modules = [
            ".".join(path.relative_to(parts.ROOT).with_suffix("").parts)
            for path in (parts.ROOT / "tests").rglob("test_*.py")
        ]
        found = Counter(
            name
            for job in everything()
            for name in job.names
            for module in modules
            if f"{module}.".startswith(f"{name}.")
        )
        named = Counter(name for job in everything() for name in job.names)
        self.assertEqual(set(named.values()), {1})
        self.assertEqual(set(found), set(named))
        self.assertEqual(sum(found.values()), len(modules))

    def test_alone(self) -> None:
        """
        What measures is alone, and nothing else is.
        """
        alone = [job.names for job in everything() if job.alone]
        self.assertEqual(alone, [("tests.live.alone",)])
