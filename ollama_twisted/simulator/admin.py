"""
The simulator's own pages: what is going on, and which faults are in force.

No fault ever strikes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from ollama_twisted.simulator.faults import BadFault, Kind, parse_rule
from ollama_twisted.simulator.node import Node
from ollama_twisted.simulator.voice.base import JSON_UTF8, dumps


def admin_resource(node: Node, refuse: Callable[[float], None]) -> Resource:
    """The tree below ``/simulator``."""
    root = Resource()
    root.putChild(b"state", StateResource(node))
    root.putChild(b"faults", FaultsResource(node, refuse))
    return root


class StateResource(Resource):
    """``GET /simulator/state``: counts of what has come and gone."""

    isLeaf = True

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._node = node

    def render_GET(self, request: Request) -> bytes:
        return _json(request, self._node.state())


class FaultsResource(Resource):
    """
    ``/simulator/faults``: GET tells the rules, POST adds some, PUT puts others in
    their place, DELETE removes all.

    A body is one rule as text, or JSON ``{"faults": [RULE, ...]}``.  ``refuse``
    is no rule: it is done at once.
    """

    isLeaf = True

    def __init__(self, node: Node, refuse: Callable[[float], None]) -> None:
        super().__init__()
        self._node = node
        self._refuse = refuse

    def render_GET(self, request: Request) -> bytes:
        return _json(request, {"faults": [str(each) for each in self._node.faults.rules]})

    def render_POST(self, request: Request) -> bytes:
        return self._set(request, self._node.faults.rules)

    def render_PUT(self, request: Request) -> bytes:
        return self._set(request, [])

    def render_DELETE(self, request: Request) -> bytes:
        self._node.faults.rules = []
        return self.render_GET(request)

    def _set(self, request: Request, before: list[Any]) -> bytes:
        content: Any = request.content
        try:
            rules = [parse_rule(each) for each in _texts(content.read())]
        except BadFault as bad:
            request.setResponseCode(400)
            return _json(request, {"error": str(bad)})
        at_once = [each for each in rules if each.fault.kind is Kind.REFUSE]
        self._node.faults.rules = before + [each for each in rules if each not in at_once]
        for rule in at_once:
            self._refuse(rule.fault.value or 0.0)
        return self.render_GET(request)


def _texts(body: bytes) -> list[str]:
    text = body.decode("utf-8", "replace").strip()
    if not text.startswith(("{", "[", '"')):
        return [each for each in text.splitlines() if each.strip()]
    try:
        value = json.loads(text)
    except ValueError as bad:
        raise BadFault(f"neither a fault nor JSON: {bad}") from bad
    if isinstance(value, dict):
        value = value.get("faults", value.get("fault", ""))
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _json(request: Request, value: object) -> bytes:
    request.setHeader(b"content-type", JSON_UTF8.encode())
    return dumps(value) + b"\n"
