"""Who may change what is on the nodes."""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.web.hosts import is_loopback


def may_manage(limits: GatewayLimits, client: bytes, authorization: bytes = b"") -> bool:
    """May a client at this address, with this ``Authorization``, change what the nodes have?"""
    allowed = limits.manage_models
    if allowed == "keys":
        return has_key(limits.manage_keys, authorization)
    # A Unix socket is guarded by its file permissions.
    local = client == b"unix" or is_loopback(client.decode())
    return allowed == "open" or (allowed == "loopback" and local)


def has_key(keys: tuple[str, ...], authorization: bytes) -> bool:
    """
    Is it one of these keys that the client shows?

    All of them are looked at, and their digests at that, so that the time it takes
    tells nothing of how much of a guess was right.
    """
    scheme, _, shown = authorization.partition(b" ")
    digest = sha256(shown.strip()).digest()
    found = False
    for key in keys:
        found |= compare_digest(sha256(key.encode()).digest(), digest)
    return found and scheme.lower() == b"bearer"


def why_not(limits: GatewayLimits, what: str = "changing models") -> str:
    """What a client is told that may not."""
    if limits.manage_models == "keys":
        how = "it takes one of gateway.manage_keys, sent as 'Authorization: Bearer KEY'"
    else:
        how = "see gateway.manage_models"
    return f"{what} is not allowed from here ({how})"
