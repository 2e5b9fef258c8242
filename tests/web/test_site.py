"""What a site of read-only pages refuses, and what is on every answer."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from ollama_twisted.web.cors import Cors
from ollama_twisted.web.hosts import AllowedHosts
from ollama_twisted.web.pages import JsonResource
from ollama_twisted.web.site import MAX_BODY, PATIENCE, PageSite
from tests.web.harness import Visitor

A = b"https://a.example"


def site(*origins: str, hosts: tuple[str, ...] = (), limit: int = 10) -> PageSite:
    """Pages at ``/api/x`` (shared with other origins), ``/metrics`` (scraped) and ``/broken``."""

    def broken(request: Request) -> None:
        request.setResponseCode(503)

    api, root = Resource(), Resource()
    api.putChild(b"x", JsonResource(lambda request: {"x": 1}))
    api.putChild(b"broken", JsonResource(broken))
    root.putChild(b"api", api)
    root.putChild(b"metrics", JsonResource(lambda request: "m"))
    return PageSite(
        root,
        AllowedHosts(hosts),
        Cors(origins),
        shared=lambda path: path.startswith(b"/api/"),
        scraped=frozenset({b"/metrics"}),
        max_connections=limit,
    )


class MethodTests(SynchronousTestCase):
    """Pages are read."""

    def test_get(self) -> None:
        """
        A page is answered, and named what it is for good.
        """
        answer = Visitor(site()).get(b"/api/x")
        self.assertEqual((answer.status, answer.body), (200, b'{"x": 1}'))
        self.assertEqual(answer.field(b"x-content-type-options"), b"nosniff")

    def test_head(self) -> None:
        """
        HEAD has the length and no body.
        """
        answer = Visitor(site()).ask(b"HEAD", b"/api/x")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.field(b"content-length"), b"8")

    def test_others(self) -> None:
        """
        Whatever would change something is told which methods there are.
        """
        for method in (b"POST", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"BREW"):
            answer = Visitor(site()).ask(method, b"/api/x", content_length=b"0")
            self.assertEqual(answer.status, 405, method)
            self.assertEqual(answer.field(b"allow"), b"GET, HEAD, OPTIONS")
            self.assertIn("error", json.loads(answer.body))

    def test_options(self) -> None:
        """
        OPTIONS that no browser sends ahead tells the methods.
        """
        answer = Visitor(site("https://a.example")).ask(b"OPTIONS", b"/api/x")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.field(b"allow"), b"GET, HEAD, OPTIONS")

    def test_kept_alive(self) -> None:
        """
        One connection serves many requests, refused ones among them.
        """
        visitor = Visitor(site())
        statuses = [visitor.ask(each, b"/api/x").status for each in (b"GET", b"POST", b"GET")]
        self.assertEqual(statuses, [200, 405, 200])

    def test_long_body(self) -> None:
        """
        A body that nobody asked for is not swallowed for ever, announced or not.
        """
        announced = Visitor(site())
        announced.ask(b"GET", b"/api/x", content_length=b"%d" % (MAX_BODY + 1))
        self.assertTrue(announced.wire.aborted)
        chunked = Visitor(site())
        chunked.ask(b"GET", b"/api/x", transfer_encoding=b"chunked")
        for _ in range(10):
            chunked.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        self.assertTrue(chunked.wire.aborted)


class OriginTests(SynchronousTestCase):
    """Other origins."""

    def test_preflight(self) -> None:
        """
        A browser that asks ahead is told what it may, without a body.
        """
        answer = Visitor(site("https://a.example")).ask(
            b"OPTIONS", b"/api/x", origin=A, access_control_request_method=b"GET"
        )
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.field(b"access-control-allow-origin"), A)
        self.assertEqual(len(answer.fields[b"vary"]), 1)

    def test_errors(self) -> None:
        """
        Errors are readable too, or the page would see no more than "network error".
        """
        for path, status in ((b"/api/none", 404), (b"/api/broken", 503), (b"/api/x/y", 404)):
            answer = Visitor(site("https://a.example")).get(path, origin=A)
            self.assertEqual(answer.field(b"access-control-allow-origin"), A, path)
            if path != b"/api/x/y":
                self.assertEqual(answer.status, status)
        refused = Visitor(site("https://a.example")).ask(b"POST", b"/api/x", origin=A)
        self.assertEqual(refused.field(b"access-control-allow-origin"), A)

    def test_not_shared(self) -> None:
        """
        What is not shared says nothing to other origins, whatever is listed.
        """
        answer = Visitor(site("*")).get(b"/metrics", origin=A)
        self.assertEqual(answer.field(b"access-control-allow-origin"), None)

    def test_vary(self) -> None:
        """
        With a list every answer varies, also one without an Origin.
        """
        answer = Visitor(site("https://a.example")).get(b"/api/x")
        self.assertEqual(answer.field(b"vary"), b"Origin")


class HostTests(SynchronousTestCase):
    """Names that lead here."""

    def test_rebound(self) -> None:
        """
        A name of somebody else's that leads to loopback is refused, and told which.
        """
        for path in (b"/api/x", b"/metrics"):
            answer = Visitor(site()).ask(b"GET", path, host=b"evil.example:9101")
            self.assertEqual(answer.status, 403)
            self.assertIn("evil.example", json.loads(answer.body)["error"])

    def test_ours(self) -> None:
        """
        Addresses, names without a dot and listed names are ours.
        """
        for host in (b"localhost", b"127.0.0.1:9101", b"[::1]:9101", b"box", b"Mon.Example:9101"):
            answer = Visitor(site(hosts=("mon.example",))).ask(b"GET", b"/api/x", host=host)
            self.assertEqual(answer.status, 200, host)

    def test_scraped(self) -> None:
        """
        From the network a scraper may come by any name, to what is scraped only.
        """
        visitor = Visitor(site(), host="192.168.1.20")
        self.assertEqual(visitor.ask(b"GET", b"/metrics", host=b"gpu.example:9101").status, 200)
        self.assertEqual(visitor.ask(b"GET", b"/api/x", host=b"gpu.example:9101").status, 403)

    def test_preflight(self) -> None:
        """
        A foreign name gets no permission either.
        """
        answer = Visitor(site("*")).ask(
            b"OPTIONS",
            b"/api/x",
            host=b"evil.example",
            origin=A,
            access_control_request_method=b"GET",
        )
        self.assertEqual(answer.status, 403)


class RoomTests(SynchronousTestCase):
    """How many may be connected."""

    def test_full(self) -> None:
        """
        One too many is hung up on; once another leaves there is room again.
        """
        pages = site(limit=2)
        first, second, third = Visitor(pages), Visitor(pages), Visitor(pages)
        self.assertEqual(
            [each.wire.aborted for each in (first, second, third)], [False, False, True]
        )
        first.leave()
        self.assertEqual(Visitor(pages).get(b"/api/x").status, 200)

    def test_slow(self) -> None:
        """
        Who sends a byte now and then loses the place all the same.
        """
        slow = Visitor(site())
        slow.send(b"GET / HTTP/1.1\r\n")
        for _ in range(7):
            slow.clock.advance(PATIENCE / 5)
            slow.send(b"X")
        self.assertEqual(slow.wire.protocol, None)

    def test_served_in_time(self) -> None:
        """
        Who asks now and then may stay.
        """
        visitor = Visitor(site())
        for _ in range(7):
            visitor.clock.advance(PATIENCE / 2)
            self.assertEqual(visitor.get(b"/api/x").status, 200)
