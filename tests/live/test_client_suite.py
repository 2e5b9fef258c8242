"""The official Python client's own tests."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.live.client_suite import suite


class DirectTests(SynchronousTestCase):
    """The yardstick: the suite as published, nothing in between."""

    def test_complete(self) -> None:
        """
        All of its tests run here and pass, so that one which fails behind the
        gateway is the gateway's fault.
        """
        output = suite.run()
        self.assertEqual(suite.passed(output), suite.TESTS, output)
