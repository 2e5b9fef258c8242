"""
The kinds of values a configuration is made of: a time, a port, a host, a header's name ...

A bound that JSON Schema can express is a bound of the type.  What it cannot is a
``check``: a function that raises ``ValueError`` with what is expected instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from ollama_twisted.config.addresses import read_host, read_url
from ollama_twisted.config.targets import read_targets

# Of a text in one line of a log: controls, line ends, and halves of surrogate pairs.
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[\x21-\x7e]+(?:[ \t]+[\x21-\x7e]+)*|")
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ENDPOINT = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*:.+")

#: These end at each hop or frame the message (RFC 9110, 7.6.1; RFC 9112, 6).
_GATEWAYS_OWN = {
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


def _text(text: str) -> None:
    if _UNWRITABLE.search(text):
        raise ValueError("no line breaks, control characters or broken letters, please")


def _name(text: str) -> None:
    _text(text)
    if text != text.strip():
        raise ValueError("no blanks at its ends, please")


def _header_name(text: str) -> None:
    if not _TOKEN.fullmatch(text):
        raise ValueError("not the name of a header")
    if text.lower() in _GATEWAYS_OWN:
        raise ValueError("a header that only the gateway itself may set")


def _header_value(text: str) -> None:
    if not _FIELD_VALUE.fullmatch(text):
        raise ValueError("a header's value is printable ASCII, without line breaks or outer blanks")


def _api_key(text: str) -> None:
    if not _FIELD_VALUE.fullmatch(text) or " " in text or "\t" in text:
        raise ValueError("a key is printable ASCII without blanks or line breaks")


def _origin(text: str) -> None:
    if not _ORIGIN.fullmatch(text):
        raise ValueError("expected an origin like https://grafana.example.com, without a path")


def _endpoint(text: str) -> None:
    _text(text)
    if not _ENDPOINT.fullmatch(text):
        raise ValueError("expected an endpoint like tcp:11435:interface=127.0.0.1")


def _port_to_listen_on(text: str) -> None:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError("expected a port, 1 to 65535, or 0 for any that is free")


def _checked(check: Callable[[str], Any]) -> Meta:
    return Meta(extra={"check": check})


#: Never shown; and without its variable, what needs it is not used.
_secret = Meta(extra={"secret": True})


Seconds = Annotated[float, Meta(gt=0, le=2_592_000)]  # a month: more overflows some timers
Patience = Annotated[float, Meta(ge=0, le=2_592_000)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Billions = Annotated[float, Meta(ge=0, le=1_000_000)]
Size = Annotated[float, Meta(gt=0, le=1_000_000)]
Weight = Annotated[float, Meta(gt=0, le=1_000_000)]
Gigabytes = Annotated[float, Meta(ge=0, le=1_000_000_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
NoneOrCount = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Bytes = Annotated[int, Meta(ge=0, le=2**50)]
Port = Annotated[int, Meta(ge=1, le=65535)]

PathText = Annotated[str, Meta(min_length=1, max_length=4000), _checked(_text)]
Text = Annotated[str, Meta(max_length=1000), _checked(_text)]
Name = Annotated[str, Meta(min_length=1, max_length=200), _checked(_name)]
Host = Annotated[str, Meta(min_length=1, max_length=255), _checked(read_host)]
Url = Annotated[str, Meta(min_length=1, max_length=2000), _checked(read_url)]
Nodes = Annotated[str, Meta(min_length=1, max_length=8000), _checked(read_targets)]
Origin = Annotated[str, Meta(min_length=1, max_length=300), _checked(_origin)]
Endpoint = Annotated[str, Meta(min_length=1, max_length=1000), _checked(_endpoint)]
PortText = Annotated[str, _checked(_port_to_listen_on)]
HeaderName = Annotated[str, Meta(min_length=1, max_length=200), _checked(_header_name)]
HeaderValue = Annotated[str, Meta(max_length=8000), _checked(_header_value), _secret]
ApiKey = Annotated[str, Meta(max_length=4000), _checked(_api_key), _secret]
