"""
A pytest plugin that sends the traffic of a pytest-httpserver suite through a gateway.

The suite under test stays as it was published.  Its mock server listens where
``GW_MOCK`` says (host:port) and is the gateway's only node; every address that
the mock hands out is that of the gateway, ``GW_URL``, instead.  Without
``GW_URL`` nothing is changed and the suite talks to its mock directly.

The gateway also asks the mock how it is.  Such checks come from anyone but the
client under test and are answered here, so that the order in which the suite
expects requests is not disturbed.  ``GW_MODELS`` (separated by commas) are the
models that the checks find.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug.wrappers import Request, Response

GATEWAY = os.environ.get("GW_URL", "").rstrip("/")
MODELS = [
    {
        "name": name,
        "model": name,
        "size": 1,
        "digest": "d" * 64,
        "modified_at": "2024-01-01T00:00:00Z",
        "details": {},
    }
    for name in os.environ.get("GW_MODELS", "dummy").split(",")
]
CHECKS = {
    "/": "Ollama is running",
    "/api/version": json.dumps({"version": "0.6.3"}),
    "/api/tags": json.dumps({"models": MODELS}),
    "/api/ps": json.dumps({"models": []}),
}

seen: Counter[str] = Counter()
_dispatch = HTTPServer.dispatch


def dispatch(self: HTTPServer, request: Request) -> Response:
    """Answer a check here, and let the suite's own expectations answer the rest."""
    checks = request.method in {"GET", "HEAD"} and request.path in CHECKS
    if checks and not request.headers.get("User-Agent", "").startswith("ollama-python/"):
        seen["checks"] += 1
        kind = "text/plain" if request.path == "/" else "application/json"
        return Response(CHECKS[request.path], content_type=kind)
    # A request proves that it came through a gateway by what gateways add.
    seen["through" if "Via" in request.headers else "direct"] += 1
    return _dispatch(self, request)


def url_for(self: HTTPServer, suffix: str) -> str:
    """The gateway's address for what the suite believes to be its mock's."""
    return GATEWAY + "/" + suffix.lstrip("/")


if GATEWAY:
    host, _, port = os.environ["GW_MOCK"].partition(":")
    os.environ["PYTEST_HTTPSERVER_HOST"], os.environ["PYTEST_HTTPSERVER_PORT"] = host, port
    HTTPServer.dispatch = dispatch  # type: ignore[method-assign]
    HTTPServer.url_for = url_for  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def _gateway_knows_the_mock(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start the mock, then wait until the gateway has seen that it has models."""
    if GATEWAY:
        request.getfixturevalue("make_httpserver")
        deadline = time.monotonic() + 20
        while not _models_listed() and time.monotonic() < deadline:
            time.sleep(0.1)
    yield


def _models_listed() -> bool:
    try:
        with urllib.request.urlopen(GATEWAY + "/api/tags", timeout=2) as answer:
            return bool(json.load(answer)["models"])
    except (OSError, ValueError, KeyError):
        return False


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which way the requests came: none may have gone around the gateway."""
    way = f"through {GATEWAY}" if GATEWAY else "without a gateway"
    counts = ", ".join(f"{seen[each]} {each}" for each in ("through", "direct", "checks"))
    terminalreporter.write_line(f"requests {way}: {counts}")
