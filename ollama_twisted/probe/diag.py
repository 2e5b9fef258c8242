"""
What Linux itself answers when it is asked for its sockets, without a tool between.

This is what ``ss`` asks for (netlink's ``sock_diag``, see ``linux/inet_diag.h``), in
the older of its two forms, ``TCPDIAG_GETSOCK``: that one is for both families at once,
so the kernel goes through its table of all sockets once instead of twice.  The same
rows are read from the answer.  Numbers that the kernel writes down need not be printed
by it, nor read by us.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

from ollama_twisted.probe.connection import Reading, Row, State, plain

_IPV4, _IPV6 = 2, 10
_ASK = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_INTERRUPTED = 0x10  # NLM_F_DUMP_INTR
_ERROR, _DONE, _SOCKET = 2, 3, 18
_INFO = 2  # INET_DIAG_INFO: struct tcp_info
_ALL_STATES = 0xFFF

# INET_DIAG_BC_JMP and INET_DIAG_BC_S_COND, with a condition on nothing but the port.
_JUMP, _LOCAL = 1, 7
_OPERATION = struct.Struct("=BBH")
_CONDITION = struct.Struct("=BBBBi")

_HEAD = struct.Struct("=IHHII")
_MESSAGE = struct.Struct("=IH10xBB2x48s20x")
_ATTRIBUTE = struct.Struct("=HH")
_END = struct.Struct("=IHHIIi")
_COOKIE = struct.Struct("=II")
_SUMS = 216  # the end of the last sum in tcp_info
_RECEIVED = 136  # the end of the one before, in older kernels

_STATES = {
    1: State.ESTABLISHED,
    2: State.SYN_SENT,
    3: State.SYN_RECV,
    4: State.FIN_WAIT1,
    5: State.FIN_WAIT2,
    6: State.TIME_WAIT,
    7: State.CLOSED,
    8: State.CLOSE_WAIT,
    9: State.LAST_ACK,
    10: State.LISTEN,
    11: State.CLOSING,
    12: State.SYN_RECV,
}
# The kernel counts the peer's FIN as one received byte.
_AFTER_FIN = {State.CLOSE_WAIT, State.LAST_ACK, State.CLOSING}
# A member looked up in its class costs several times as much.
_ESTABLISHED = State.ESTABLISHED
_WITHOUT_SUMS = {7, 10}  # the last word of a closed one is told elsewhere

# Beginnings of messages that are known; a few for each control group.
_PREFIXES = 1024
_new = tuple.__new__

# By what names it: what was seen of a socket at the last look, its family, and its row.
_Known = dict[bytes, tuple[tuple[Any, ...], int, Row]]


def question(ports: Sequence[int]) -> bytes:
    """What to ask for the servers' ends of all connections."""
    wanted = struct.pack("=xxxB48xI4x", 1 << (_INFO - 1), _ALL_STATES)
    program = _filter(ports)
    only = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(program), 1) + program
    head = _HEAD.pack(_HEAD.size + len(wanted) + len(only), _SOCKET, _ASK, 0, 0)
    return head + wanted + only


def _filter(ports: Sequence[int]) -> bytes:
    """
    A program for the kernel: each socket whose own port is one of these.

    A condition that holds goes on, to a jump to the end; one that does not skips
    the jump.  To end behind the end is to refuse.
    """
    size = _OPERATION.size + _CONDITION.size
    whole = len(ports) * (size + _OPERATION.size) - _OPERATION.size
    program = b""
    for port in ports:
        program += _OPERATION.pack(_LOCAL, size, size + _OPERATION.size)
        program += _CONDITION.pack(0, 0, 0, 0, port)
        if len(program) < whole:
            program += _OPERATION.pack(_JUMP, _OPERATION.size, whole - len(program))
    return program


class End(NamedTuple):
    """How an answer ended: with an error of the system's, or incomplete, or well."""

    error: int = 0
    interrupted: bool = False


def ending(datagram: bytes) -> End | None:
    """What the datagram says of the answer's end; None if there is more to come."""
    if len(datagram) < _END.size:
        return None
    _, kind, _, _, _, code = _END.unpack_from(datagram)
    if kind == _ERROR:
        return End(error=abs(code) or 1)
    size, kind, flags, _, _, code = _END.unpack_from(datagram, len(datagram) - _END.size)
    if (size, kind) != (_END.size, _DONE):
        return None
    return End(abs(code), bool(flags & _INTERRUPTED))


class Reader:
    """
    Reads answer after answer about the same ports.

    All messages of a kernel are laid out alike up to the sums, so one look at fixed
    places tells whether anything we want has changed since the last answer.  What
    stands before them is walked through once for each way in which it can look.
    """

    def __init__(self) -> None:
        self._known: _Known = {}
        self._prefixes: set[bytes] = set()
        self._layout = _layout(0)

    def read(self, data: bytes) -> Reading:
        """Read a whole answer; what is cut or not understood is left out, and counted."""
        rows: list[Row] = []
        known, self._known = self._known, {}
        now = self._known
        refused = at = kind = 0
        size = len(data)
        unpack, needed = self._layout.unpack_from, self._layout.size
        while size - at >= _HEAD.size:
            whole = size - at >= needed
            fields = unpack(data, at) if whole else _HEAD.unpack_from(data, at)
            length, kind = fields[0], fields[1]
            if length < _HEAD.size or length > size - at:
                break
            if kind == _SOCKET:
                row: Row | None
                before = known.get(fields[4]) if whole else None
                if before is not None and before[0] == fields:
                    row = before[2]
                    now[fields[4]] = before
                elif before is not None and before[0][:6] == fields[:6]:
                    # The same in all but its figures, so they stand where they stood.
                    row = _moved(before[2][:6], *fields[6:])
                    now[fields[4]] = (fields, fields[2], row)
                elif whole and self._fits(fields):
                    row = _row(fields[2], fields[3], fields[4], before, fields[6:])
                    if row is not None:
                        now[fields[4]] = (fields, fields[2], row)
                else:
                    row = self._walk(data[at : at + length], known)
                    unpack, needed = self._layout.unpack_from, self._layout.size
                if row is None:
                    refused += 1
                else:
                    rows.append(row)
            elif kind == _ERROR:
                break
            at += (length + 3) & ~3
        if kind != _DONE or at < size:  # there was more, and it did not come
            refused += len(rows) + 1
        return Reading(rows, refused)

    def _fits(self, fields: tuple[Any, ...]) -> bool:
        """Whether the sums were found where they are looked for."""
        length, state, prefix = fields[0], fields[3], fields[5]
        if state in _WITHOUT_SUMS or prefix not in self._prefixes:
            return False
        size, _ = _ATTRIBUTE.unpack_from(prefix, len(prefix) - _ATTRIBUTE.size)
        return bool(_MESSAGE.size + len(prefix) - _ATTRIBUTE.size + size <= length)

    def _walk(self, message: bytes, known: _Known) -> Row | None:
        """Read one message through all that stands in it."""
        if len(message) < _MESSAGE.size:
            return None
        length, _, family, state, key = _MESSAGE.unpack_from(message)
        mark = (family, state)
        before = known.get(key)
        if length == _MESSAGE.size and before is not None and before[0] == mark:
            self._known[key] = before
            return before[2]
        info, at = b"", _MESSAGE.size
        while length - at >= _ATTRIBUTE.size:
            size, kind = _ATTRIBUTE.unpack_from(message, at)
            if size < _ATTRIBUTE.size or size > length - at:
                return None
            if kind == _INFO:
                info = message[at + _ATTRIBUTE.size : at + size]
                break
            at += (size + 3) & ~3
        if len(info) >= _SUMS:
            self._learn(message[_MESSAGE.size : at + _ATTRIBUTE.size])
        row = _row(family, state, key, before, _figures(info))
        if row is not None:
            self._known[key] = (mark if length == _MESSAGE.size else (), family, row)
        return row

    def _learn(self, prefix: bytes) -> None:
        """Look at once, from now on, where the sums stand behind this, their own head included."""
        if len(self._prefixes) >= _PREFIXES:
            self._prefixes.clear()
        self._prefixes.add(prefix)
        self._layout = _layout(len(prefix))


@lru_cache(64)
def _layout(prefix: int) -> struct.Struct:
    """Head, ends, what stands before the figures, and of these what we want."""
    return struct.Struct(f"=IH10xBB2x48s20x{prefix}s68xI56xQ64xQQ")


def _figures(info: bytes) -> tuple[int | None, ...]:
    """Round-trip time, received, sent and sent again; None each where a kernel is too old."""
    if len(info) >= _SUMS:
        return struct.unpack_from("=68xI56xQ64xQQ", info)
    if len(info) >= _RECEIVED:
        return (*struct.unpack_from("=68xI56xQ", info), None, None)
    return (None, None, None, None)


def _row(
    family: int,
    state: int,
    key: bytes,
    before: tuple[tuple[Any, ...], int, Row] | None,
    figures: tuple[int | None, ...],
) -> Row | None:
    """A row, its ends taken from the last one of the same socket if there was one."""
    word = _STATES.get(state)
    if word is None:
        return None
    if before is not None and before[1] == family:
        ends, name = before[2][:4], before[2][5]
    elif family in {_IPV4, _IPV6}:
        ends = _ends(family, key)
        name = "{1:x}{0:08x}".format(*_COOKIE.unpack_from(key, 40)).lstrip("0") or "0"
    else:
        return None
    if state in _WITHOUT_SUMS:
        return Row(*ends, word, name)
    return _moved((*ends, word, name), *figures)


def _moved(
    ends: tuple[Any, ...],
    time: int | None,
    received: int | None,
    sent: int | None,
    again: int | None,
) -> Row:
    """A row of its ends, its state and its key, and of new figures."""
    if received and ends[4] is not _ESTABLISHED and ends[4] in _AFTER_FIN:
        received -= 1
    if again and sent is not None:
        sent = sent - again if sent > again else 0
    rtt = time / 1000 / 1000 if time else None
    # As Row(...), in a third of the time; there are thousands of them.
    figures = (None, sent, received, again, rtt, False)
    return _new(Row, ends + figures)


def _ends(family: int, key: bytes) -> tuple[str, int, str, int]:
    local_port, peer_port = struct.unpack_from("!HH", key)
    return _address(family, key[4:20]), local_port, _address(family, key[20:36]), peer_port


@lru_cache(16384)
def _address(family: int, raw: bytes) -> str:
    return plain(str(IPv4Address(raw[:4]) if family == _IPV4 else IPv6Address(raw)))
