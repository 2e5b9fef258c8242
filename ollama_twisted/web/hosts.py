"""
Which names a server answers to.

A page on the Internet can make a browser send requests here under a name of its
own that resolves to 127.0.0.1 (DNS rebinding, CVE-2024-28224 in Ollama).  Such a
request carries that name as its Host, which is how it is told apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")


def name_of(host: bytes) -> str:
    """The name or address in a Host field, without its port, in lower case."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def is_loopback(address: str) -> bool:
    """Is this the address of the machine itself?"""
    try:
        return ip_address(address.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


class AllowedHosts:
    """The names that are ours: addresses, local names, and those that the operator listed."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._listed = frozenset(name.lower() for name in listed)
        self._seen: set[bytes] = set()

    def allow(self, host: bytes) -> bool:
        """May a request with this Host field be answered?  HTTP/1.0 may send none."""
        if host in self._seen:
            return True
        allowed = self._judge(name_of(host))
        if allowed and len(self._seen) < 64:
            self._seen.add(host)
        return allowed

    def _judge(self, name: str) -> bool:
        # A name without a dot cannot be had on the Internet.
        if not name or "." not in name or name in self._listed or "*" in self._listed:
            return True
        if name.endswith(_LOCAL_SUFFIXES):
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True
