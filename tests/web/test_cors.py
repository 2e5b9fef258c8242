"""Which origins may read answers, held against the Fetch standard."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.web.cors import Cors, read_origin

ALLOW = b"access-control-allow-origin"


class OriginTests(SynchronousTestCase):
    """An origin, as it is written in a configuration."""

    def test_plain_form(self) -> None:
        """
        Case and a scheme's own port do not matter; another port does.
        """
        same = ["https://A.example", "https://a.example:443", "https://a.example/"]
        self.assertEqual({read_origin(each) for each in same}, {"https://a.example"})
        self.assertEqual(read_origin("http://[::1]:3000"), "http://[::1]:3000")

    def test_refused(self) -> None:
        """
        What is no origin is told apart, ``null`` among it.
        """
        for each in ("null", "", "example.com", "ftp://a", "https://a/path", "https://u@a", "//a"):
            self.assertRaises(ValueError, read_origin, each)

    @given(st.text())
    def test_junk(self, text: str) -> None:
        """
        Nothing but ValueError comes of junk.
        """
        with contextlib.suppress(ValueError):
            read_origin(text)


class CorsTests(SynchronousTestCase):
    """The header fields."""

    def test_same_origin_only(self) -> None:
        """
        Without a list nothing is said at all.
        """
        self.assertEqual(Cors().fields(b"https://a.example"), [])
        self.assertEqual(Cors().fields(None), [])

    def test_listed(self) -> None:
        """
        A listed origin is echoed; caches are always told that answers differ by origin.
        """
        cors = Cors(["https://a.example"])
        self.assertEqual(
            cors.fields(b"https://a.example"),
            [(b"vary", b"Origin"), (ALLOW, b"https://a.example")],
        )
        self.assertEqual(cors.fields(None), [(b"vary", b"Origin")])

    def test_not_listed(self) -> None:
        """
        Neither a look-alike nor ``null`` nor ``*`` is echoed.
        """
        cors = Cors(["https://example.com"])
        for each in (
            b"https://evil-example.com",
            b"https://example.com.evil",
            b"http://example.com",
            b"https://example.com:8443",
            b"null",
            b"*",
            b"\xff",
        ):
            self.assertEqual(cors.fields(each), [(b"vary", b"Origin")], each)

    def test_any(self) -> None:
        """
        ``*`` is said to everybody alike, so caches need no telling.
        """
        self.assertEqual(Cors(["*"]).fields(None), [(ALLOW, b"*")])
        self.assertEqual(Cors(["*"]).fields(b"null"), [(ALLOW, b"*")])

    def test_preflight(self) -> None:
        """
        A listed origin may read, for ten minutes; others get only what caches need.
        """
        cors = Cors(["https://a.example"])
        told = dict(cors.preflight(b"https://a.example", private_network=False))
        self.assertEqual(
            told,
            {
                ALLOW: b"https://a.example",
                b"access-control-allow-methods": b"GET, HEAD, OPTIONS",
                b"access-control-allow-headers": b"Content-Type, Last-Event-ID",
                b"access-control-max-age": b"600",
                b"vary": b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            },
        )
        self.assertEqual(list(dict(cors.preflight(b"https://b.example", True))), [b"vary"])

    def test_private_network(self) -> None:
        """
        The old question of private networks is answered for listed origins alone.
        """
        name = b"access-control-allow-private-network"
        cors = Cors(["https://a.example"])
        self.assertIn((name, b"true"), cors.preflight(b"https://a.example", True))
        self.assertNotIn((name, b"true"), Cors(["*"]).preflight(b"https://a.example", True))

    def test_never_credentials(self) -> None:
        """
        No list whatever makes a browser send or reveal credentials.
        """
        for listed in ([], ["*"], ["https://a.example"]):
            told = Cors(listed).preflight(b"https://a.example", True)
            told += Cors(listed).fields(b"https://a.example")
            self.assertNotIn(b"access-control-allow-credentials", dict(told))
