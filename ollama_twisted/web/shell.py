"""The frame that every page for people stands in, with the way to the other pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from twisted.web.template import Element, XMLString, renderElement, renderer

from ollama_twisted import __version__
from ollama_twisted.resources import shipped
from ollama_twisted.web.pages import CONTENT_POLICY


@dataclass(frozen=True, slots=True)
class Link:
    """A page, and what it is called."""

    path: str
    title: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What all pages of one program have around them: the other pages, and what machines read."""

    product: str
    pages: tuple[Link, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """
    One page.

    ``script`` is the module that keeps it live; one that ``refreshes`` is asked for
    anew, time and again, by browsers that run no scripts.
    """

    path: str
    heading: str
    script: str
    refreshes: bool = True


def template(name: str) -> XMLString:
    """A template of the package."""
    return XMLString(shipped("static", name).read_text(encoding="utf-8"))


class Shell(Element):
    """A page in its frame."""

    def __init__(self, frame: Frame, page: Page, content: Element) -> None:
        super().__init__(loader=template("shell.html"))
        self._frame = frame
        self._page = page
        self._content = content

    @renderer
    def title(self, request: Any, tag: Any) -> Any:
        return tag(f"{self._page.heading} · {self._frame.product}")

    @renderer
    def heading(self, request: Any, tag: Any) -> Any:
        return tag(self._page.heading)

    @renderer
    def product(self, request: Any, tag: Any) -> Any:
        return tag(self._frame.product)

    @renderer
    def version(self, request: Any, tag: Any) -> Any:
        return tag(__version__)

    @renderer
    def script(self, request: Any, tag: Any) -> Any:
        return tag(src=f"/static/{self._page.script}")

    @renderer
    def refresh(self, request: Any, tag: Any) -> Any:
        return tag if self._page.refreshes else ""

    @renderer
    def pages(self, request: Any, tag: Any) -> Any:
        for link in self._frame.pages:
            item = tag.clone().fillSlots(path=link.path, title=link.title)
            if link.path == self._page.path:
                item.children[0].attributes["aria-current"] = "page"
            yield item

    @renderer
    def links(self, request: Any, tag: Any) -> Any:
        return [
            tag.clone().fillSlots(path=each.path, title=each.title) for each in self._frame.links
        ]

    @renderer
    def content(self, request: Any, tag: Any) -> Any:
        return self._content


class PageResource(Resource):
    """A page for people; ``content`` makes what stands in the frame, anew for each request."""

    isLeaf = True

    def __init__(
        self,
        frame: Frame,
        page: Page,
        content: Callable[[Request], Element],
        policy: Callable[[], bytes] = lambda: CONTENT_POLICY,
    ) -> None:
        super().__init__()
        self._frame = frame
        self._page = page
        self._content = content
        self._policy = policy

    def render_GET(self, request: Request) -> int:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        request.setHeader(b"content-security-policy", self._policy())
        request.setHeader(b"cache-control", b"no-store")
        shell = Shell(self._frame, self._page, self._content(request))
        renderElement(request, shell, doctype=b"<!DOCTYPE html>")
        return NOT_DONE_YET
