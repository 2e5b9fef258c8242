"""
What Linux keeps in ``/proc/net/tcp`` and ``tcp6``: every socket of the network namespace.

Readable by everybody and without any tool but ``cat``; no bytes in it.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from ollama_twisted.probe.connection import Reading, Row, State, plain, whole_lines

# How many connections were ever accepted, among other numbers.
NUMBERS = "/proc/self/net/snmp"

# One after the other in one child.  tcp6 is missing where IPv6 is switched off.
COMMAND = ["cat", "/proc/self/net/tcp", "/proc/self/net/tcp6"]

_STATES = {
    "01": State.ESTABLISHED,
    "02": State.SYN_SENT,
    "03": State.SYN_RECV,
    "04": State.FIN_WAIT1,
    "05": State.FIN_WAIT2,
    "06": State.TIME_WAIT,
    "07": State.CLOSED,
    "08": State.CLOSE_WAIT,
    "09": State.LAST_ACK,
    "0A": State.LISTEN,
    "0B": State.CLOSING,
    "0C": State.SYN_RECV,
}


def read(text: str, little: bool = True) -> Reading:
    """Read both tables; ``little`` tells how this machine orders the bytes of a word."""
    rows = []
    refused = 0
    headed = False
    for line in whole_lines(text):
        fields = line.split(None, 4)
        if fields[:2] == ["sl", "local_address"]:
            headed = True
            continue
        try:
            state = _STATES[fields[3]]
            rows.append(Row(*_end(fields[1], little), *_end(fields[2], little), state))
        except (IndexError, KeyError, ValueError):
            refused += 1
    return Reading(rows, refused if headed else refused + len(rows) + 1)


@lru_cache(16384)
def _end(text: str, little: bool) -> tuple[str, int]:
    words, _, port = text.partition(":")
    if len(words) not in {8, 32} or len(port) != 4:
        raise ValueError(text)
    raw = bytes.fromhex(words)
    if little:
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    address = IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)
    return plain(str(address)), int(port, 16)


def accepted(text: str) -> int | None:
    """Connections accepted in this network namespace since it began, on all ports."""
    lines = [line.split() for line in whole_lines(text) if line.startswith("Tcp:")]
    try:
        names, numbers = lines
        return int(numbers[names.index("PassiveOpens")])
    except (ValueError, IndexError):
        return None
