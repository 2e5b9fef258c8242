"""
Connections to a port, counted once, whichever tool saw them.

Every tool prints *rows*: one end of one connection each.  A client on this very
machine gives two of them, and on a server that listens for IPv4 and IPv6 at once
the two are not even of one family.  Here they become one connection again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple


class State(str, Enum):
    """Where a connection is in its life; the words are those of the published metric."""

    ESTABLISHED = "established"
    SYN_SENT = "syn_sent"
    SYN_RECV = "syn_recv"
    FIN_WAIT1 = "fin_wait1"
    FIN_WAIT2 = "fin_wait2"
    TIME_WAIT = "time_wait"
    CLOSE_WAIT = "close_wait"
    LAST_ACK = "last_ack"
    CLOSING = "closing"
    CLOSED = "closed"
    LISTEN = "listen"
    BOUND = "bound"
    UNKNOWN = "unknown"


class Row(NamedTuple):
    """
    One end of one connection, as a tool printed it.

    The addresses are in normal form (see `plain`).  What a tool does not tell is
    None.  ``key`` is the same for a socket as long as it lives, and no other
    socket's.  The three sums count payload bytes.
    ``doubt``: one more byte may have been received, which was taken for the peer's FIN.
    """

    local_ip: str
    local_port: int
    peer_ip: str
    peer_port: int
    state: State
    key: str | None = None
    pid: int | None = None
    sent: int | None = None
    received: int | None = None
    retransmitted: int | None = None
    rtt: float | None = None
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class Connections:
    """
    Who is connected to one port; each connection is in here once.

    ``states`` has every state, with 0 where there is none; ``LISTEN`` counts
    listening sockets.  ``peers`` counts the established connections by the
    client's address.  ``rtt`` is the mean smoothed round-trip time over the
    established ones in seconds, None where the tool does not tell it.
    """

    port: int
    states: Mapping[State, int]
    peers: Mapping[str, int]
    rtt: float | None = None

    @property
    def established(self) -> int:
        """How many are connected now."""
        return self.states[State.ESTABLISHED]

    @property
    def listening(self) -> bool:
        """Whether a socket waits for clients."""
        return self.states[State.LISTEN] > 0


_BY_WORD = {
    state.value.replace("_", "").upper(): state for state in State if state is not State.UNKNOWN
} | {
    "ESTAB": State.ESTABLISHED,
    "LISTENING": State.LISTEN,
    "SYNRCVD": State.SYN_RECV,
    "SYNRECEIVED": State.SYN_RECV,
    "CLOSE": State.CLOSED,
    "UNCONN": State.CLOSED,
    "DELETETCB": State.CLOSED,
}


@lru_cache(256)
def state_called(word: str) -> State:
    """The state that a tool's word means, however it spells it; UNKNOWN for a foreign word."""
    return _BY_WORD.get(word.upper().replace("_", "").replace("-", ""), State.UNKNOWN)


class Reading(NamedTuple):
    """
    What a tool's text says.

    ``refused`` counts the lines that should have been rows and were not understood.
    """

    rows: list[Row]
    refused: int = 0

    @property
    def believable(self) -> bool:
        """Whether the text is what this tool prints, and not something else."""
        return self.refused <= len(self.rows) // 2


def whole_lines(text: str) -> list[str]:
    """
    The lines of a text; a last one without its end is left out.

    Every tool ends its last line too.  One that does not was cut short, perhaps
    in the middle of a number that would still look like one.
    """
    return text[: text.rfind("\n") + 1].splitlines()


def end(ip: str, port: str) -> tuple[str, int]:
    """One end of a row as an address and a number; refuses, with a ValueError, what is none."""
    if port == "*":
        return plain(ip), 0
    if len(port) > 5 or not (port.isascii() and port.isdigit()):
        raise ValueError(port)
    number = int(port)
    if number > 65535:
        raise ValueError(port)
    return plain(ip), number


@lru_cache(16384)
def plain(ip: str) -> str:
    """
    An address in the form in which two spellings of it are equal.

    Scopes (``%eth0``) are cut off and IPv4 written as IPv6 becomes IPv4 again.
    Refuses, with a ValueError, what is no address; ``*`` is any address.
    """
    ip = ip.partition("%")[0].strip("[]")
    if ip in {"*", ""}:
        return "*"
    address = ip_address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return "*" if address.is_unspecified else str(address)


def count(rows: Iterable[Row], ports: Collection[int]) -> dict[int, Connections]:
    """
    The connections to each of the ports.

    The server's end is believed.  The client's end counts only where the server's
    cannot be seen, and only when the server must be on this machine: connections
    from here to somebody else's port of the same number are not ours.
    """
    rows = list(rows)
    found = dict[int, Connections]()
    for port in ports:
        ours = [row for row in rows if row[1] == port]
        theirs = [row for row in rows if row[3] == port and row[1] not in ports]
        if theirs:
            servers = {(row[2], row[3]) for row in ours}
            clients = {(row[0], row[1]): row for row in theirs if _on_one_machine(row)}
            ours += [_turned(row) for end, row in clients.items() if end not in servers]
        found[port] = _summed(port, ours)
    return found


def _summed(port: int, rows: list[Row]) -> Connections:
    """The connections of which these are the server's ends."""
    states = dict.fromkeys(State, 0)
    for state, number in Counter([row[4] for row in rows]).items():
        states[state] += number
    established = State.ESTABLISHED
    up = [row for row in rows if row[4] is established]
    times = [row[10] for row in up if row[10] is not None]
    rtt = sum(times) / len(times) if times else None
    return Connections(port, states, Counter([row[2] for row in up]), rtt)


def _turned(row: Row) -> Row:
    """A client's row as if the server had told it."""
    ends = Row(row.peer_ip, row.peer_port, row.local_ip, row.local_port, row.state)
    return ends._replace(rtt=row.rtt)


def _on_one_machine(row: Row) -> bool:
    return row.local_ip == row.peer_ip or row.peer_ip.startswith("127.")
