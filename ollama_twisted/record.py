"""What there is to say about one exchange once it has ended: for the metrics and the access log."""

from __future__ import annotations

from dataclasses import dataclass

from ollama_twisted.wire.stream import Final


@dataclass(slots=True)
class Record:
    """
    One exchange.  Times are in seconds of the gateway's monotonic clock.

    ``failure`` is empty for an answer that passed whole, whatever its status: an
    error that the node meant to give is the node's business.  ``nodes`` are those that
    were asked side by side, where it was not one.  ``retries`` names
    each node that was given up on, and why; ``passed_over`` those that were not
    eligible, in the same words.  ``not_retried`` is the last one that failed, if no other
    was asked because too many requests were being asked again.  ``audio`` is how long a
    recording lasts that was transcribed, and ``asked_at`` when its node was sent it; None
    otherwise.
    """

    operation: str
    method: bytes
    path: bytes
    client: bytes
    started: float
    received: int = 0
    model: str | None = None
    streamed: bool = False
    status: int = 0
    failure: str = ""
    detail: str = ""
    node: str = ""
    nodes: tuple[str, ...] = ()
    passed_over: str = ""
    explained: str = ""
    attempts: int = 0
    retries: tuple[tuple[str, str], ...] = ()
    not_retried: tuple[str, str] | None = None
    waited: float | None = None
    first_at: float = 0.0
    ended: float = 0.0
    relayed: int = 0
    final: Final | None = None
    audio: float | None = None
    asked_at: float | None = None
    #: Of ``relayed`` and of the tokens generated, what was counted while the answer passed.
    counted: int = 0
    reckoned: float = 0.0
