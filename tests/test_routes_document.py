"""What is written of the routes is what the gateway goes by."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.site import PAGES
from tests.routes_document import DOCUMENT, current


class RoutesDocumentTests(SynchronousTestCase):
    """``docs/API.md``."""

    def setUp(self) -> None:
        self.text = DOCUMENT.read_text(encoding="utf-8")

    def test_current(self) -> None:
        """Its table is that of the code; ``python -m tests.routes_document`` writes it."""
        self.assertEqual(self.text, current(self.text))

    def test_pages(self) -> None:
        """Every page of the gateway is in it."""
        named = {
            page
            for page in PAGES
            if any(f"`{method} {page.decode()}`" in self.text for method in ("GET", "POST"))
        }
        self.assertEqual(PAGES - named, {b"/favicon.ico"})
