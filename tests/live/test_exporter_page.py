"""The exporter's page in a real browser."""

from __future__ import annotations

import atexit
from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from tests.live.browser import browser
from tests.live.exporters import CountingClient, RunningExporter
from tests.live.simulated import SimulatedNode


@cache
def beside() -> tuple[SimulatedNode, RunningExporter]:
    """A node and an exporter beside it, for all tests."""
    node = SimulatedNode("--model", "llama3:8b")
    atexit.register(node.stop)
    exporter = RunningExporter({"node1": node.port})
    atexit.register(exporter.stop)
    return node, exporter.until_measured()


class ExporterPageTests(SynchronousTestCase):
    """An exporter beside a simulated node."""

    def setUp(self) -> None:
        self.browser = browser()
        self.node, self.exporter = beside()
        self.url = f"http://127.0.0.1:{self.exporter.port}"

    def test_sound(self) -> None:
        """
        It is live, by day and by night and on a telephone; nothing is amiss.
        """
        for dark, width in ((False, 1280), (True, 1280), (False, 320)):
            page = self.browser.open(self.url, dark=dark, width=width).until_live()
            self.assertEqual((page.faults(), page.complaints(), page.width()), ([], [], width))

    def test_connected(self) -> None:
        """
        Who connects is seen, and who goes.
        """
        page = self.browser.open(self.url).until_live()
        client = CountingClient(self.node.port)
        client.get("/api/version")
        connected = "#nodes td:nth-child(4)"
        page.until(lambda: page.text(connected) == "1")
        page.until(lambda: page.text("#links th") == "router")
        client.close()
        page.until(lambda: page.text(connected) == "0")

    def test_without_scripts(self) -> None:
        """
        Without scripts there is what was known when it was asked for.
        """
        page = self.browser.open(self.url, scripts=False)
        for said in ("node1", "up, ", "How it is known", "not live"):
            self.assertIn(said, page.text())
