"""The gateway's pages in a real browser, in front of simulated nodes."""

from __future__ import annotations

import atexit
import json
import re
import signal
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from urllib.parse import parse_qs, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.web.events import MAX_LISTENERS
from tests.live.browser import Browser, browser
from tests.live.child import PATIENCE
from tests.live.gateways import RunningGateway, free_port
from tests.live.simulated import SimulatedNode

ESCAPE, ENTER, TAB, LEFT = "\ue00c", "\ue007", "\ue004", "\ue012"

#: A model whose name is a trap.
TRAP = "x/<img src=x onerror=document.title=1>:1b"


class Pool:
    """Nodes with a model each, and a gateway in front of them."""

    def __init__(self, models: Mapping[str, str]) -> None:
        # Side by side, as most of a start is waiting.
        with ThreadPoolExecutor() as starting:
            started = starting.map(
                lambda model: SimulatedNode("--model", model, "--load-time", "0.1"),
                models.values(),
            )
            self.nodes = dict(zip(models, started, strict=True))
        self.ports = {name: node.port for name, node in self.nodes.items()}
        self.gateway = self.start()

    def start(self, *options: str) -> RunningGateway:
        """A gateway in front of these nodes."""
        return RunningGateway(self.ports, *options).until_healthy(*self.ports)

    def stop(self) -> None:
        """End them all."""
        for each in (self.gateway, *self.nodes.values()):
            each.stop()


@cache
def shared() -> Pool:
    """One for all tests that only look."""
    pool = Pool(PageCase.MODELS)
    atexit.register(pool.stop)
    return pool


class PageCase(SynchronousTestCase):
    """Two nodes with a model each, and a gateway in front of them."""

    MODELS = {"gpu-1": "llama3:8b", "gpu-2": "phi3:3.8b"}

    def setUp(self) -> None:
        self.browser: Browser = browser()
        self.pool = self.make()
        self.nodes, self.gateway = self.pool.nodes, self.pool.gateway

    def make(self) -> Pool:
        """A pool of the test's own."""
        pool = Pool(self.MODELS)
        self.addCleanup(pool.stop)
        return pool


class LookingCase(PageCase):
    """The same, shared by all who only look."""

    def make(self) -> Pool:
        return shared()


class EverybodyTests(LookingCase):
    """What holds for each page, whoever looks at it."""

    PAGES = ("/", "/nodes", "/routing?model=llama3:8b", "/config")

    def test_sound(self) -> None:
        """
        Each page is live, by day and by night; nothing is amiss in its console, nor does axe
        find what would keep anybody from using it.
        """
        for path in self.PAGES:
            for dark in (False, True):
                page = self.browser.open(self.gateway.url + path, dark=dark).until_live()
                self.assertEqual((path, page.faults(), page.complaints()), (path, [], []))

    def test_without_scripts(self) -> None:
        """
        Without scripts the essentials are there; what only shows is asked for anew by itself.
        """
        for path in self.PAGES:
            page = self.browser.open(self.gateway.url + path, scripts=False)
            for said in ("gpu-1", "gpu-2", "not live"):
                self.assertIn(said, page.text(), path)
            self.assertEqual(page.complaints(), [])
        page = self.browser.open(self.gateway.url, scripts=False)
        for said in ("healthy", "llama3:8b", "phi3:3.8b"):
            self.assertIn(said, page.text())
        self.assertIn('http-equiv="refresh"', page.driver.page_source)

    def test_narrow(self) -> None:
        """
        On the narrowest telephone nothing has to be pushed aside to be read.
        """
        for path in self.PAGES:
            page = self.browser.open(self.gateway.url + path, width=320, height=640).until_live()
            self.assertEqual((path, page.width()), (path, 320))

    def test_still(self) -> None:
        """
        Nothing moves for whoever wants nothing to.
        """
        moving = "return document.getAnimations().length"
        for path in self.PAGES:
            self.browser.open(self.gateway.url + path, still=True).until_live()
            self.assertEqual((path, self.browser.run(moving)), (path, 0))
        # The sign that is live beats for everybody else.
        self.browser.open(self.gateway.url).until_live()
        self.browser.until(lambda: self.browser.run(moving))

    def test_keyboard(self) -> None:
        """
        The keyboard leads to the content, the other pages, the charts and the events.
        """
        page = self.browser.open(self.gateway.url).until_live()
        page.press(TAB)
        self.assertEqual(page.focus(), "Skip to content")
        page.press(ENTER)
        self.assertEqual(page.run("return document.activeElement.id"), "main")
        # The first chart can be read value by value.
        page.press(TAB)
        self.assertRegex(page.focus(), r"^Requests per second, the last 5 min: now .*, at most")
        page.press(LEFT, LEFT)
        page.until(lambda: "4 s ago" in page.text(".chart .at"))
        page.press(ESCAPE)
        page.until(lambda: page.text(".chart .at") == "")
        page.open(self.gateway.url).until_live()
        page.press(TAB, TAB)
        self.assertEqual(page.focus(), "ollama-gateway")
        page.press(TAB, TAB)
        self.assertEqual(page.focus(), "Nodes")
        page.press(ENTER)
        page.until(lambda: page.driver.title == "Nodes · ollama-gateway")

    def test_sorted(self) -> None:
        """
        The heads of the nodes' table sort it; the order stands in the address.
        """
        page = self.browser.open(self.gateway.url).until_live()
        page.until(lambda: page.text("#nodes tr:nth-child(1) th").startswith("gpu-1"))
        for first in ("gpu-1", "gpu-2"):
            page.find("thead button").click()
            self.assertTrue(page.text("#nodes tr:nth-child(1) th").startswith(first))
        self.assertEqual(page.find("thead th").get_attribute("aria-sort"), "descending")
        page.open(page.driver.current_url).until_live()
        page.until(lambda: page.text("#nodes tr:nth-child(1) th").startswith("gpu-2"))
        page.find("thead button").click()
        self.assertEqual(urlsplit(page.driver.current_url).query, "")

    def test_theme(self) -> None:
        """
        Day or night may be chosen, and is remembered.
        """
        colour = "return getComputedStyle(document.body).backgroundColor"
        page = self.browser.open(self.gateway.url).until_live()
        self.addCleanup(page.run, "localStorage.removeItem('theme')")
        day = page.run(colour)
        page.find("#theme").click()
        night = page.run(colour)
        self.assertNotEqual(day, night)
        page.open(self.gateway.url + "/nodes")
        self.assertEqual(page.run(colour), night)
        page.find("#theme").click()
        self.assertEqual(page.run(colour), day)


class LiveTests(PageCase):
    """What happens is seen."""

    def told(self, node: str, shown: str) -> list[str]:
        """What the page was told of a node's state, and what it shows, at one moment."""
        found: list[str] = self.browser.module(
            "live.js",
            f"[it.live.document.nodes.get({node!r}).state,"
            f" document.querySelector({shown!r}).innerText]",
        )
        return found

    def until_told(self, node: str, state: str, shown: str) -> None:
        """Wait until the page was told so: at that moment it must show it."""
        found = self.browser.until(
            lambda: said if (said := self.told(node, shown))[0] == state else None
        )
        self.assertIn(state, found[1])

    def test_down(self) -> None:
        """
        A node that dies is shown in the moment in which the gateway tells of it; and its return.
        """
        page = self.browser.open(self.gateway.url).until_live()
        self.assertIn("2 of 2", page.text("#tiles"))
        row = "#nodes tr:nth-child(2)"
        port = self.nodes["gpu-2"].port
        self.nodes["gpu-2"].stop()
        self.until_told("gpu-2", "down", row)
        self.assertIn("connection refused", page.text(row))
        self.assertIn("1 of 2", page.text("#tiles"))
        self.assertIn("gpu-2 down", page.text("#tiles"))
        self.assertIn("gpu-2 is down", page.text("#events"))
        self.assertIn("gpu-2 is down", page.run("return document.all.announce.textContent"))
        again = SimulatedNode("--model", "phi3:3.8b", port=port)
        self.addCleanup(again.stop)
        self.until_told("gpu-2", "healthy", row)
        self.assertEqual(page.complaints(), [])

    def test_loaded(self) -> None:
        """
        A model that is loaded is shown with its node, without anything being asked anew.
        """
        page = self.browser.open(self.gateway.url).until_live()
        self.assertNotIn("llama3:8b", page.text("#nodes"))
        page.run("document.querySelector('#nodes tr').mine = true")
        self.gateway.lines("/api/generate", {"model": "llama3:8b", "prompt": "Why?"})
        page.until(lambda: "llama3:8b" in page.text("#nodes tr:nth-child(1)"))
        page.until(lambda: "llama3:8b was loaded on gpu-1" in page.text("#events"))
        page.until(lambda: "gpu-1" in page.text("#models tr:nth-child(1) td"))
        # The row is the one that was there: focus and selection are not lost.
        self.assertTrue(page.run("return document.querySelector('#nodes tr').mine"))
        self.assertEqual(page.complaints(), [])

    def test_nodes(self) -> None:
        """
        The nodes' cards follow, too, with what is in memory and for how long.
        """
        page = self.browser.open(self.gateway.url + "/nodes#gpu-1").until_live()
        self.gateway.lines("/api/generate", {"model": "llama3:8b", "prompt": "Why?"})
        page.until(lambda: page.find("#gpu-1 table"))
        row = page.text("#gpu-1 tbody tr")
        for said in ("llama3:8b", "4.8 GB", "100 %", "in 4 min"):
            self.assertIn(said, row)

    def test_away(self) -> None:
        """
        When the gateway goes away the page says so, and comes back with it.
        """
        port = free_port()
        listen = ("--listen", f"tcp:{port}:interface=127.0.0.1")
        gateway = self.pool.start(*listen)
        self.addCleanup(gateway.stop)
        page = self.browser.open(f"http://127.0.0.1:{port}").until_live()
        gateway.stop()
        page.until(lambda: "disconnected for" in page.text("#live"))
        self.addCleanup(self.pool.start(*listen).stop)
        page.until_live()
        # Of what it tried in vain the browser complains; its scripts have nothing to.
        self.assertEqual([each for each in page.complaints() if "ERR_" not in each], [])

    def test_silent(self) -> None:
        """
        A gateway that gives no sign of life is not taken for one in which nothing happens.
        """
        page = self.browser.open(self.gateway.url).until_live()
        self.gateway.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.gateway.process.send_signal, signal.SIGCONT)
        later = "const now = Date.now; Date.now = () => now() + 25_000"
        page.run(later)
        page.until(lambda: re.search(r"stale for\s+\d+ s", page.text("#live")))
        page.run(later)
        page.until(lambda: "disconnected for" in page.text("#live"))
        self.gateway.process.send_signal(signal.SIGCONT)
        page.until_live()

    def test_polling(self) -> None:
        """
        Where no stream is to be had the page asks again and again.
        """
        listeners = [
            socket.create_connection(("127.0.0.1", self.gateway.port), timeout=PATIENCE)
            for _ in range(MAX_LISTENERS)
        ]
        for each in listeners:
            self.addCleanup(each.close)
            each.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b"200", each.recv(1024))
        page = self.browser.open(self.gateway.url).until_live()
        self.assertEqual(page.text("#live"), "live (polling)")
        self.nodes["gpu-2"].stop()
        self.until_told("gpu-2", "down", "#nodes tr:nth-child(2)")

    def test_hidden(self) -> None:
        """
        A page that nobody sees listens to nothing, and catches up when it is seen.
        """
        page = self.browser.open(self.gateway.url).until_live()
        self.addCleanup(page.driver.set_window_rect, 0, 0, 1280, 900)
        page.driver.minimize_window()
        page.until(lambda: page.module("live.js", "it.live.status.state") == "paused")
        self.nodes["gpu-2"].stop()
        self.until_down("gpu-2")
        self.assertEqual(self.told("gpu-2", "#live")[0], "healthy")
        page.driver.set_window_rect(0, 0, 1280, 900)
        self.until_told("gpu-2", "down", "#nodes tr:nth-child(2)")

    def until_down(self, name: str) -> None:
        """Wait until the gateway says so."""
        self.browser.until(lambda: not self.gateway.get("GET", "/health")["nodes"][name]["healthy"])


class TrapTests(PageCase):
    """Names that outsiders have made."""

    MODELS = {"gpu-1": TRAP}

    def test_names(self) -> None:
        """
        A name is shown as it is, on each page, and does nothing.
        """
        self.gateway.lines("/api/generate", {"model": TRAP, "prompt": "Why?"})
        for path, place in (("/", "#models"), ("/nodes", "#nodes"), ("/routing", "body")):
            page = self.browser.open(self.gateway.url + path).until_live()
            page.until(partial(page.find, f"{place} option, {place} .chip"))
            if path != "/routing":
                self.assertIn(TRAP, page.text(place))
            self.assertEqual(page.run("return document.querySelectorAll('[onerror]').length"), 0)
            self.assertIn("ollama-gateway", page.driver.title)
            self.assertEqual(page.complaints(), [])


class FollowingTests(PageCase):
    """``/routing``, when something happens."""

    def test_follows(self) -> None:
        """
        The answer changes when what it depends on does.
        """
        page = self.browser.open(self.gateway.url + "/routing?model=llama3:8b").until_live()
        page.until(lambda: "It would go to gpu-1" in page.text("#answer"))
        self.nodes["gpu-1"].stop()
        page.until(lambda: "It would be refused" in page.text("#answer"))


class RoutingTests(LookingCase):
    """``/routing``."""

    def test_model(self) -> None:
        """
        A model is asked for by keyboard; the answer is for people, and stands in the address.
        """
        page = self.browser.open(self.gateway.url + "/routing").until_live()
        page.find("#model").send_keys("llama3:8b", ENTER)
        page.until(lambda: "It would go to gpu-1" in page.text("#answer"))
        self.assertIn("it does not have the model", page.text("#answer"))
        self.assertEqual(self.asked(page), {"model": ["llama3:8b"]})
        page.find("#model").clear()
        page.find("#model").send_keys("phi3:3.8b", ENTER)
        page.until(lambda: "It would go to gpu-2" in page.text("#answer"))
        page.driver.back()
        page.until(lambda: "It would go to gpu-1" in page.text("#answer"))
        self.assertEqual(page.find("#model").get_attribute("value"), "llama3:8b")

    def test_request(self) -> None:
        """
        A whole request is asked for; whoever is given the address sees the same.
        """
        page = self.browser.open(self.gateway.url + "/routing").until_live()
        page.find("#whole summary").click()
        page.find("#path").clear()
        page.find("#path").send_keys("/v1/chat/completions")
        page.find("#body").send_keys('{"model": "phi3:3.8b"}')
        page.find("#request button").click()
        page.until(lambda: "It would go to gpu-2" in page.text("#answer"))
        self.assertIn("POST /v1/chat/completions (v1_chat)", page.text("#answer"))
        address = page.driver.current_url
        page.open(address)
        page.until(lambda: "It would go to gpu-2" in page.text("#answer"))
        self.assertEqual(self.asked(page), {})

    def asked(self, page: Browser) -> dict[str, list[str]]:
        return parse_qs(urlsplit(page.driver.current_url).query)


class ManagingTests(PageCase):
    """What an operator does on the pages."""

    def test_drain(self) -> None:
        """
        A node is drained and resumed by a button, which says what it will do next.
        """
        page = self.browser.open(self.gateway.url + "/nodes").until_live()
        card = "#gpu-1"
        page.until(lambda: page.find(f"{card} button"))
        page.find(f"{card} button").click()
        page.until(lambda: page.text(f"{card} .state") == "draining")
        self.assertEqual(page.text(f"{card} button"), "Resume")
        page.find(f"{card} button").click()
        page.until(lambda: page.text(f"{card} .state") == "healthy")
        self.assertEqual(page.text(f"{card} button"), "Drain")
        self.assertEqual(page.complaints(), [])

    def test_reload(self) -> None:
        """
        The file is read again at a button; what came of it is said, and shown.
        """
        page = self.browser.open(self.gateway.url + "/config").until_live()
        file = self.gateway.folder / "nodes.json"
        document = json.loads(file.read_text())
        document["nodes"][0]["description"] = "changed just now"
        file.write_text(json.dumps(document))
        page.find("#reload").click()
        page.until(lambda: "It is used now: 2 nodes" in page.text("#reloaded"))
        page.until(lambda: "changed just now" in page.text("#now"))
        self.assertEqual(page.complaints(), [])
        file.write_text("{")
        page.find("#reload").click()
        page.until(lambda: "1 fault" in page.text("#reloaded"))


class CheckingTests(LookingCase):
    """``/config``."""

    def test_check(self) -> None:
        """
        A configuration is checked: each fault with its place, or what it would change.
        """
        page = self.browser.open(self.gateway.url + "/config").until_live()
        wrong = {"nodes": [{"name": "gpu-1", "hosts": ["10.0.0.1"], "wieght": 2}]}
        page.find("#text").send_keys(json.dumps(wrong))
        page.find("#check button").click()
        page.until(lambda: "nodes[0].wieght" in page.text("#checked"))
        self.assertIn("1 fault", page.text("#checked"))
        page.find("#text").clear()
        page.find("#text").send_keys(json.dumps(wrong).replace("wieght", "weight"))
        page.find("#check button").click()
        page.until(lambda: "It can be used: 1 node" in page.text("#checked"))
        # Of an answer that refuses the browser complains as well.
        self.assertEqual([each for each in page.complaints() if "422" not in each], [])
