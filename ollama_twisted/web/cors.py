"""
Which pages of other origins may read what we answer.

The list holds whole origins and is empty unless the operator fills it: browsers
then let nobody but our own pages read answers.  It is no access control: whoever
reaches the port can read them without a browser.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

#: Stands for every origin.  Credentials are never allowed, whatever is listed.
ANY = "*"

_PORTS = {"http": 80, "https": 443}

Fields = list[tuple[bytes, bytes]]


def read_origin(text: str) -> str:
    """
    An origin as browsers write it: lower case, without the scheme's own port.

    @raise ValueError: it is none.  ``null`` is none: every sandboxed page has it.
    """
    if text == ANY:
        return ANY
    parts = urlsplit(text.strip())
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"not an origin such as https://grafana.example.com: {text!r}")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"an origin ends with its host or port: {text!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port
    if port is None or port == _PORTS[parts.scheme]:
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{port}"


class Cors:
    """The list of origins, and the header fields that tell browsers of it."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        listed = frozenset(map(read_origin, origins))
        self._any = ANY in listed
        self._listed = listed

    def fields(self, origin: bytes | None) -> Fields:
        """
        What every answer carries, errors too, to a request with this Origin.

        An origin that is not listed is answered like anybody else; its browser sees
        no permission and keeps the answer to itself.
        """
        if self._any:
            return [(b"access-control-allow-origin", b"*")]
        if not self._listed:
            return []
        # Said of every answer: a cache must not give one origin's answer to another.
        fields = [(b"vary", b"Origin")]
        if origin is not None and self._allows(origin):
            fields.append((b"access-control-allow-origin", origin))
        return fields

    def preflight(self, origin: bytes | None, private_network: bool) -> Fields:
        """What a browser is told before it asks for something that is out of the ordinary."""
        allowed = self._any or (origin is not None and self._allows(origin))
        fields = [each for each in self.fields(origin) if each[0] != b"vary"]
        if allowed:
            fields += [
                (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
                (b"access-control-allow-headers", b"Content-Type, Last-Event-ID"),
                (b"access-control-max-age", b"600"),
            ]
            if private_network and not self._any:
                fields.append((b"access-control-allow-private-network", b"true"))
        asked = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
        return [*fields, (b"vary", asked)]

    def _allows(self, origin: bytes) -> bool:
        try:
            return origin != b"*" and read_origin(origin.decode("ascii")) in self._listed
        except ValueError:
            return False
