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

# The kernel counts the peer's FIN as one received byte.
_AFTER_FIN = {State.CLOSE_WAIT, State.LAST_ACK, State.CLOSING}

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


class Reader:
    """
    Reads dump after dump of the same ports.

    Of a connection over which nothing passes, all but its clocks is printed as
    before; such lines are known from the last dump and not read again.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Row]] = {}

    def read(self, text: str) -> Dump:
        """Read a dump; what is cut or not understood is left out, and counted."""
        rows: list[Row] = []
        known, self._known = self._known, {}
        now = self._known
        refused = 0
        for line in text[: text.rfind("\n") + 1].split("\n"):
            clocks = line.find(" lastsnd:")
            row: Row | None
            if clocks > 0:
                # Up to and with the key, a line is the same as long as the state is.
                head = line[: line.find(" ", line.find(" sk:") + 4)]
                steady = line[:clocks]
                before = known.get(head)
                if before is None:
                    row = read_line(line)
                elif before[0] == steady:
                    row = before[1]
                else:
                    row = _figures(before[1], line)
                if row is not None:
                    now[head] = (steady, row)
            else:
                row = read_line(line)
            if row is not None:
                rows.append(row)
            elif line and not line[0].isspace() and not line.startswith(("State ", "Netid ")):
                refused += 1
        measured = None not in [row[7] for row in rows if row[4] is State.ESTABLISHED]
        if not measured:
            rows = [row._replace(key=None, sent=None, received=None) for row in rows]
        return Dump(Reading(rows, refused), measured)


# In this order, side by side, each only where it is not zero.
_BYTES = re.compile(
    r"(?: bytes_sent:(\d{1,20}))?(?: bytes_retrans:(\d{1,20}))?"
    r"(?: bytes_acked:\d{1,20})?(?: bytes_received:(\d{1,20}))?(?= |\r?$)"
)


_ACKED = re.compile(r" bytes_acked:(\d{1,20})(?= |\r?$)")


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
    row = Row(local_ip, local_port, peer_ip, peer_port, state, _key(told))
    if state is State.LISTEN:
        return row
    whole = _figures(row, told)
    if state is State.CLOSED and whole is not None and whole.received:
        return _without_fin(whole, told, fields[1])
    return whole


def _figures(row: Row, told: str) -> Row | None:
    """The row with the kernel's figures, None if they are not the kernel's."""
    mss = told.find(" mss:")
    if mss < 0:
        return row
    sent = retransmitted = received = 0
    at = told.find(" bytes_", mss)
    if at > 0:
        found = _BYTES.match(told, at)
        if found is None:
            return None
        sums = found.groups("0")
        sent, retransmitted, received = int(sums[0]), int(sums[1]), int(sums[2])
    if received and row[4] in _AFTER_FIN:
        received -= 1
    # As Row(...), in a third of the time; there are thousands of them.
    figures = (
        None,
        sent - retransmitted if sent > retransmitted else 0,
        received,
        retransmitted,
        _rtt(told, mss),
        False,
    )
    return tuple.__new__(Row, row[:6] + figures)


def _without_fin(row: Row, told: str, unread: str) -> Row:
    """
    The last word of a socket, less the byte that is the peer's FIN, if that came.

    Both FINs passed unless somebody reset the connection, and then ours was not
    acknowledged.  But a server that closes first is gone before the client's FIN
    comes: only what lingers of the socket in the next dump tells.  It cannot be
    so if something is unread, as that is the FIN.
    """
    found = _ACKED.search(told)
    acknowledged = int(found[1]) if found else 0
    if acknowledged <= (row.sent or 0) or not row.received:
        return row
    return row._replace(received=row.received - 1, doubt=unread == "0")


def _rtt(told: str, mss: int) -> float | None:
    at = told.find(" rtt:", 0, mss) + 5
    stop = told.find("/", at, mss)
    if at < 5 or stop < 0:
        return None
    try:
        return float(told[at:stop]) / 1000
    except ValueError:
        return None


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
