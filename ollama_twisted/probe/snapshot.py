"""
What was last known of the watched ports, and how it came to be known.

A snapshot is what everybody outside this package gets.  Whatever is not known
is absent from it: a port that could not be looked at has no entry, a sum that
was not measured is None.  Nothing in it is ever a 0 that nobody counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ollama_twisted.probe.connection import Connections


class Method(str, Enum):
    """How bytes are counted; the words are those of the published metric."""

    SS_EVENTS = "ss_events"  # dumps, and the last word of every socket as it is destroyed
    SS_POLL = "ss_poll"  # dumps alone: what a connection did after the last one is missing
    NETSTAT_POLL = "netstat_poll"  # the same from macOS's netstat
    ESTIMATE = "estimate"  # connections times a configured number of bytes


class Quality(str, Enum):
    """How far the bytes can be trusted."""

    EXACT = "exact"
    LOWER_BOUND = "lower_bound"
    ESTIMATED = "estimated"


class Reason(str, Enum):
    """Why a probe failed; the words are those of the published metric."""

    NOT_FOUND = "not_found"  # the tool is not installed
    TIMEOUT = "timeout"
    EXIT = "exit"  # it ended with an error, or was killed by somebody else
    PARSE = "parse"  # what it printed is not what this tool prints
    DENIED = "denied"  # it may not be started, or may not look
    OVERFLOW = "overflow"  # it printed more than we take, or lost some of what it should tell


@dataclass(frozen=True, slots=True)
class Traffic:
    """
    What went over one port since the counting began; numbers only ever grow.

    Directions are the server's: ``sent`` are answers, ``received`` are questions.
    ``sent`` and ``received`` are None until something counts bytes;
    ``retransmitted`` where the tool does not tell it.  ``unaccounted`` counts the
    connections of which bytes are missing: those that vanished without a last word,
    and those that may have come and gone while none was heard (at most so many, as
    clients of other ports may be among these).

    ``peers`` has the bytes sent and received by the client's address; those of the
    many beyond a limit stand under an empty one.  The byte that a reset leaves in
    doubt is in none of them.
    """

    opened: int
    closed: int
    unaccounted: int = 0
    sent: int | None = None
    received: int | None = None
    retransmitted: int | None = None
    method: Method | None = None
    quality: Quality | None = None
    peers: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """
    How one tool has done so far; tools that were never run have no report.

    ``exit_code`` is the last run's, -1 if it was killed, None if it never began.
    A tool that is kept running has neither that nor a ``duration`` while it works.
    ``last_success`` is Unix time.  ``detail`` is the last failure in words, empty
    while the tool works.
    """

    name: str
    success: bool
    duration: float | None
    exit_code: int | None = None
    last_success: float | None = None
    failures: Mapping[Reason, int] = field(default_factory=dict)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    The watched ports at one moment.

    ``at`` is the reactor's time, ``time`` Unix time.  ``source`` names the probe
    whose rows these are, None if none worked: then ``connections`` and
    ``traffic`` are empty.  ``sees_others`` tells whether sockets of other users
    are among them, None if nothing was seen at all; ``hint`` says in one sentence
    what an operator should do about whatever is wrong, and is empty otherwise.
    """

    at: float = 0.0
    time: float = 0.0
    source: str | None = None
    connections: Mapping[int, Connections] = field(default_factory=dict)
    traffic: Mapping[int, Traffic] = field(default_factory=dict)
    probes: Mapping[str, ProbeReport] = field(default_factory=dict)
    sees_others: bool | None = None
    hint: str = ""
