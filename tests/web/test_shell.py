"""The frame around pages for people."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.template import Element, TagLoader, tags

from ollama_twisted.web.cors import Cors
from ollama_twisted.web.hosts import AllowedHosts
from ollama_twisted.web.pages import CONTENT_POLICY
from ollama_twisted.web.shell import Frame, Link, Page, PageResource
from ollama_twisted.web.site import PageSite
from tests.web.harness import Answer, Visitor

FRAME = Frame("<Product>", (Link("/", "Start"), Link("/a?b&c", "A & B")), (Link("/m", "metrics"),))


class ShellTests(SynchronousTestCase):
    """A page with one paragraph."""

    def answer(self, page: Page) -> Answer:
        content = Element(TagLoader(tags.p("said <here>")))
        root = Resource()
        root.putChild(b"", PageResource(FRAME, page, lambda request: content))
        site = PageSite(root, AllowedHosts([]), Cors(), shared=lambda path: False)
        return Visitor(site).get(b"/")

    def test_parts(self) -> None:
        """
        It has a title, its script, the way to the other pages and its content.
        """
        text = self.answer(Page("/", "Now", "now.js")).body.decode()
        for said in (
            "<title>Now · &lt;Product&gt;</title>",
            '<script type="module" src="/static/now.js"></script>',
            '<a href="/" aria-current="page">Start</a>',
            '<a href="/a?b&amp;c">A &amp; B</a>',
            "<h1>Now</h1>",
            "<p>said &lt;here&gt;</p>",
            '<a href="/m">metrics</a>',
        ):
            self.assertIn(said, text)

    def test_fields(self) -> None:
        """
        It is never kept, and may load nothing from elsewhere.
        """
        answer = self.answer(Page("/", "Now", "now.js"))
        self.assertEqual(answer.field(b"cache-control"), b"no-store")
        self.assertEqual(answer.field(b"content-security-policy"), CONTENT_POLICY)

    def test_refreshes(self) -> None:
        """
        Without scripts it is asked for anew, unless somebody may be writing into it.
        """
        refresh = b'<noscript><meta http-equiv="refresh" content="5" /></noscript>'
        self.assertIn(refresh, self.answer(Page("/", "Now", "now.js")).body)
        page = Page("/", "Form", "form.js", refreshes=False)
        self.assertNotIn(b'http-equiv="refresh"', self.answer(page).body)
