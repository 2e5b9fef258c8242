"""The page that draws who is connected to whom.  Both servers have it; it reads what they tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.web.template import Element

from ollama_twisted.web.pages import CONTENT_POLICY
from ollama_twisted.web.shell import Frame, Page, PageResource, template

PAGE = Page("/topology", "Topology", "topology/main.js", refreshes=False)

#: The three style elements that static/vendor/3d-force-graph.min.js adds to the page it
#: runs in, empty at first.  By their hashes they are allowed, and no other style that is
#: not a file.
STYLES = (
    b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    b"0/4q5IwejFb2zgHlQwwtwmGHS8ZbXE1kmz/TkRFlZ7M=",
    b"9xjtvxMT1ApHlgn9ohbh2FNfvK5Tqtzy94BjfXBeMSY=",
    b"yfc2FhpkFR0EAy3T+zDsaAFGXSP9B3ELNvaJKDzNhkk=",
)

_STYLES = b"; style-src 'self' " + b" ".join(b"'sha256-%b'" % each for each in STYLES)
_FRAMED = b"frame-ancestors 'self'"


def policy(framed_by: Iterable[str] = ()) -> bytes:
    """What the page may load, and which origins beside its own may show it in a frame."""
    framed = b" ".join((_FRAMED, *(each.encode() for each in framed_by)))
    return CONTENT_POLICY.replace(_FRAMED, framed) + _STYLES


def topology_page(
    frame: Frame, framed_by: Callable[[], Iterable[str]] = lambda: ()
) -> PageResource:
    """
    ``GET /topology``, in the frame of the server that has it.

    Nothing can be done there, so it does no harm in a frame of somebody else's.
    """
    return PageResource(
        frame,
        PAGE,
        lambda request: Element(loader=template("topology-3d.html")),
        lambda: policy(framed_by()),
    )
