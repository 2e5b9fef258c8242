"""What an operator may do while the gateway runs: try and reload a configuration, drain a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from ollama_twisted.errors import ConfigError
from ollama_twisted.gateway.core import Gateway
from ollama_twisted.gateway.guard import NotAllowed, see_operator
from ollama_twisted.gateway.reload import Reading, Reloader
from ollama_twisted.web.pages import as_json
from ollama_twisted.web.site import say

#: A configuration to be tried may be so long: thousands of nodes fit.
MAX_TEXT = 2 * 2**20

#: Whoever drains a node for longer had better know.
FORGETS = (
    "a restart of the gateway forgets this; to keep the node out for longer, set"
    ' "enabled": false for it in the configuration and reload that'
)

Act = Callable[[Request], Any]


class ActionResource(Resource):
    """Something that is done by POST, by an operator; the answer is a document."""

    isLeaf = True

    def __init__(self, gateway: Gateway, act: Act) -> None:
        super().__init__()
        self._gateway = gateway
        self._act = act

    def render_POST(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        try:
            see_operator(self._gateway, request)
            return as_json(self._act(request))
        except NotAllowed as error:
            return say(request, error.status, str(error))
        except ConfigError as error:
            request.setResponseCode(422)
            return as_json(_refused(error))


def check_action(gateway: Gateway, reloader: Reloader) -> ActionResource:
    """``POST /api/config/check``: could this be the configuration?  Nothing is changed."""

    def check(request: Request) -> Any:
        assert request.content is not None
        text = request.content.read(MAX_TEXT + 1)
        if len(text) > MAX_TEXT:
            raise NotAllowed(413, f"a configuration to be tried has {MAX_TEXT} bytes at most")
        return _told(reloader.check(text or None))

    return ActionResource(gateway, check)


def reload_action(gateway: Gateway, reloader: Reloader) -> ActionResource:
    """``POST /api/config/reload``: take over what the file says now."""
    return ActionResource(gateway, lambda request: _told(reloader.reload()))


def drain_action(gateway: Gateway, name: str, draining: bool) -> ActionResource:
    """``POST /nodes/{name}/drain`` and ``resume``: no new requests for this node, or some again."""

    def act(request: Request) -> Any:
        if not gateway.pool.drain(name, draining, gateway.seconds()):
            raise NotAllowed(404, f"there is no node {name!r}")
        node = gateway.pool.nodes[name]
        told = {
            "node": name,
            "draining": draining,
            "drained": node.drained,
            "in_flight": node.busy,
            "transfers": node.visits,
        }
        return {**told, "note": FORGETS} if draining else told

    return ActionResource(gateway, act)


def _told(reading: Reading) -> dict[str, Any]:
    config, difference = reading.config, reading.difference
    return {
        "ok": True,
        "nodes": len(config.nodes),
        "warnings": list(reading.warnings),
        "summary": {
            "strategy": config.strategy,
            "added": list(difference.added),
            "removed": list(difference.removed),
            "changed": list(difference.changed),
            "settings": list(difference.settings),
            "needs_restart": list(difference.waiting),
            "text": str(difference),
        },
    }


def _refused(error: ConfigError) -> dict[str, Any]:
    return {
        "ok": False,
        "error": f"the configuration cannot be used: {error.faults[0]}",
        "faults": [{"path": each.path, "message": each.message} for each in error.faults],
    }
