"""
What Windows's PowerShell answers when asked for connections: JSON, or CSV.

Starting it takes seconds, so one is kept running and asked by a line on its
standard input; each answer is one line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ollama_twisted.probe.connection import Reading, Row, State, end, state_called, whole_lines

# MSFT_NetTCPConnection's numbers, which are also those of .NET's TcpState.
_NUMBERS = {
    1: State.CLOSED,
    2: State.LISTEN,
    3: State.SYN_SENT,
    4: State.SYN_RECV,
    5: State.ESTABLISHED,
    6: State.FIN_WAIT1,
    7: State.FIN_WAIT2,
    8: State.CLOSE_WAIT,
    9: State.CLOSING,
    10: State.LAST_ACK,
    11: State.TIME_WAIT,
    12: State.CLOSED,
    100: State.BOUND,
}

_COLUMNS = ("LocalAddress", "LocalPort", "RemoteAddress", "RemotePort", "State")


def command(ports: Sequence[int]) -> list[str]:
    """
    The arguments for a PowerShell that answers each line with the rows of these ports.

    .NET is asked rather than a cmdlet: it needs no module, knows no language, and
    finding nothing is no error.  Each row is [local, peer, state]; listeners have no peer.
    """
    ours = " -or ".join(
        f"$_.LocalEndPoint.Port -eq {port} -or $_.RemoteEndPoint.Port -eq {port}" for port in ports
    )
    listens = " -or ".join(f"$_.Port -eq {port}" for port in ports)
    script = (
        "[Console]::OutputEncoding=[Text.UTF8Encoding]::new($false); "
        "$g=[Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties(); "
        "while($null -ne [Console]::In.ReadLine()){ "
        f"$r=@($g.GetActiveTcpConnections()|?{{{ours}}}"
        "|%{,@([string]$_.LocalEndPoint,[string]$_.RemoteEndPoint,[int]$_.State)})"
        f"+@($g.GetActiveTcpListeners()|?{{{listens}}}|%{{,@([string]$_,'0.0.0.0:0',2)}}); "
        "[Console]::Out.WriteLine((ConvertTo-Json -Compress -Depth 3 -InputObject $r)) }"
    )
    return [
        "powershell.exe",
        "-NoLogo",
        "-NoProfile",
        "-NonInteractive",
        "-Command",
        script,
    ]


def read(text: str) -> Reading:
    """
    Read an answer: nothing, one object, a list of objects or of lists, or CSV.

    Which of them depends on how many rows there are and on PowerShell's version.
    """
    lines = whole_lines(text.lstrip("\ufeff"))
    if not any(line.strip() for line in lines):
        return Reading([])
    if lines[0].startswith(("#TYPE", '"LocalAddress"')):
        return _rows(csv.DictReader(line for line in lines if not line.startswith("#")))
    try:
        found = json.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return Reading([], 1)
    return _rows(found if isinstance(found, list) else [found])


def _rows(items: Iterable[Any]) -> Reading:
    rows = []
    refused = 0
    try:
        for item in items:
            try:
                rows.append(_row(item))
            except (KeyError, TypeError, ValueError, AttributeError):
                refused += 1
    except csv.Error:
        refused += 1
    return Reading(rows, refused)


def _row(item: Any) -> Row:
    pid = None
    if isinstance(item, list):
        local, peer, state = item
        here_ip, _, here_port = local.rpartition(":")
        there_ip, _, there_port = peer.rpartition(":")
    else:
        here_ip, here_port, there_ip, there_port, state = (item[each] for each in _COLUMNS)
        pid = int(item.get("OwningProcess") or 0) or None
    here = end(here_ip, str(here_port))
    there = end(there_ip, str(there_port))
    return Row(*here, *there, State.LISTEN if there[1] == 0 else _state(state), None, pid)


def _state(found: Any) -> State:
    if isinstance(found, int):
        return _NUMBERS.get(found, State.UNKNOWN)
    if not isinstance(found, str):
        raise ValueError(found)
    return _NUMBERS.get(int(found), State.UNKNOWN) if found.isdecimal() else state_called(found)
