"""What the gateway's pages show before, or without, any script."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.web.pages import CONTENT_POLICY
from tests.gateway.harness import World, get, split

PAGES = (b"/", b"/nodes", b"/routing", b"/config")


class PeopleCase(SynchronousTestCase):
    """A gateway with two nodes, of which one is down."""

    def setUp(self) -> None:
        self.world = World("ab")
        self.world.know("a", ("llama3:8b", "<i>phi3</i>"), loaded=("llama3:8b",))
        for _ in range(3):
            self.world.pool.checked("b", 0.0, False, "connection <refused>")

    def page(self, path: bytes, host: str = "127.0.0.1") -> str:
        client = self.world.client(host)
        client.send(get(path, b"Accept: text/html", b"Connection: close"))
        first, fields, rest = split(client.read())
        self.assertEqual(
            (first[9:12], fields[b"content-type"], fields[b"content-security-policy"]),
            (b"200", b"text/html; charset=utf-8", CONTENT_POLICY),
            path,
        )
        # Whole, whatever chunks it came in.
        return re.sub(r"\r\n[0-9a-f]+\r\n", "", rest.decode())


class FrameTests(PeopleCase):
    """What all pages have in common."""

    def test_pages(self) -> None:
        """
        Each page is reached from each page, and says where one is.
        """
        for path in PAGES:
            page = self.page(path)
            for other in (*PAGES, b"/topology"):
                self.assertIn(f'<a href="{other.decode()}"', page)
            self.assertEqual(
                re.findall(r'href="([^"]*)" aria-current="page"', page), [path.decode()]
            )

    def test_nothing_inline(self) -> None:
        """
        No page has a script, a style or a handler of its own in it, which its policy forbids.
        """
        for path in PAGES:
            page = self.page(path)
            self.assertEqual(re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=", page), [])

    def test_escaped(self) -> None:
        """
        What comes from nodes is text, whatever it looks like.
        """
        for path in (*PAGES, b"/routing?model=%3Ci%3Ephi3%3C/i%3E"):
            page = self.page(path)
            self.assertNotIn("<i>", page)
            self.assertNotIn("<refused>", page)

    def test_no_secrets(self) -> None:
        """
        Nobody's key is on any page.
        """
        self.world = World("a", api_key="hunter2", headers=(("X-Org", "hunter2"),))
        for path in PAGES:
            self.assertNotIn("hunter2", self.page(path), path)

    def test_read_only(self) -> None:
        """
        A page is read; nothing can be posted to it.
        """
        for path in PAGES:
            client = self.world.client()
            client.send(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % path)
            # Of "/" only what browsers ask for is a page; the rest is a node's.
            if path != b"/":
                self.assertEqual(client.read()[9:12], b"405", path)


class ContentTests(PeopleCase):
    """Each page."""

    def test_dashboard(self) -> None:
        """
        The dashboard has each node's state, and each model with who has it.
        """
        page = self.page(b"/")
        self.assertIn('<span class="state healthy">healthy</span>', page)
        self.assertIn('<span class="state down">down</span>', page)
        self.assertIn("connection &lt;refused&gt;", page)
        self.assertIn("llama3:8b", page)

    def test_nodes(self) -> None:
        """
        ``/nodes`` has a card for each.
        """
        page = self.page(b"/nodes")
        self.assertEqual(re.findall(r"<h2>(\w)</h2>", page), ["a", "b"])
        self.assertIn("http://a.test:11434", page)

    def test_below_nodes(self) -> None:
        """
        What is below it is no page for people, and what is not there is not found.
        """
        for path in (b"/nodes/", b"/nodes/a", b"/nodes/a/x"):
            client = self.world.client()
            client.send(get(path, b"Accept: text/html"))
            self.assertEqual(client.read()[9:12], b"404", path)

    def test_manage(self) -> None:
        """
        Only who may manage nodes is offered to.
        """
        for path in (b"/nodes", b"/config"):
            self.assertIn('data-manage="yes"', self.page(path))
            self.assertIn('data-manage="no"', self.page(path, "192.168.1.9"))
        self.world = World("a", limits=GatewayLimits(manage_models="off"))
        self.assertIn('data-manage="no"', self.page(b"/nodes"))

    def test_routing(self) -> None:
        """
        ``/routing`` says of a model where it would go, and why not elsewhere.
        """
        self.assertNotIn("would", self.page(b"/routing").partition('id="answer"')[2])
        page = self.page(b"/routing?model=llama3:8b")
        self.assertIn("It would go to a", page)
        self.assertIn('value="llama3:8b"', page)
        self.assertIn("connection &lt;refused&gt;", page)

    def test_refused(self) -> None:
        """
        It says so, too, when nobody could answer.
        """
        for _ in range(3):
            self.world.pool.checked("a", 0.0, False, "reset")
        self.assertIn("It would be refused", self.page(b"/routing?model=llama3:8b"))

    def test_wait(self) -> None:
        """
        And when all who could answer are full.
        """
        self.world = World("a", max_in_flight=1)
        self.world.client().send(
            b'POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{"model":"m"}'
        )
        self.assertIn("It would wait in line", self.page(b"/routing?model=m"))

    def test_config(self) -> None:
        """
        ``/config`` has all that is configured, and the command that has the file read again.
        """
        page = self.page(b"/config")
        self.assertIn("&quot;round_robin&quot;" if "&quot;" in page else '"round_robin"', page)
        self.assertIn("curl -X POST http://localhost:11435/api/config/reload", page)
