"""How an attempt on one node can fail, whose fault it was, and whether another node may try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ollama_twisted.pool.lease import Outcome

#: What a client is told to wait before it comes again, in seconds.
RETRY_AFTER = (b"Retry-After", b"1")


_ANSWERED = Outcome.ANSWERED
_OUTCOMES = {503: Outcome.BUSY, **dict.fromkeys((500, 502, 504), Outcome.GATEWAY_ERROR)}


class AttemptFailed(Exception):
    """
    A node gave no usable answer, and nothing of one has reached the client.

    ``str()`` is one short clause for people: "connection refused".
    """

    #: A word for metrics and logs; from a closed set.
    reason: ClassVar[str]
    #: What the client is told if no other node answers.
    status: ClassVar[int] = 502
    #: What the pool is told of the node.
    outcome: ClassVar[Outcome] = Outcome.RESET
    #: May a request that changes nothing be sent to another node?
    repeatable: ClassVar[bool] = True
    #: May the node have begun to work on the request?
    sent: ClassVar[bool] = True


class Unreachable(AttemptFailed):
    """No connection: refused, timed out, no such host, TLS not accepted."""

    reason = "unreachable"
    status = 503
    outcome = Outcome.UNREACHABLE
    sent = False


class Reset(AttemptFailed):
    """The node closed or broke the connection before its answer began."""

    reason = "reset"


class Stale(Reset):
    """A connection that had been used before turned out to be closed: nothing came back."""


class BadAnswerHead(AttemptFailed):
    """What came back is not HTTP/1.x that can be passed on."""

    reason = "bad_answer"


class FirstByteTimeout(AttemptFailed):
    """The node accepted the request and stayed silent; it may still be working on it."""

    reason = "first_byte_timeout"
    status = 504
    outcome = Outcome.GATEWAY_ERROR
    # Sent again, a request that takes long takes twice as much of the pool.
    repeatable = False


class GatewayErrorAnswer(AttemptFailed):
    """The node itself answered 502 or 503, so another node was asked."""

    reason = "gateway_error"
    outcome = Outcome.GATEWAY_ERROR


class Busy(GatewayErrorAnswer):
    """The node answered 503: its own line is full."""

    reason = "busy"
    status = 503
    outcome = Outcome.BUSY
    sent = False


class Refused(Exception):
    """The gateway itself answers, with ``status`` and a message; ``failure`` is for the metrics."""

    def __init__(self, status: int, message: str, failure: str) -> None:
        super().__init__(message)
        self.status = status
        self.failure = failure

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """What the head of the answer says of it."""
        reason = (b"X-Ollama-Gateway-Reason", self.failure.encode())
        return (reason, RETRY_AFTER) if self.status >= 500 else (reason,)


def nobody_answered(tried: Mapping[str, AttemptFailed], spent: bool = False) -> Refused:
    """
    What the client is told when each node that was tried has failed, and how.

    ``spent``: no other one was asked, for the sake of the nodes.
    """
    failures = list(tried.values())
    if any(failed.status == 504 for failed in failures):
        status = 504
    elif all(failed.status == 503 for failed in failures):
        status = 503
    else:
        status = 502
    reasons = "; ".join(f"{name}: {failed}" for name, failed in tried.items())
    message = f"no node could answer ({reasons})"
    if spent:
        message += "; no other one was asked, since too many requests are being asked again"
    return Refused(status, message, failures[-1].reason)


def told_busy(status: int) -> AttemptFailed | None:
    """A 502 or 503 speaks of the node, not of the request: another one may do better."""
    if status == 503:
        return Busy("answered 503")
    if status == 502:
        return GatewayErrorAnswer("answered 502")
    return None


def outcome_of(status: int) -> Outcome:
    """What an answer that is passed on says of the node that gave it."""
    return _OUTCOMES.get(status, _ANSWERED)
