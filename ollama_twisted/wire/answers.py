"""Answers that the gateway gives itself, as bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

JSON = b"application/json; charset=utf-8"


def reason_phrase(status: int) -> bytes:
    """The phrase that goes with a status; empty for one that has no name."""
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


def own_answer(
    status: int,
    body: bytes | str,
    *,
    content_type: bytes = JSON,
    fields: Sequence[tuple[bytes, bytes]] = (),
    keep_alive: bool = True,
    head_only: bool = False,
) -> bytes:
    """
    A whole answer: head, and body unless ``head_only``.

    A ``str`` is a message for people, and is put into Ollama's ``{"error": ...}``.
    """
    if isinstance(body, str):
        body = json.dumps({"error": body}).encode("ascii")
    head = [
        b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
        % (status, reason_phrase(status), content_type, len(body))
    ]
    head.extend(b"%b: %b\r\n" % field for field in fields)
    if not keep_alive:
        head.append(b"Connection: close\r\n")
    head.append(b"\r\n")
    if not head_only:
        head.append(body)
    return b"".join(head)
