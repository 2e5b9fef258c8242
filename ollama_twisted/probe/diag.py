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
from collections.abc import Iterator, Sequence
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

# Kinds of messages that are known: a length or two for each family and state, and in
# each what stands before the sums in a few ways, as for each control group.
_LAYOUTS, _PREFIXES = 64, 256
_new = tuple.__new__

# How a row begins: local address and port, the peer's, the state, and the key.
_Ends = tuple[str, int, str, int, State, str]

# By what names it: what was seen of a socket at the last look, and its row.
_Known = dict[bytes, tuple[tuple[Any, ...], Row]]


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


class _Layout(NamedTuple):
    """
    Where all that we want stands in messages of one length.

    ``prefixes`` are the attributes, so many bytes of them, that were seen before the sums.
    """

    whole: struct.Struct
    before: int
    prefixes: set[bytes]


class Reader:
    """
    Reads answer after answer about the same ports.

    Messages of one length stand in runs, and all of a kernel's are laid out alike up
    to the sums, so a run is read at fixed places: one look there tells whether anything
    we want has changed since the last answer.  What stands before the sums is walked
    through once for each way in which it can look.
    """

    def __init__(self) -> None:
        self._known: _Known = {}
        self._layouts: dict[int, _Layout] = {}

    def read(self, data: bytes) -> Reading:
        """Read a whole answer; what is cut or not understood is left out, and counted."""
        rows: list[Row] = []
        known, self._known = self._known, {}
        view = memoryview(data)
        refused = at = kind = 0
        while (left := len(data) - at) >= _HEAD.size:
            length, kind, *_ = _HEAD.unpack_from(data, at)
            if length < _HEAD.size or length > left or kind == _ERROR:
                break
            if kind == _SOCKET:
                layout = self._layouts.get(length)
                if layout is not None:
                    read = self._run(layout, view[at : at + left // length * length], known, rows)
                    if read:
                        at += read * length
                        continue
                row = self._walk(data[at : at + length], known)
                if row is None:
                    refused += 1
                else:
                    rows.append(row)
            at += (length + 3) & ~3
        if kind != _DONE or at < len(data):  # there was more, and it did not come
            refused += len(rows) + 1
        return Reading(rows, refused)

    def _run(self, layout: _Layout, run: memoryview, known: _Known, rows: list[Row]) -> int:
        """Read what is at once seen to be an established connection; how many there were."""
        now, before_us = self._known, len(rows)
        length, prefixes = layout.whole.size, layout.prefixes
        for fields in layout.whole.iter_unpack(run):
            long, kind, family, state, key, prefix, time, received, sent, again = fields
            if long != length or kind != _SOCKET or state != 1 or prefix not in prefixes:
                break
            before, ends = known.get(key), None
            if before is not None:
                seen, row = before
                if seen == fields:
                    now[key] = before
                    rows.append(row)
                    continue
                if seen[3] == state and seen[2] == family:
                    ends = row[:6]
            if ends is None:
                ends = _ends(family, key, _ESTABLISHED)
                if ends is None:
                    break
            once = sent - again if sent > again else 0
            rtt = time / 1000 / 1000 if time else None
            # As Row(...), in a third of the time; there are thousands of them.
            row = _new(Row, ends + (None, once, received, again, rtt, False))
            now[key] = (fields, row)
            rows.append(row)
        return len(rows) - before_us

    def _walk(self, message: bytes, known: _Known) -> Row | None:
        """Read one message through all that stands in it."""
        if len(message) < _MESSAGE.size:
            return None
        length, kind, family, state, key = _MESSAGE.unpack_from(message)
        mark = (length, kind, family, state)
        before = known.get(key)
        if length == _MESSAGE.size and before is not None and before[0] == mark:
            self._known[key] = before
            return before[1]
        info, at = b"", _MESSAGE.size
        while length - at >= _ATTRIBUTE.size:
            size, kind = _ATTRIBUTE.unpack_from(message, at)
            if size < _ATTRIBUTE.size or size > length - at:
                return None
            if kind == _INFO:
                info = message[at + _ATTRIBUTE.size : at + size]
                break
            at += (size + 3) & ~3
        if len(info) >= _SUMS and not length % 4:
            self._learn(message[_MESSAGE.size : at + _ATTRIBUTE.size], length)
        word = _STATES.get(state)
        ends = _ends(family, key, word) if word is not None else None
        if ends is None:
            return None
        row = Row(*ends) if state in _WITHOUT_SUMS else _told(ends, info)
        self._known[key] = (mark, row)
        return row

    def _learn(self, prefix: bytes, length: int) -> None:
        """Look at once, from now on, where the sums stand behind this, their own head included."""
        layout = self._layouts.get(length)
        if layout is None or len(prefix) != layout.before or len(layout.prefixes) >= _PREFIXES:
            if len(self._layouts) >= _LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[length] = _layout(length, len(prefix))
        layout.prefixes.add(prefix)


def _layout(length: int, before: int) -> _Layout:
    rest = length - _MESSAGE.size - before - _SUMS
    whole = struct.Struct(f"=IH10xBB2x48s20x{before}s68xI56xQ64xQQ{rest}x")
    return _Layout(whole, before, set())


def _told(ends: _Ends, info: bytes) -> Row:
    """A row with the kernel's figures: those that it counts, as older ones count fewer."""
    time = sent = received = again = None
    if len(info) >= _RECEIVED:
        time, received = struct.unpack_from("=68xI56xQ", info)
    if len(info) >= _SUMS:
        sent, again = struct.unpack_from("=200xQQ", info)
        sent = sent - again if sent > again else 0
    if received and ends[4] in _AFTER_FIN:
        received -= 1
    return Row(*ends, None, sent, received, again, time / 1000 / 1000 if time else None)


def _ends(family: int, key: bytes, state: State) -> _Ends | None:
    """How a row begins: both ends, the state and the name; None if the family is none of IP's."""
    if family not in {_IPV4, _IPV6}:
        return None
    local_port, peer_port = struct.unpack_from("!HH", key)
    local, peer = _address(family, key[4:20]), _address(family, key[20:36])
    name = "{1:x}{0:08x}".format(*_COOKIE.unpack_from(key, 40)).lstrip("0") or "0"
    return local, local_port, peer, peer_port, state, name


@lru_cache(16384)
def _address(family: int, raw: bytes) -> str:
    return plain(str(IPv4Address(raw[:4]) if family == _IPV4 else IPv6Address(raw)))
