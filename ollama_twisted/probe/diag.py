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
from typing import NamedTuple

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
_MESSAGE = struct.Struct("=IH10x52s20x")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")
_END = _HEAD.size + _CODE.size
_NAME = struct.Struct("!BB2xHH16s16s4x")
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
_WITHOUT_SUMS = {State.CLOSED, State.LISTEN}  # the last word of a closed one is told elsewhere

# Kinds of messages that are known: a length or two for each family and state, and in
# each what stands before the sums in a few ways, as for each control group.
_LAYOUTS, _PREFIXES = 64, 256
_new = tuple.__new__

# How a row begins: local address and port, the peer's, the state, and the key.
_Ends = tuple[str, int, str, int, State, str | None]

# In a message a socket's *name* is its family, its state, its timer, its ends and its cookie;
# the timer has a few states.  Names of sockets that are gone are kept up to this.
_NAMES, _SPARE = 3, 1024


class End(NamedTuple):
    """How an answer ended: with an error of the system's, or incomplete, or well."""

    error: int = 0
    interrupted: bool = False


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
    Reads answer after answer about the same ports, each part as it comes.

    Messages of one length stand in runs, and all of a kernel's are laid out alike up
    to the sums, so a run is read at fixed places: one look there tells whether anything
    we want has changed since the last answer.  What stands before the sums is walked
    through once for each way in which it can look.
    """

    def __init__(self) -> None:
        self._layouts: dict[int, _Layout] = {}
        # The last row of each name; as a name says all of a row but its figures, one that
        # is out of date does no harm.
        self._established: dict[bytes, Row] = {}
        self._bare: dict[bytes, Row] = {}
        self.begin()

    def begin(self) -> None:
        """The next part is an answer's first; one that did not come to its end is forgotten."""
        self._rows: list[Row] = []
        self._refused = 0
        self._cut = False
        self._end: End | None = None

    def take(self, part: memoryview) -> End | None:
        """Read some whole messages; the answer's end, if it is among them."""
        at = 0
        while self._end is None and (left := len(part) - at) >= _HEAD.size:
            length, kind, flags, *_ = _HEAD.unpack_from(part, at)
            if length < _HEAD.size or length > left:
                break
            if kind == _SOCKET:
                at += self._sockets(part[at:], length)
                continue
            if kind in {_DONE, _ERROR}:
                code = _CODE.unpack_from(part, at + _HEAD.size)[0] if length >= _END else 0
                failed = abs(code) or int(kind == _ERROR)
                self._end = End(failed, bool(flags & _INTERRUPTED))
            at += (length + 3) & ~3
        self._cut = self._cut or at < len(part)
        return self._end

    def reading(self) -> Reading:
        """What the answer said; unless it is whole and ended well it is not to be believed."""
        if self._cut or self._end != End():
            self._refused += len(self._rows) + 1
        for known in (self._established, self._bare):
            if len(known) > _SPARE + _NAMES * len(self._rows):
                known.clear()
        return Reading(self._rows, self._refused)

    def _sockets(self, rest: memoryview, length: int) -> int:
        """Read a run of messages of this length, or one; how many bytes that were."""
        layout = self._layouts.get(length)
        if layout is not None:
            read = self._run(layout, rest[: len(rest) // length * length])
            if read:
                return read * length
        row = self._walk(rest[:length])
        if row is None:
            self._refused += 1
        else:
            self._rows.append(row)
        return (length + 3) & ~3

    def _run(self, layout: _Layout, run: memoryview) -> int:
        """Read what is at once seen to be an established connection; how many there were."""
        known, rows, prefixes = self._established, self._rows, layout.prefixes
        size, before_us = layout.whole.size, len(rows)
        for length, kind, name, prefix, time, received, sent, again in layout.whole.iter_unpack(
            run
        ):
            if length != size or kind != _SOCKET or prefix not in prefixes:
                break
            once = sent - again if sent > again else 0
            rtt = time / 1000 / 1000 if time else None
            row = known.get(name)
            if row is not None and row[7:11] == (once, received, again, rtt):
                rows.append(row)
                continue
            ends = _ends(name) if row is None else row[:6]
            if ends is None or ends[4] is not _ESTABLISHED:
                break
            figures = (None, once, received, again, rtt, False)
            # As Row(...), in a third of the time; there are thousands of them.
            known[name] = row = _new(Row, ends + figures)
            rows.append(row)
        return len(rows) - before_us

    def _walk(self, message: memoryview) -> Row | None:
        """Read one message through all that stands in it."""
        if len(message) < _MESSAGE.size:
            return None
        _, _, name = _MESSAGE.unpack_from(message)
        if len(message) == _MESSAGE.size and name in self._bare:
            return self._bare[name]
        info, at = message[:0], _MESSAGE.size
        while len(message) - at >= _ATTRIBUTE.size:
            size, kind = _ATTRIBUTE.unpack_from(message, at)
            if size < _ATTRIBUTE.size or size > len(message) - at:
                return None
            if kind == _INFO:
                info = message[at + _ATTRIBUTE.size : at + size]
                break
            at += (size + 3) & ~3
        if len(info) >= _SUMS and not len(message) % 4:
            self._learn(bytes(message[_MESSAGE.size : at + _ATTRIBUTE.size]), len(message))
        ends = _ends(name)
        if ends is None:
            return None
        row = Row(*ends) if ends[4] in _WITHOUT_SUMS else _told(ends, info)
        if len(message) == _MESSAGE.size:
            self._bare[name] = row
        return row

    def _learn(self, prefix: bytes, length: int) -> None:
        """Look at once, from now on, where the sums stand behind this, their own head included."""
        layout = self._layouts.get(length)
        if layout is None or len(prefix) != layout.before or len(layout.prefixes) >= _PREFIXES:
            if len(self._layouts) >= _LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[length] = _layout(length, len(prefix))
        layout.prefixes.add(prefix)


class Question(NamedTuple):
    """What the kernel is asked time and again, and who reads what it answers."""

    message: bytes
    reader: Reader


def question(ports: Sequence[int]) -> Question:
    """The question for the servers' ends of all connections."""
    wanted = struct.pack("=xxxB48xI4x", 1 << (_INFO - 1), _ALL_STATES)
    program = _filter(ports)
    only = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(program), 1) + program
    head = _HEAD.pack(_HEAD.size + len(wanted) + len(only), _SOCKET, _ASK, 0, 0)
    return Question(head + wanted + only, Reader())


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


def _layout(length: int, before: int) -> _Layout:
    rest = length - _MESSAGE.size - before - _SUMS
    whole = struct.Struct(f"=IH10x52s20x{before}s68xI56xQ64xQQ{rest}x")
    return _Layout(whole, before, set())


def _told(ends: _Ends, info: memoryview) -> Row:
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


def _ends(name: bytes) -> _Ends | None:
    """How a row begins: both ends, the state and the key; None if there is no such state."""
    family, number, local_port, peer_port, local, peer = _NAME.unpack_from(name)
    state = _STATES.get(number)
    if state is None or family not in {_IPV4, _IPV6}:
        return None
    low, high = _COOKIE.unpack_from(name, _NAME.size)
    key = f"{high << 32 | low:x}"
    return _address(family, local), local_port, _address(family, peer), peer_port, state, key


@lru_cache(16384)
def _address(family: int, raw: bytes) -> str:
    return plain(str(IPv4Address(raw[:4]) if family == _IPV4 else IPv6Address(raw)))
