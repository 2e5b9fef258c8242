"""The topology page in a real browser: gateway, exporter and nodes are processes of their own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from tests.live.browser import Browser, browser
from tests.live.exporters import RunningExporter
from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode
from tests.live.test_pages import ENTER, ESCAPE, TAB, LookingCase, PageCase

VIEWS = ("3d", "2d", "table")
RIGHT = "\ue014"

# How many different colours a canvas has, and how many a picture of the page has at its place.
COLOURS = """
const [selector, png, done] = arguments;
const canvas = document.querySelector(selector);
const box = canvas.getBoundingClientRect();
const copy = new OffscreenCanvas(box.width, box.height);
const pen = copy.getContext("2d");
function count(source, x, y) {
  pen.drawImage(source, x, y);
  const {data} = pen.getImageData(0, 0, copy.width, copy.height);
  done(new Set(new Uint32Array(data.buffer)).size);
}
if (!png) count(canvas, 0, 0);
else {
  const bytes = Uint8Array.from(atob(png), (each) => each.charCodeAt(0));
  createImageBitmap(new Blob([bytes])).then((seen) => count(seen, -box.left, -box.top));
}
"""
SPACE = ".space canvas"


class TopologyPage:
    """The page, by what people look at."""

    def __init__(self, page: Browser, url: str) -> None:
        self.page = page
        self.url = f"{url}/topology"

    def open(self, query: str = "", **how: object) -> TopologyPage:
        self.page.open(self.url + query, **how).until_live()  # type: ignore[arg-type]
        self.page.until(lambda: self.nodes())
        return self

    def nodes(self) -> list[str]:
        """What is said of each node to somebody who hears the page."""
        said: list[str] = self.page.run(
            "return [...document.querySelectorAll('#picker button')].map((on) => on.textContent)"
        )
        return said

    def until_said(self, *words: str) -> None:
        """Wait until all of this is said of one node."""
        self.page.until(lambda: any(all(each in said for each in words) for said in self.nodes()))

    def view(self) -> str:
        found: str = self.page.run("return document.querySelector('[name=view]:checked').value")
        return found

    def until_view(self, name: str) -> None:
        self.page.until(lambda: self.view() == name)

    def colours(self, selector: str) -> int:
        """How many there are on a flat canvas."""
        found: int = self.page.driver.execute_async_script(COLOURS, selector, None)
        return found

    def shades(self) -> int:
        """How many are seen of the bodies in space, without the names above them."""
        self.page.find(SPACE)
        self.page.run("document.querySelector('canvas.over').style.visibility = 'hidden'")
        png = self.page.driver.get_screenshot_as_base64()
        found: int = self.page.driver.execute_async_script(COLOURS, SPACE, png)
        return found

    def asked(self) -> dict[str, list[str]]:
        """The query in the address."""
        return parse_qs(urlsplit(self.page.driver.current_url).query)

    def details(self) -> str:
        """The heading of the details, if they are shown."""
        return self.page.text("#details h2") if self.page.find("#details").is_displayed() else ""


class HappeningTests(PageCase):
    """What happens to nodes of the test's own, seen on the page."""

    def setUp(self) -> None:
        super().setUp()
        self.topology = TopologyPage(self.browser, self.gateway.url)

    def chat(self, model: str = "llama3:8b") -> None:
        """Have a long answer under way."""
        body = {"model": model, "messages": [{"role": "user", "content": "Count."}]}
        asking = threading.Thread(target=self.gateway.lines, args=("/api/chat", body))
        asking.start()
        self.addCleanup(asking.join)

    def test_killed(self) -> None:
        """
        A node that dies is shown as it dies: in the picture, among the events, aloud.
        """
        page = self.topology.open("?view=2d").page
        self.topology.until_said("gpu-2", "healthy")
        self.nodes["gpu-2"].stop()
        self.topology.until_said("gpu-2", "down")
        page.until(lambda: "gpu-2" in page.text("#log li"))
        self.assertEqual(page.find("#said").get_attribute("textContent"), "gpu-2 is down.")
        self.assertIn("1 down", page.find("#picture").get_attribute("aria-label") or "")
        self.topology.until_said("gpu-1", "healthy")
        self.assertEqual(page.complaints(), [])

    def test_model_loaded(self) -> None:
        """
        A model that is loaded joins the picture, and those who were there keep their places.
        """
        page = self.topology.open("?view=2d&selected=gpu-1").page
        before = self.topology.nodes()
        self.chat()
        self.topology.until_said("llama3:8b, model, 1 node")
        self.assertEqual(len(self.topology.nodes()), len(before) + 1)
        page.until(lambda: "llama3:8b" in page.text("#details ul.plain"))
        page.until(lambda: "llama3:8b" in page.text("#log"))

    def test_traffic(self) -> None:
        """
        What flows is seen to flow; for those who want nothing to move it stands still.
        """
        self.nodes["gpu-1"].get("POST", "/api/chat", {"model": "llama3:8b", "stream": False})
        for still in (True, False):
            page = self.topology.open("?view=2d", still=still).page
            self.chat()
            page.until(lambda: any("1 in flight" in each for each in self.topology.nodes()))
            drawn = ".picture canvas:nth-child(2)"
            if still:
                self.assertEqual(self.topology.colours(drawn), 1)
            else:
                page.until(lambda drawn=drawn: self.topology.colours(drawn) > 1)

    def test_gone(self) -> None:
        """
        A gateway that is gone is said to be gone; what was known stays.
        """
        page = self.topology.open("?view=2d").page
        self.gateway.stop()
        page.until(lambda: page.find("#live").get_attribute("data-state") == "disconnected")
        self.assertTrue(any("gpu-1" in each for each in self.topology.nodes()))


class _Frames(BaseHTTPRequestHandler):
    """A page that shows another one, whose address is its query, in a frame."""

    def do_GET(self) -> None:
        shown = f'<iframe src="{urlsplit(self.path).query}"></iframe>'.encode()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(shown)))
        self.end_headers()
        self.wfile.write(shown)

    def log_message(self, format: str, *values: object) -> None:
        """Overridden: the base class prints a line for each request."""


class FramedTests(SynchronousTestCase):
    """Somebody else's page, which shows the topology in a frame."""

    def setUp(self) -> None:
        self.page = browser()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Frames)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        self.origin = f"http://127.0.0.1:{server.server_port}"
        self.addCleanup(self.page.driver.switch_to.default_content)

    def shown(self, *framed_by: str) -> str:
        """The title of what is in the frame, of a gateway that lets these show it."""
        gateway = RunningGateway({"a": free_port()}, gateway={"framed_by": framed_by})
        self.addCleanup(gateway.stop)
        self.page.open(f"{self.origin}/?{gateway.url}/topology")
        self.page.driver.switch_to.frame(0)
        self.page.until(lambda: self.page.run("return document.readyState") == "complete")
        title: str = self.page.run("return document.title")
        return title

    def test_named(self) -> None:
        """
        Whose origin is named in the configuration may.
        """
        self.assertIn("Topology", self.shown(self.origin))
        self.page.until(lambda: self.page.find("#picture").is_displayed())

    def test_not_named(self) -> None:
        """
        Nobody else may.
        """
        self.assertNotIn("Topology", self.shown())


class LookingTests(LookingCase):
    """Two nodes, and the ways to look at them."""

    def setUp(self) -> None:
        super().setUp()
        self.topology = TopologyPage(self.browser, self.gateway.url)

    def test_everybody(self) -> None:
        """
        Each view loads without a complaint, by day and by night, and axe finds nothing grave.
        """
        for view in VIEWS:
            for dark in (False, True):
                page = self.topology.open(f"?view={view}&selected=gpu-1", dark=dark).page
                self.topology.until_view(view)
                page.until(lambda: self.topology.details() == "gpu-1")
                self.assertEqual((view, dark, page.faults()), (view, dark, []))
                self.assertEqual(page.complaints(), [])

    def test_keys(self) -> None:
        """
        From node to node, into the details and back, without a mouse.
        """
        page = self.topology.open("?view=2d").page
        page.run("document.getElementById('ask').focus()")
        page.press(TAB, TAB)
        self.assertIn("clients, client", page.focus())
        page.press(RIGHT)
        self.assertIn("gateway", page.focus())
        page.press(RIGHT)
        self.assertIn("gpu-", page.focus())
        name = page.focus().partition(",")[0]
        page.press(ENTER)
        page.until(lambda: self.topology.details() == name)
        self.assertEqual((page.focus(), self.topology.asked()["selected"]), (name, [name]))
        page.press(ESCAPE)
        page.until(lambda: page.focus().startswith(f"{name},"))
        self.assertEqual((self.topology.details(), self.topology.asked()), ("", {"view": ["2d"]}))
        page.press(ESCAPE)
        self.assertEqual(self.topology.page.run("return document.activeElement.name"), "view")
        page.press("?")
        page.until(lambda: "Shift Tab" in page.text("#help"))

    def test_space(self) -> None:
        """
        The picture in space is really drawn, its library fetched only then.
        """
        page = self.topology.open("?view=2d").page
        self.assertFalse(page.run("return 'ForceGraph3D' in window"))
        page.press("1")
        self.topology.until_view("3d")
        # Shaded bodies: many colours, not one background and a few lines.
        page.until(lambda: self.topology.shades() > 100)
        self.assertEqual(self.topology.asked(), {"view": ["3d"]})
        self.assertEqual(page.complaints(), [])

    def test_lost(self) -> None:
        """
        A graphics context that goes leaves the same in 2D, and says so.
        """
        page = self.topology.open("?view=3d").page
        page.until(lambda: self.topology.shades() > 100)
        page.run(
            f"document.querySelector('{SPACE}').getContext('webgl2')"
            ".getExtension('WEBGL_lose_context').loseContext()"
        )
        self.topology.until_view("2d")
        self.assertIn("graphics context", page.text("#word"))
        self.topology.until_said("gpu-1", "healthy")

    def test_no_webgl(self) -> None:
        """
        Without WebGL there is the same in 2D, and the page says why.
        """
        topology = TopologyPage(browser(webgl=False), self.gateway.url)
        topology.open("?view=3d")
        topology.until_view("2d")
        topology.page.until(lambda: "no WebGL" in topology.page.text("#word"))
        topology.page.until(lambda: topology.colours(".picture canvas") > 1)
        self.assertFalse(topology.page.run("return 'ForceGraph3D' in window"))

    def test_narrow(self) -> None:
        """
        On a telephone nothing has to be pushed aside.
        """
        for view in VIEWS:
            page = self.topology.open(f"?view={view}&selected=gpu-1", width=320, height=640).page
            self.topology.until_view(view)
            self.assertEqual((view, page.width()), (view, 320))

    def test_address(self) -> None:
        """
        What is looked for stands in the address, and an address brings it back.
        """
        page = self.topology.open("?view=table&search=gpu-2").page
        self.assertEqual(len(self.topology.nodes()), 1)
        rows = "#tables tbody:first-of-type tr th"
        page.until(lambda: page.text(rows) == "gpu-2")
        page.find("#search").clear()
        page.find("#search").send_keys("model:phi3")
        self.assertEqual(self.topology.asked()["search"], ["model:phi3"])
        page.until(lambda: self.topology.nodes() and page.text("#matches").startswith("1 of"))
        page.find("#search").clear()
        page.find("#search").send_keys("nothing-is-called-so")
        page.until(lambda: "No node is like that." in page.text("#tables"))

    def test_table_keys(self) -> None:
        """
        From a row into the details and back.
        """
        page = self.topology.open("?view=table").page
        self.topology.until_view("table")
        page.run("document.querySelectorAll('#tables tbody button')[2].focus()")
        name = page.focus()
        page.press(ENTER)
        page.until(lambda: self.topology.details() == name)
        page.press(ESCAPE)
        page.until(lambda: not self.topology.details())
        self.assertEqual(page.focus(), name)

    def test_help(self) -> None:
        """
        What the keys do can be read by everybody, and put away again.
        """
        page = self.topology.open("?view=2d").page
        page.press("?")
        page.until(lambda: "Shift Tab" in page.text("#help"))
        self.assertEqual(page.faults(), [])
        page.press(ESCAPE)
        page.until(lambda: not page.find("#help").is_displayed())

    def test_sorted(self) -> None:
        """
        A column's head sorts by it, and again the other way.
        """
        page = self.topology.open("?view=table").page
        names = (
            "return [...document.querySelectorAll('#tables table:first-of-type tbody th')]"
            ".map((each) => each.textContent).filter((each) => each.startsWith('gpu'))"
        )
        head = "#tables thead th:first-child"
        page.find(f"{head} button").click()
        self.assertEqual(page.run(names), ["gpu-1", "gpu-2"])
        self.assertEqual(page.find(head).get_attribute("aria-sort"), "ascending")
        page.find(f"{head} button").click()
        self.assertEqual(page.run(names), ["gpu-2", "gpu-1"])
        self.assertEqual(page.find(head).get_attribute("aria-sort"), "descending")

    def test_wall(self) -> None:
        """
        For a wall there is the picture alone.
        """
        page = self.topology.open("?view=2d&wall=1").page
        self.assertFalse(page.find(".frame").is_displayed())
        self.assertFalse(page.find(".tools").is_displayed())
        self.assertTrue(page.find("#picture").is_displayed())


class ExporterTests(SynchronousTestCase):
    """One node, a client, and the exporter's page."""

    def setUp(self) -> None:
        self.node = SimulatedNode("--model", "llama3:8b")
        self.addCleanup(self.node.stop)
        self.exporter = RunningExporter({"node1": self.node.port}).until_measured()
        self.addCleanup(self.exporter.stop)
        url = f"http://127.0.0.1:{self.exporter.port}"
        self.topology = TopologyPage(browser(), url)

    def test_views(self) -> None:
        """
        It shows its node in each view, says how its bytes are known, and nothing complains.
        """
        for view in VIEWS:
            page = self.topology.open(f"?view={view}&selected=node1").page
            self.topology.until_view(view)
            self.topology.until_said("node1", "healthy")
            page.until(lambda page=page: "Bytes are" in page.text("#details"))
            self.assertEqual((page.faults(), page.complaints()), ([], []))

    def test_connected(self) -> None:
        """
        Who connects, and who goes, is seen.
        """
        gateway = RunningGateway({"gpu-1": self.node.port})
        self.addCleanup(gateway.stop)
        gateway.until_healthy("gpu-1")
        self.topology.open("?view=2d")
        self.topology.page.until(lambda: "router, 0 connections" not in self.topology.nodes())
        gateway.stop()
        self.topology.until_said("router", "0 connections")

    def test_killed(self) -> None:
        """
        That its Ollama dies is seen, and told among the events.
        """
        page = self.topology.open("?view=2d").page
        self.topology.until_said("node1", "healthy")
        self.node.stop()
        self.topology.until_said("node1", "down")
        page.until(lambda: "node1" in page.text("#log li"))
