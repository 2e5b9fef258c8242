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
# A member looked up in its class costs several times as much.
_ESTABLISHED, _CLOSED = State.ESTABLISHED, State.CLOSED

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

    Up to its key, a connection's line is the same as long as its state is, and all
    of its figures stand side by side, from the round-trip time to the sums of
    bytes.  What is as it was in the last dump is not read again: neither the ends of a
    connection over which something passed, nor the figures of one that was silent.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str, Row]] = {}

    def read(self, text: str) -> Dump:
        """Read a dump; what is cut or not understood is left out, and counted."""
        rows: list[Row] = []
        known, self._known = self._known, {}
        now = self._known
        refused = 0
        for line in text[: text.rfind("\n") + 1].split("\n"):
            # `partition` takes half of the time of `find`, which takes several arguments.
            head, _, rest = line.partition(" rtt:")
            figures, whole, _ = rest.partition(" segs_out:")
            row: Row | None
            if whole:
                ends, _, rest = head.partition(" sk:")
                key = rest.partition(" ")[0]
                before = known.get(key)
                if before is None or before[0] != ends:
                    row = read_line(line)
                elif before[1] == figures:
                    row = before[2]
                else:
                    row = _figures(before[2], figures)
                if row is not None and row[4] is not _CLOSED:
                    now[key] = (ends, figures, row)
            else:
                row = read_line(line)
            if row is not None:
                rows.append(row)
            elif line and not line[0].isspace() and not line.startswith(("State ", "Netid ")):
                refused += 1
        measured = None not in [row[7] for row in rows if row[4] is _ESTABLISHED]
        if not measured:
            rows = [row._replace(key=None, sent=None, received=None) for row in rows]
        return Dump(Reading(rows, refused), measured)


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
    before, found, after = told.partition(" rtt:")
    whole = _figures(row, after if found else before)
    if state is State.CLOSED and whole is not None and whole.received:
        return _without_fin(whole, told, fields[1])
    return whole


# In this order, side by side, each only where it is not zero.
_BYTES = re.compile(
    r"(?: bytes_sent:(\d{1,20}))?(?: bytes_retrans:(\d{1,20}))?"
    r"(?: bytes_acked:\d{1,20})?(?: bytes_received:(\d{1,20}))?(?= |\r?$)"
)
_new = tuple.__new__


def _figures(row: Row, told: str) -> Row | None:
    """
    The row with the kernel's figures, None if they are not the kernel's.

    ``told`` is the line from the round-trip time on, if that is in it.
    """
    if " mss:" not in told:
        return row
    # Nearly always these three end what is told: so, that is known in half the time.
    rest, _, into = told.rpartition(" bytes_received:")
    rest, _, acknowledged = rest.rpartition(" bytes_acked:")
    out = rest.rpartition(" bytes_sent:")[2]
    if into.isdecimal() and acknowledged.isdecimal() and out.isdecimal():
        sent, retransmitted, received = int(out), 0, int(into)
    elif (at := told.find(" bytes_")) > 0:
        found = _BYTES.match(told, at)
        if found is None:
            return None
        sent, retransmitted, received = map(int, found.groups("0"))
    else:
        sent = retransmitted = received = 0
    if received and row[4] is not _ESTABLISHED and row[4] in _AFTER_FIN:
        received -= 1
    sent = sent - retransmitted if sent > retransmitted else 0
    # As Row(...), in a third of the time; there are thousands of them.
    figures = (None, sent, received, retransmitted, _rtt(told), False)
    return _new(Row, row[:6] + figures)


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


def _rtt(told: str) -> float | None:
    try:
        return float(told.partition("/")[0]) / 1000
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
