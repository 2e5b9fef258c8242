"""What went wrong, in the words of the protocol that the client speaks."""

from __future__ import annotations

import json
from typing import Any

from ollama_twisted.wire.routes import Dialect

_OPENAI_TYPES = {400: "invalid_request_error", 404: "not_found_error"}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def body(dialect: Dialect, status: int, message: str) -> bytes:
    """The body, as JSON, of an answer that has ``status``."""
    return json.dumps(_problem(dialect, status, message)).encode("ascii")


def in_stream(dialect: Dialect, message: str, status: int = 502) -> bytes:
    """
    What tells a client in the middle of a streamed answer that no more of it will come.

    It may only follow a whole line (or event), and nothing may follow it.
    ``status`` is what the answer would have had, could it have been known.
    """
    problem = body(dialect, status, message)
    if dialect is Dialect.OLLAMA:
        return problem + b"\n"
    if dialect is Dialect.ANTHROPIC:
        return b"event: error\ndata: %b\n\n" % problem
    return b"data: %b\n\n" % problem


def _problem(dialect: Dialect, status: int, message: str) -> dict[str, Any]:
    if dialect is Dialect.OLLAMA:
        return {"error": message}
    if dialect is Dialect.ANTHROPIC:
        kind = _ANTHROPIC_TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    kind = _OPENAI_TYPES.get(status, "api_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
