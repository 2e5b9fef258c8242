"""What a look at very many connections costs."""

from __future__ import annotations

from statistics import median

from twisted.trial.unittest import SynchronousTestCase

from tests.live.apart import apart


class CostTests(SynchronousTestCase):
    """What looking costs."""

    def test_crowd(self) -> None:
        """
        A look at ten thousand sockets costs no more than the system's own dump of them.
        """
        # Milliseconds are the machine's: no two, and no two moments of a shared one, take
        # equally long, so both are taken by turns.  Where 60 ms were promised ss takes 33.
        report = apart("tests.live.crowd")
        self.assertEqual(report["last"]["established"], 5000)
        limit = median(report["ss"])
        self.assertLess(median(report["idle"]), limit, report)
        # With every connection moving at every look.
        self.assertLess(median(report["busy"]), limit, report)
