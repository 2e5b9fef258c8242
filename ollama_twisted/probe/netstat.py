"""
What the three ``netstat`` print: Linux's, macOS's (and BSD's), and Windows's.

They have the name in common, and little else: Linux puts a colon before the
port, macOS a dot, and Windows prints the states in the language of the system.
"""

from __future__ import annotations

import re

from ollama_twisted.probe.connection import Reading, Row, State, end, state_called, whole_lines

# -W: without it IPv6 addresses are cut.
LINUX = ["netstat", "-t", "-a", "-n", "-W"]

# -l: without it IPv6 addresses are cut, and their ports with them.  -v: bytes and keys.
MACOS = ["netstat", "-anlv", "-p", "tcp"]
BSD = ["netstat", "-an", "-p", "tcp"]

WINDOWS = ["netstat", "-ano"]

# German is from real consoles; Ö is whatever the console's code page made of it.
_WINDOWS_WORDS = {
    "HERGESTELLT": State.ESTABLISHED,
    "WARTEND": State.TIME_WAIT,
    "SCHLIESSEN_WARTEN": State.CLOSE_WAIT,
    "SYN_GESENDET": State.SYN_SENT,
    "SYN_EMPFANGEN": State.SYN_RECV,
    "FIN_WARTEN_1": State.FIN_WAIT1,
    "FIN_WARTEN_2": State.FIN_WAIT2,
    "SCHLIESSEND": State.CLOSING,
    "LETZTES_ACK": State.LAST_ACK,
    "FIN_WAIT_1": State.FIN_WAIT1,
    "FIN_WAIT_2": State.FIN_WAIT2,
}

_KEY = re.compile(r"[0-9a-f]{16}\Z")


def read_linux(text: str) -> Reading:
    """Linux, net-tools or BusyBox: ``tcp6 0 0 ::1:11434 ::1:58852 ESTABLISHED``."""
    rows = []
    refused = 0
    headed = False
    for line in whole_lines(text):
        fields = line.split()
        if not fields or not fields[0].startswith("tcp"):
            headed = headed or fields[:1] == ["Proto"]
            continue
        try:
            state = state_called(fields[5])
            if state is State.UNKNOWN:
                raise ValueError(fields[5])
            rows.append(Row(*_ends(fields[3], fields[4], ":"), state))
        except (IndexError, ValueError):
            refused += 1
    return Reading(rows, refused if headed else refused + len(rows) + 1)


def read_macos(text: str) -> Reading:
    """
    macOS and BSD: ``tcp4 0 0 127.0.0.1.11434 127.0.0.1.59360 ESTABLISHED``, and more.

    Whether there are bytes, and where, is told by the words above them; columns
    must not be counted in characters, as the words above do not follow them.
    """
    rows = []
    refused = 0
    headed = measured = False
    for line in whole_lines(text):
        fields = line.split()
        if not fields or not fields[0].startswith("tcp"):
            if fields[:1] == ["Proto"]:
                headed, measured = True, "rxbytes" in fields and "txbytes" in fields
            continue
        try:
            state = state_called(fields[5])
            if state is State.UNKNOWN:
                raise ValueError(fields[5])
            row = Row(*_ends(fields[3], fields[4], "."), state)
        except (IndexError, ValueError):
            refused += 1
            continue
        rows.append(_macos_sums(row, fields[6:]) if measured else row)
    return Reading(rows, refused if headed else refused + len(rows) + 1)


def _macos_sums(row: Row, rest: list[str]) -> Row:
    """The row with its bytes and its key, if it has both."""
    if row.state in {State.LISTEN, State.TIME_WAIT} or len(rest) < 3:
        return row
    received, sent = rest[0], rest[1]
    # A process may be called anything, so the key is looked for from the right.
    key = next((each for each in reversed(rest[2:]) if _KEY.match(each)), None)
    if key is None or not (_is_number(received) and _is_number(sent)):
        return row
    return row._replace(key=key, sent=int(sent), received=int(received))


def read_windows(text: str) -> Reading:
    """
    Windows: ``TCP 0.0.0.0:11434 0.0.0.0:0 LISTENING 1712``, in whatever language.

    The shape decides, not the word: no peer means listening, no process means
    waiting, a word that nobody knows is an unknown state of a real connection.
    """
    rows = []
    refused = 0
    for line in whole_lines(text):
        fields = line.split()
        if fields[:1] != ["TCP"]:
            continue
        try:
            ends = _ends(fields[1], fields[2], ":")
        except (IndexError, ValueError):
            refused += 1
            continue
        words = fields[3:]
        pid = int(words.pop()) if words and _is_number(words[-1]) else None
        rows.append(Row(*ends, _windows_state(" ".join(words), ends[3], pid), None, pid))
    # Windows itself always listens somewhere.
    return Reading(rows, refused + (not rows))


def _windows_state(word: str, peer_port: int, pid: int | None) -> State:
    if peer_port == 0:
        return State.LISTEN
    state = _WINDOWS_WORDS.get(word) or state_called(word)
    return State.TIME_WAIT if state is State.UNKNOWN and pid == 0 else state


def _ends(local: str, peer: str, dot: str) -> tuple[str, int, str, int]:
    here_ip, _, here_port = local.rpartition(dot)
    there_ip, _, there_port = peer.rpartition(dot)
    return *end(here_ip, here_port), *end(there_ip, there_port)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
