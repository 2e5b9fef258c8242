"""
What went over the ports: added up from looks that overlap, miss things and come late.

Each socket is known by its key.  A dump tells how far every living socket has
come; an *ending* is the last word of one that was destroyed.  Both together are
exact.  With dumps alone, what a connection did after its last dump is lost: the
sums are then a lower bound, and the connections concerned are counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ollama_twisted.probe.connection import Row, State
from ollama_twisted.probe.snapshot import Method, Quality, Traffic

# An ending and a dump may cross: the dump read later may have been taken before.
# So many ended sockets are remembered, to know them when they seem to return.
REMEMBERED = 65536

# A listener that is silent for more looks has nothing to say, rather than lagging.
LONGEST_SILENCE = 30

# So many clients of a port have sums of their own.
TOLD_APART = 4096

# Sockets in these states have no sums: the kernel keeps little more than their address.
_BARE = {State.SYN_RECV, State.TIME_WAIT}


@dataclass(slots=True)
class _Sums:
    """What was counted for one port so far."""

    opened: int = 0
    closed: int = 0
    unaccounted: int = 0
    sent: int = 0
    received: int = 0
    retransmitted: int | None = None
    peers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def tell_apart(self, peer: str, sent: int, received: int) -> None:
        """Add to one client's sums; to nobody's, if there are too many clients already."""
        before = self.peers.get(peer)
        if before is None:
            if len(self.peers) >= TOLD_APART:
                peer = ""
            before = self.peers.get(peer, (0, 0))
        self.peers[peer] = (before[0] + sent, before[1] + received)


class Ledger:
    """
    The sums of several ports.

    The first dump is where counting begins: what its sockets carried before is
    nobody's.  Of what is told later, each byte is counted once, and no sum ever
    goes down.
    """

    def __init__(self, ports: Collection[int], estimate: tuple[int, int] | None = None) -> None:
        self._sums = {port: _Sums() for port in ports}
        self._estimate = estimate
        self._last: dict[str, Row] = {}
        self._ended: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._ended_peers: dict[tuple[str, int], str] = {}
        self._suspects: set[str] = set()
        # Ended sockets of which a byte is in doubt, before and since the last dump.
        self._doubts: list[set[tuple[int, str, int]]] = [set(), set()]
        # At the last looks, from the one on after which no ending was heard.
        self._unseen: deque[int] = deque(maxlen=LONGEST_SILENCE)
        self._heard = False
        self._begun = False
        self._clients: dict[int, set[tuple[str, int]]] | None = None
        self._method: Method | None = None
        self._lossy: dict[int, bool] = {}

    def traffic(self) -> dict[int, Traffic]:
        """The sums as they are now."""
        return {port: self._of(port, sums) for port, sums in self._sums.items()}

    def _of(self, port: int, sums: _Sums) -> Traffic:
        plainly = (sums.opened, sums.closed, sums.unaccounted)
        if self._method is None:
            return Traffic(*plainly)
        if self._method is Method.ESTIMATE:
            return Traffic(
                *plainly, sums.sent, sums.received, None, self._method, Quality.ESTIMATED
            )
        exact = self._method is Method.SS_EVENTS and not self._lossy.get(port, False)
        quality = Quality.EXACT if exact else Quality.LOWER_BOUND
        bytes_ = (sums.sent, sums.received, sums.retransmitted)
        return Traffic(*plainly, *bytes_, self._method, quality, dict(sums.peers))

    def dump(
        self, rows: Iterable[Row], method: Method, unbroken: bool, accepted: int | None = None
    ) -> None:
        """
        Take in a dump of all sockets that are alive.

        ``unbroken`` says that every ending since the last dump was told, or will
        be before the next.  Then a socket that vanished is waited for until the
        next dump; otherwise it is given up at once.  ``accepted`` is how many
        connections the system has accepted so far, on whatever port.
        """
        before = {port: sums.unaccounted for port, sums in self._sums.items()}
        if method is not Method.NETSTAT_POLL:
            for each in self._sums.values():
                each.retransmitted = each.retransmitted or 0
        last, ended, begun, ours = self._last, self._ended, self._begun, self._sums
        living: dict[str, Row] = {}
        lingering = []
        for row in rows:
            _, port, _, _, state, key, _, sent, received, _, _, _ = row
            if key is None or port not in ours:
                continue
            if sent is None or received is None:
                if state is State.TIME_WAIT or state is State.FIN_WAIT2:
                    lingering.append(row)
            elif key not in ended:
                known = last.get(key)
                advances = begun and known is not row
                living[key] = self._advance(known, row) if advances else row
        self._begun = True
        self._resolve_doubts(lingering)
        self._settle(living, method, unbroken)
        if begun and not unbroken:
            self._find_missed(lingering, living)
        elif not begun:
            for row in lingering:
                self._remember(row)
        self._bound_missed(accepted, known_all=unbroken or not begun)
        self._clients = None
        self._method = method
        self._lossy = {
            port: not unbroken or sums.unaccounted > before[port]
            for port, sums in self._sums.items()
        }

    def _settle(self, living: dict[str, Row], method: Method, unbroken: bool) -> None:
        """Replace the living; give up those that vanished, at once or at the second dump."""
        suspects = set()
        for key in self._last.keys() - living.keys():
            known = self._last[key]
            if unbroken and method is Method.SS_EVENTS and key not in self._suspects:
                suspects.add(key)
                living[key] = known
                continue
            sums = self._sums[known.local_port]
            sums.unaccounted += 1
            if self._clients is None:
                sums.closed += 1
            self._bury(key, ("", 0))
        self._last = living
        self._suspects = suspects

    def _resolve_doubts(self, lingering: Iterable[Row]) -> None:
        """What lingers was closed by the server first: then the byte in doubt was no FIN."""
        earlier, since = self._doubts
        for row in lingering:
            closed = (row.local_port, row.peer_ip, row.peer_port)
            for doubts in (earlier, since):
                if closed in doubts:
                    doubts.remove(closed)
                    self._sums[row.local_port].received += 1
        # A dump may have been taken before the endings that were told first.
        self._doubts = [since, set()]

    def _find_missed(self, lingering: Iterable[Row], living: dict[str, Row]) -> None:
        """Count the connections of which only the tombstone was ever seen."""
        for row in lingering:
            key = row.key or ""
            if (
                key in living
                or key in self._ended
                or (row.peer_ip, row.peer_port) in self._ended_peers
            ):
                continue
            sums = self._sums[row.local_port]
            sums.opened += 1
            sums.closed += 1
            sums.unaccounted += 1
            self._remember(row)

    def _bound_missed(self, accepted: int | None, known_all: bool) -> None:
        """
        Count, after a gap, those who may have come and gone unseen.

        Of the accepted, those that we did not see are other ports' clients, as long
        as we hear everything.  What they grow by in a gap is at most what we missed.
        A listener that lags is silent before it is known to have lost anything, so
        the gap is taken to begin with the silence.
        """
        if accepted is None:
            return
        unseen = accepted - sum(sums.opened for sums in self._sums.values())
        if known_all and self._heard:
            self._unseen.clear()
        elif not known_all and self._unseen and unseen > self._unseen[0]:
            busiest = max(self._sums.values(), key=lambda sums: sums.opened)
            busiest.unaccounted += unseen - self._unseen[0]
            self._unseen.clear()
        self._unseen.append(unseen)
        self._heard = False

    def ended(self, row: Row) -> None:
        """Take in the last word of a socket.  Before the first dump it is not ours to count."""
        self._heard = True
        key, sums = row.key, self._sums.get(row.local_port)
        if key is None or sums is None or key in self._ended or row.peer_port == 0:
            return
        known = self._last.pop(key, None)
        self._suspects.discard(key)
        if self._begun and row.sent is not None:
            now = self._advance(known, row)
            sums.closed += 1
            if row.doubt and now.received == row.received and len(self._doubts[1]) < REMEMBERED:
                self._doubts[1].add((row.local_port, row.peer_ip, row.peer_port))
        self._remember(row)

    def _advance(self, known: Row | None, row: Row) -> Row:
        """Add what is new since a socket was last heard of; how far it has come."""
        _, port, peer, peer_port, _, _, _, sent, received, again, _, _ = row
        more_sent, more_received, more_again = sent or 0, received or 0, again or 0
        sums = self._sums[port]
        if known is not None:
            more_sent -= known[7] or 0
            more_received -= known[8] or 0
            more_again -= known[9] or 0
            if more_sent < 0 or more_received < 0 or more_again < 0:
                return self._advance(known, _no_less(row, known))
        # Whoever came while only addresses could be seen was counted then.
        elif not self._clients or (peer, peer_port) not in self._clients[port]:
            sums.opened += 1
        sums.sent += more_sent
        sums.received += more_received
        if again is not None:
            sums.retransmitted = (sums.retransmitted or 0) + more_again
        sums.tell_apart(peer, more_sent, more_received)
        return row

    def _remember(self, row: Row) -> None:
        self._bury(row.key or "", (row.peer_ip, row.peer_port))

    def _bury(self, key: str, peer: tuple[str, int]) -> None:
        self._ended[key] = peer
        if peer[1]:
            self._ended_peers[peer] = key
        while len(self._ended) > REMEMBERED:
            old, peer = self._ended.popitem(last=False)
            if self._ended_peers.get(peer) == old:
                del self._ended_peers[peer]

    def census(self, rows: Iterable[Row]) -> None:
        """
        Take in a look without bytes: who is there now, known by address alone.

        With an estimate, each connection that came is taken to have carried it.
        """
        clients: dict[int, set[tuple[str, int]]] = {port: set() for port in self._sums}
        for row in rows:
            if row.local_port in clients and row.state not in _NO_CLIENT:
                clients[row.local_port].add((row.peer_ip, row.peer_port))
        if self._clients is not None:
            for port, now in clients.items():
                sums, before = self._sums[port], self._clients[port]
                came = len(now - before)
                sums.opened += came
                sums.closed += len(before - now)
                if self._estimate is not None:
                    sums.sent += came * self._estimate[0]
                    sums.received += came * self._estimate[1]
        self._clients = clients
        self._method = None if self._estimate is None else Method.ESTIMATE


_NO_CLIENT = {State.LISTEN, State.BOUND, State.CLOSED, *_BARE}


def _no_less(row: Row, known: Row) -> Row:
    """A row whose sums have not gone down, whatever it says."""
    return row._replace(
        sent=max(row.sent or 0, known.sent or 0),
        received=max(row.received or 0, known.received or 0),
        retransmitted=max(row.retransmitted or 0, known.retransmitted or 0),
    )
