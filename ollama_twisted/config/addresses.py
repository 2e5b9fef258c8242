"""
Where a node may be: hosts and URLs as people write them, and those that are refused.

A gateway sends requests wherever its configuration says, so a mistyped or smuggled
address must not make it ask a cloud's metadata service for keys.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from ollama_twisted.config.resolved import Address

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# A last label like these makes it an address, however oddly written (RFC 3986, 7.4).
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")

_METADATA_NAMES = {"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"}
_METADATA_ADDRESSES = {
    ip_address(each)
    for each in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
}


def read_host(text: str) -> str:
    """
    A host name or an address, without the brackets that IPv6 has in URLs.

    @raise ValueError: it is neither, or no node can be there.
    """
    if "://" in text:
        raise ValueError("expected a host, not a URL: a URL goes into url")
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if "/" in host:
        raise ValueError("expected a host without a path: what has a path goes into url")
    if host.count(":") == 1:
        raise ValueError("expected a host without a port: the port goes into port")
    if _NUMBER.fullmatch(host.rpartition(".")[2]) or ":" in host:
        _judge_address(host)
    elif not _HOST_NAME.fullmatch(host) or len(host) > 253:
        raise ValueError("neither a host name nor an address")
    elif host.lower() in _METADATA_NAMES:
        raise ValueError("a cloud's metadata service, never a node")
    return host


def read_url(text: str) -> Address:
    """
    Where ``http://host:port/prefix`` points.

    What is wrong is told without the URL itself, which may hold a password.

    @raise ValueError: it is no such URL, or no node can be there.
    """
    # urlsplit drops some of these without a word.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a URL has no blanks, control characters or letters beyond ASCII")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL: is its host or its port mistyped?") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected http://host:port or https://host:port")
    if "@" in parts.netloc:
        raise ValueError("a URL here has no user and no password: use api_key or headers")
    if "?" in text or "#" in text:
        raise ValueError("a URL here has no query and no fragment")
    if port == 0:
        raise ValueError("0 is no port to connect to")
    path = parts.path.rstrip("/")
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("the path of the URL is not plain")
    usual = 443 if parts.scheme == "https" else 80
    return Address(parts.scheme, read_host(parts.hostname), port or usual, path)


def is_loopback(host: str) -> bool:
    """Is this the gateway's own machine?"""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _judge_address(text: str) -> None:
    address: IPv4Address | IPv6Address | None
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError("not an address: four numbers with dots, or IPv6") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError("an address with a zone cannot be told to a node")
        address = address.ipv4_mapped or address.sixtofour or address
    if address.is_link_local or address in _METADATA_ADDRESSES:
        raise ValueError("a link-local or metadata address, never a node")
    if address.is_unspecified:
        raise ValueError("an address to listen on, not to connect to: 127.0.0.1 is this machine")
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise ValueError("the address of many machines, not of one node")
