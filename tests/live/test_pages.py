"""The gateway's pages in a real browser, in front of simulated nodes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.live.browser import Browser, browser
from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode


class PageCase(SynchronousTestCase):
    """Two nodes with a model each, and a gateway in front of them."""

    def setUp(self) -> None:
        self.browser: Browser = browser()
        self.nodes = {
            name: SimulatedNode("--model", model)
            for name, model in (("gpu-1", "llama3:8b"), ("gpu-2", "phi3:3.8b"))
        }
        for node in self.nodes.values():
            self.addCleanup(node.stop)
        ports = {name: node.port for name, node in self.nodes.items()}
        self.gateway = RunningGateway(ports)
        self.addCleanup(self.gateway.stop)
        self.gateway.until_healthy(*ports)


class EverybodyTests(PageCase):
    """What holds for each page, whoever looks at it."""

    PAGES = ("/",)

    def test_without_scripts(self) -> None:
        """
        Without scripts the essentials are there, and the page is asked for anew by itself.
        """
        page = self.browser.open(self.gateway.url, scripts=False)
        for said in ("gpu-1", "gpu-2", "healthy", "llama3:8b", "phi3:3.8b", "not live"):
            self.assertIn(said, page.text())
        self.assertIn('http-equiv="refresh"', page.driver.page_source)
        self.assertEqual(page.complaints(), [])
