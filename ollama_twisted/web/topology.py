"""The page that draws who is connected to whom.  Both servers have it; it reads what they tell."""

from __future__ import annotations

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

POLICY = (
    CONTENT_POLICY + b"; style-src 'self' " + b" ".join(b"'sha256-%b'" % each for each in STYLES)
)


def topology_page(frame: Frame) -> PageResource:
    """``GET /topology``, in the frame of the server that has it."""
    return PageResource(
        frame, PAGE, lambda request: Element(loader=template("topology-3d.html")), POLICY
    )
