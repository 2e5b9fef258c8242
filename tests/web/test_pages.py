"""Metrics and the package's files as pages."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from ollama_twisted.web.cors import Cors
from ollama_twisted.web.hosts import AllowedHosts
from ollama_twisted.web.pages import MetricsResource, StaticResource
from ollama_twisted.web.site import PageSite
from tests.web.harness import Visitor


class PageTests(SynchronousTestCase):
    """``/metrics`` and ``/static/...``."""

    def setUp(self) -> None:
        registry = CollectorRegistry()
        Counter("things", "Things.", registry=registry).inc()
        root = Resource()
        root.putChild(b"metrics", MetricsResource(registry))
        root.putChild(b"static", StaticResource())
        self.site = PageSite(root, AllowedHosts([]), Cors(), shared=lambda path: False)

    def test_plain(self) -> None:
        """
        Who asks for nothing special gets the format that everybody reads.
        """
        answer = Visitor(self.site).get(b"/metrics")
        self.assertTrue(str(answer.field(b"content-type"), "ascii").startswith("text/plain"))
        (family, *_) = plain(answer.body.decode())
        self.assertEqual(family.name, "things")

    def test_negotiated(self) -> None:
        """
        Who prefers OpenMetrics gets OpenMetrics.
        """
        answer = Visitor(self.site).get(
            b"/metrics", accept=b"application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
        )
        kind = str(answer.field(b"content-type"), "ascii")
        self.assertTrue(kind.startswith("application/openmetrics-text"))
        self.assertTrue(answer.body.endswith(b"# EOF\n"))
        self.assertEqual([each.name for each in open_metrics(answer.body.decode())], ["things"])

    def test_file(self) -> None:
        """
        A file of the package is answered as what it is, once: then its tag suffices.
        """
        answer = Visitor(self.site).get(b"/static/style.css")
        self.assertEqual(answer.field(b"content-type"), b"text/css; charset=utf-8")
        tag = answer.field(b"etag") or b""
        again = Visitor(self.site).get(b"/static/style.css", if_none_match=tag)
        self.assertEqual((again.status, again.body), (304, b""))

    def test_no_file(self) -> None:
        """
        Nothing else is, by whatever spelling.
        """
        for path in (
            b"/static/",
            b"/static/status.html",
            b"/static/../setup.cfg",
            b"/static/..%2fsetup.cfg",
            b"/static//style.css",
            b"/static/%2e%2e/config/ollama-gateway.service",
        ):
            self.assertEqual(Visitor(self.site).get(path).status, 404, path)
