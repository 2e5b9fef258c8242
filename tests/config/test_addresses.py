"""Hosts and URLs of nodes, and those at which no node can be."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.addresses import is_loopback, read_host, read_url
from ollama_twisted.config.resolved import Address


class AddressTests(SynchronousTestCase):
    """An address as a Host header carries it."""

    def test_authority(self) -> None:
        """The scheme's own port is left out, and IPv6 has brackets."""
        self.assertEqual(
            [
                Address("http", "gpu", 80).authority,
                Address("https", "gpu", 80).authority,
                Address("https", "ollama.com", 443).authority,
                Address("http", "::1", 11434).authority,
            ],
            ["gpu", "gpu:80", "ollama.com", "[::1]:11434"],
        )


class HostTests(SynchronousTestCase):
    """Single hosts."""

    def test_accepted(self) -> None:
        """Names and addresses are kept as they are written."""
        for host in ("m3max", "m3max-128gb.local", "ollama_1", "192.168.50.158", "::1", "4090.lan"):
            self.assertEqual(read_host(host), host)

    def test_brackets(self) -> None:
        """IPv6 may be written as in a URL."""
        self.assertEqual(read_host("[fd00::7]"), "fd00::7")

    def test_refused(self) -> None:
        """What is no host is refused, and where it belongs is said."""
        for host, why in {
            "http://gpu": "goes into url",
            "gpu/ollama": "goes into url",
            "gpu:11434": "goes into port",
            "gpu 1": "neither a host name nor an address",
            "gpu\n": "neither a host name nor an address",
            "gpu..lan": "neither a host name nor an address",
            "-gpu": "neither a host name nor an address",
            "x" * 64: "neither a host name nor an address",
            "127.0.0.1.5": "four numbers",
            "256.1.1.1": "four numbers",
            "127.1": "four numbers",
            "a.0x7f": "four numbers",
            "1:2:3": "four numbers",
            "0.0.0.0": "not to connect to",
            "::": "not to connect to",
            "224.0.0.1": "many machines",
            "255.255.255.255": "many machines",
            "fd00::1%eth0": "zone",
        }.items():
            error = self.assertRaises(ValueError, read_host, host)
            self.assertIn(why, str(error), host)

    def test_metadata(self) -> None:
        """The services that hand out a cloud's keys are refused, however they are written."""
        for host in (
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "2002:a9fe:a9fe::",
            "[fe80::1]",
            "fd00:ec2::254",
            "100.100.100.200",
            "metadata.google.internal",
            "Metadata.Google.Internal",
            "2852039166",
            "0xA9FEA9FE",
            "0xa9.0xfe.0xa9.0xfe",
            "169.254.43518",
            "0251.0376.0251.0376",
        ):
            self.assertRaises(ValueError, read_host, host)

    @given(st.integers(0, 2**16 - 1))
    def test_link_local(self, low: int) -> None:
        """No link-local address passes."""
        self.assertRaises(ValueError, read_host, str(IPv4Address("169.254.0.0") + low))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is a host or a ``ValueError``, and what passes has nothing to inject."""
        try:
            host = read_host(text)
        except ValueError:
            return
        self.assertRegex(host, r"\A[A-Za-z0-9._:-]+\Z")


class UrlTests(SynchronousTestCase):
    """URLs of nodes."""

    def test_accepted(self) -> None:
        """Scheme, host, port and prefix are taken apart; the prefix loses its last slash."""
        for url, address in {
            "http://gpu:11434": Address("http", "gpu", 11434),
            "http://gpu": Address("http", "gpu", 80),
            "https://ollama.com/": Address("https", "ollama.com", 443),
            "HTTPS://example.org:8443/a/b%20c/": Address("https", "example.org", 8443, "/a/b%20c"),
            "http://[::1]:11434": Address("http", "::1", 11434),
        }.items():
            self.assertEqual(read_url(url), address)

    def test_refused(self) -> None:
        """What is no plain address of a node is refused, and told why."""
        for url, why in {
            "gpu:11434": "expected http://",
            "ftp://gpu": "expected http://",
            "file:///etc/passwd": "expected http://",
            "http://": "expected http://",
            "http://:80": "expected http://",
            "http://gpu:0": "no port",
            "http://gpu:99999": "mistyped",
            "http://gpu:x": "mistyped",
            "http://[::1": "mistyped",
            "http://gpu?a=b": "no query",
            "http://gpu/#": "no query",
            "http://gpu/a/../b": "not plain",
            "http://gpu//a": "not plain",
            "http://gpu/a\\b": "not plain",
            "http://g pu": "no blanks",
            "http://gpu\r\n": "no blanks",
            "http://gp\tu": "no blanks",
            "http://gpü": "beyond ASCII",
            "http://169.254.169.254/latest": "metadata",
            "http://0.0.0.0:11434": "not to connect to",
        }.items():
            error = self.assertRaises(ValueError, read_url, url)
            self.assertIn(why, str(error), url)

    def test_password(self) -> None:
        """A password is refused, without repeating it."""
        for url in ("http://me:hunter2@gpu", "http://@gpu", "http://hunter2@169.254.169.254"):
            error = self.assertRaises(ValueError, read_url, url)
            self.assertIn("no user and no password", str(error))
            self.assertNotIn("hunter2", str(error))

    @given(st.text().map("http://{}".format) | st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is an address or a ``ValueError``, and what passes has nothing to inject."""
        try:
            address = read_url(text)
        except ValueError:
            return
        self.assertRegex(address.authority + address.path, r"\A[!-~]+\Z")


class LoopbackTests(SynchronousTestCase):
    """Which hosts are the gateway's own machine."""

    def test_loopback(self) -> None:
        """Its addresses and its one name are; a name that merely looks so is not."""
        hosts = ["127.0.0.1", "127.8.8.8", "::1", "LocalHost", "127.0.0.1.example.org", "10.0.0.1"]
        self.assertEqual([is_loopback(each) for each in hosts], [True] * 4 + [False] * 2)
