"""That the browser would tell: a judge that finds nothing wrong with anything judges nothing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.live.browser import browser

BAD = "data:text/html,<html lang=en><title>x</title><main><h1>x</h1>"


class BrowserTests(SynchronousTestCase):
    """Pages on which something is amiss."""

    def setUp(self) -> None:
        self.browser = browser()

    def test_faults(self) -> None:
        """
        A button that nobody can hear of is a fault, and what is pale on pale is one.
        """
        page = self.browser.open(BAD + "<button></button><p style='color:%23ccc'>pale")
        self.assertEqual(
            sorted(each.partition(" ")[0] for each in page.faults()),
            ["button-name", "color-contrast"],
        )
        self.assertEqual(self.browser.open(BAD).faults(), [])

    def test_complaints(self) -> None:
        """
        Errors of scripts are told, promises that nobody kept among them, and policies broken.
        """
        policy = "<meta http-equiv=Content-Security-Policy content=\"style-src 'none'\">"
        page = self.browser.open(
            f"{BAD}{policy}<p style='color:red'>x<script>Promise.reject(new Error('kept'));"
            "throw new Error('thrown')</script>"
        )
        said = " ".join(page.complaints())
        for each in ("kept", "thrown", "Content Security Policy"):
            self.assertIn(each, said)
        self.assertEqual(page.complaints(), [])

    def test_width(self) -> None:
        """
        A page that is wider than its window is seen to be.
        """
        wide = "<div style='width:400px'>x"
        self.assertGreaterEqual(self.browser.open(BAD + wide, width=320).width(), 400)
        self.assertEqual(self.browser.open(BAD, width=320).width(), 320)

    def test_offline(self) -> None:
        """
        It asks nobody but this machine.
        """
        page = self.browser.open(BAD + "<img alt=x src=http://example.com/x.png>")
        page.until(lambda: page.run("return document.images[0].complete"))
        self.assertIn("ERR_NAME_NOT_RESOLVED", " ".join(page.complaints()))
