"""
What Linux's ``ss`` prints: every socket, and the bytes it carried.

Where the kernel does not answer it (a container, a seccomp filter), ss silently
reads ``/proc`` instead: the rows are right then, but there are no bytes in them
and the keys are no keys.  `Dump.measured` tells the two apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ollama_twisted.probe.connection import Reading, Row, State, end

# The kernel counts the peer's FIN as one received byte, in these states and when
# the socket is gone.
_AFTER_FIN = {State.CLOSE_WAIT, State.LAST_ACK, State.CLOSING, State.CLOSED}

_STATES = {
    "ESTAB": State.ESTABLISHED,
    "SYN-SENT": State.SYN_SENT,
    "SYN-RECV": State.SYN_RECV,
    "FIN-WAIT-1": State.FIN_WAIT1,
    "FIN-WAIT-2": State.FIN_WAIT2,
    "TIME-WAIT": State.TIME_WAIT,
    "CLOSE-WAIT": State.CLOSE_WAIT,
    "LAST-ACK": State.LAST_ACK,
    "CLOSING": State.CLOSING,
    "UNCONN": State.CLOSED,
    "LISTEN": State.LISTEN,
}


class Dump(NamedTuple):
    """One look at all sockets; ``measured`` if their bytes stand in it."""

    reading: Reading
    measured: bool


def dump_command(ports: Sequence[int]) -> list[str]:
    """
    The arguments for one dump of the servers' ends.

    Not ``-4`` nor ``-6``: they hide the IPv4 clients of a server that listens for
    both.  Not ``state``: a filter for one state drops the column.  Not ``-p``:
    several times dearer, and blind for other users' processes.
    """
    return ["ss", "-H", "-t", "-a", "-n", "-e", "-i", "-O", _filter(ports)]


def events_command(ports: Sequence[int]) -> list[str]:
    """The arguments for the last words of sockets as they are destroyed, one a line."""
    return ["ss", "-E", "-H", "-t", "-n", "-e", "-i", "-O", _filter(ports)]


def _filter(ports: Sequence[int]) -> str:
    return "( " + " or ".join(f"sport = :{port}" for port in ports) + " )"


def read(text: str) -> Dump:
    """Read a dump; what is cut or not understood is left out, and counted."""
    rows: list[Row] = []
    refused = 0
    established = measured = 0
    for line in text[: text.rfind("\n") + 1].split("\n"):
        row = read_line(line)
        if row is not None:
            rows.append(row)
            if row[4] is State.ESTABLISHED:
                established += 1
                measured += row[7] is not None
        elif line and not line[0].isspace() and not line.startswith(("State ", "Netid ")):
            refused += 1
    if established > measured:
        rows = [row._replace(key=None, sent=None, received=None) for row in rows]
    return Dump(Reading(rows, refused), established == measured)


# In this order, side by side, each only where it is not zero.
_BYTES = re.compile(
    r"(?: bytes_sent:(\d{1,20}))?(?: bytes_retrans:(\d{1,20}))?"
    r"(?: bytes_acked:\d{1,20})?(?: bytes_received:(\d{1,20}))?(?= |\r?$)"
)
_RTT = re.compile(r" rtt:(\d{1,9}(?:\.\d{1,9})?)/")


def read_line(line: str) -> Row | None:
    """
    One whole line of a dump or an event; None if it is none.

    Sums that are zero are not printed, so a row with any of the kernel's figures
    (``mss`` is always among them) has all of them.
    """
    fields = line.split(None, 5)
    if len(fields) < 5:
        return None
    state = _STATES.get(fields[0])
    if state is None or not (fields[1].isdigit() and fields[2].isdigit()):
        return None
    try:
        local_ip, local_port = _end(fields[3])
        peer_ip, peer_port = _end(fields[4])
    except ValueError:
        return None
    told = fields[5] if len(fields) == 6 else ""
    key = _key(told)
    mss = told.find(" mss:")
    if mss < 0 or state is State.LISTEN:
        return Row(local_ip, local_port, peer_ip, peer_port, state, key)
    sent = retransmitted = received = 0
    at = told.find(" bytes_", mss)
    if at > 0:
        found = _BYTES.match(told, at)
        if found is None:
            return None
        sums = found.groups("0")
        sent, retransmitted, received = int(sums[0]), int(sums[1]), int(sums[2])
    if received and state in _AFTER_FIN:
        received -= 1
    timed = _RTT.search(told, 0, mss)
    return Row(
        local_ip,
        local_port,
        peer_ip,
        peer_port,
        state,
        key,
        None,
        max(0, sent - retransmitted),
        received,
        retransmitted,
        float(timed[1]) / 1000 if timed else None,
    )


@lru_cache(65536)
def _end(text: str) -> tuple[str, int]:
    ip, _, port = text.rpartition(":")
    return end(ip, port)


def _key(told: str) -> str | None:
    at = told.find("sk:")
    if at < 0 or (at and told[at - 1] != " "):
        return None
    stop = told.find(" ", at)
    return told[at + 3 :].strip() if stop < 0 else told[at + 3 : stop]
