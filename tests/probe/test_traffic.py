"""Tests for the accounts: every byte once, whatever crosses, is missed or comes late."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe import traffic
from ollama_twisted.probe.connection import Row, State
from ollama_twisted.probe.snapshot import Method, Quality, Traffic
from ollama_twisted.probe.traffic import Ledger

PORT = 11434
EVENTS = Method.SS_EVENTS


def row(
    key: str, sent: int = 0, received: int = 0, state: State = State.ESTABLISHED, peer: int = 9
) -> Row:
    """A socket of the server's."""
    return Row("10.0.0.1", PORT, "10.0.0.2", peer, state, key, None, sent, received, 0)


def bare(key: str, peer: int, state: State = State.TIME_WAIT) -> Row:
    """What lingers of a socket."""
    return Row("10.0.0.1", PORT, "10.0.0.2", peer, state, key)


class DumpTests(SynchronousTestCase):
    """Dumps and endings together."""

    def setUp(self) -> None:
        self.ledger = Ledger([PORT])

    def dump(self, *rows: Row, unbroken: bool = True) -> Traffic:
        self.ledger.dump(rows, EVENTS, unbroken)
        return self.ledger.traffic()[PORT]

    def sums(self, traffic: Traffic) -> tuple[int | None, int | None]:
        return traffic.sent, traffic.received

    def test_beginning(self) -> None:
        """
        What was carried before the first dump is not counted; what comes on top is.
        """
        self.assertEqual(self.sums(self.dump(row("a", 1000, 10))), (0, 0))
        self.assertEqual(self.sums(self.dump(row("a", 1500, 11))), (500, 1))

    def test_short(self) -> None:
        """
        A connection that no dump saw is counted whole by its last word.
        """
        self.dump()
        self.ledger.ended(row("a", 700, 7, State.CLOSED))
        self.assertEqual(self.dump(), Traffic(1, 1, 0, 700, 7, 0, Method.SS_EVENTS, Quality.EXACT))

    def test_clients(self) -> None:
        """
        The sums by client's address add up to the whole; of too many, the rest are one.
        """
        self.patch(traffic, "TOLD_APART", 2)
        self.dump()
        rows = [row(f"{n}", 10 * n, n, peer=n)._replace(peer_ip=f"10.0.1.{n}") for n in range(1, 5)]
        carried = self.dump(*rows)
        self.assertEqual(carried.peers, {"10.0.1.1": (10, 1), "10.0.1.2": (20, 2), "": (70, 7)})
        self.ledger.ended(rows[0]._replace(sent=15, received=1, state=State.CLOSED))
        carried = self.dump(*rows[1:])
        self.assertEqual(carried.peers["10.0.1.1"], (15, 1))
        self.assertEqual(sum(sent for sent, _ in carried.peers.values()), carried.sent)

    def test_crossing(self) -> None:
        """
        A dump taken before an ending, and read after it, counts nothing again.
        """
        self.dump()
        self.ledger.ended(row("a", 700, 7, State.CLOSED))
        self.assertEqual(self.sums(self.dump(row("a", 600, 7))), (700, 7))

    def test_late_ending(self) -> None:
        """
        A socket that vanished is waited for until the next dump.
        """
        self.dump(row("a"))
        self.assertEqual(self.dump().unaccounted, 0)
        self.ledger.ended(row("a", 5, 5, State.CLOSED))
        self.assertEqual(self.dump(), Traffic(0, 1, 0, 5, 5, 0, EVENTS, Quality.EXACT))

    def test_no_ending(self) -> None:
        """
        A socket whose ending never came is missing some bytes, and is said to.
        """
        self.dump(row("a"))
        self.dump()
        missed = self.dump()
        self.assertEqual((missed.unaccounted, missed.quality), (1, Quality.LOWER_BOUND))
        self.assertEqual(self.dump().quality, Quality.EXACT)

    def test_broken(self) -> None:
        """
        After a gap the sums are a lower bound until the next dump, and then exact again.
        """
        self.dump(row("a", 5), row("b", 5))
        after = self.dump(row("b", 8), row("c", 3), unbroken=False)
        self.assertEqual((after.sent, after.unaccounted, after.opened), (6, 1, 1))
        self.assertEqual(after.quality, Quality.LOWER_BOUND)
        self.assertEqual(self.dump(row("b", 8), row("c", 3)).quality, Quality.EXACT)

    def test_tombstones(self) -> None:
        """
        After a gap, what lingers of a connection that nobody saw is counted as unaccounted.
        """
        self.dump(bare("old", 1))
        self.ledger.ended(row("a", 1, 1, State.CLOSED, peer=2))
        after = self.dump(bare("old", 1), bare("x", 2), bare("y", 3), unbroken=False)
        self.assertEqual(after.unaccounted, 1)
        self.assertEqual(self.dump(bare("y", 3), unbroken=False).unaccounted, 1)

    def test_accepted(self) -> None:
        """
        What the system accepted in a gap and nobody saw is counted; at other times it is others'.
        """
        ledger = self.ledger
        ledger.dump([row("a")], EVENTS, True, 100)
        ledger.ended(row("b", 1, 1, State.CLOSED))
        ledger.dump([row("a")], EVENTS, True, 140)
        ledger.dump([row("a"), row("c")], EVENTS, False, 150)
        self.assertEqual(ledger.traffic()[PORT].unaccounted, 9)
        ledger.dump([row("a"), row("c")], EVENTS, True, 170)
        self.assertEqual(ledger.traffic()[PORT].unaccounted, 9)

    def test_silence(self) -> None:
        """
        Who lags is silent first: what was accepted during the silence is counted with the gap.
        """
        ledger = self.ledger
        ledger.dump([], EVENTS, True, 100)
        ledger.ended(row("b", 1, 1, State.CLOSED))
        ledger.dump([], EVENTS, True, 101)
        for accepted in 105, 109:
            ledger.dump([], EVENTS, True, accepted)
        ledger.dump([], EVENTS, False, 111)
        self.assertEqual(ledger.traffic()[PORT].unaccounted, 10)

    def test_doubt_kept(self) -> None:
        """
        Where nothing lingers, the byte in doubt was the client's FIN.
        """
        self.dump()
        self.ledger.ended(row("a", 30, 40, State.CLOSED)._replace(doubt=True))
        self.dump()
        self.assertEqual(self.dump().received, 40)

    def test_doubt_resolved(self) -> None:
        """
        What lingers was closed by the server, before the FIN: the byte was a byte, once.
        """
        self.dump()
        self.ledger.ended(row("a", 30, 40, State.CLOSED)._replace(doubt=True))
        self.assertEqual(self.dump().received, 40)  # taken before the ending
        for state in State.FIN_WAIT2, State.TIME_WAIT:
            self.assertEqual(self.dump(bare("z", 9, state)).received, 41)

    def test_listener(self) -> None:
        """
        The end of the listening socket is the end of no connection.
        """
        self.dump()
        self.ledger.ended(row("l", 0, 0, State.CLOSED, peer=0))
        self.assertEqual(self.dump().closed, 0)

    def test_poll(self) -> None:
        """
        Without endings the sums are a lower bound, and each that vanished is unaccounted.
        """
        self.ledger.dump([row("a")], Method.NETSTAT_POLL, False)
        self.ledger.dump([row("a", 9)], Method.NETSTAT_POLL, False)
        self.ledger.dump([], Method.NETSTAT_POLL, False)
        self.assertEqual(
            self.ledger.traffic()[PORT],
            Traffic(0, 1, 1, 9, 0, 0, Method.NETSTAT_POLL, Quality.LOWER_BOUND),
        )


class CensusTests(SynchronousTestCase):
    """Looks without bytes."""

    def test_absent(self) -> None:
        """
        Where nothing counts bytes there are none; who came and went is counted.
        """
        ledger = Ledger([PORT])
        ledger.census([bare("", 1, State.ESTABLISHED), bare("", 2, State.ESTABLISHED)])
        ledger.census([bare("", 2, State.ESTABLISHED), bare("", 3, State.CLOSE_WAIT)])
        self.assertEqual(ledger.traffic()[PORT], Traffic(1, 1))

    def test_estimate(self) -> None:
        """
        With an estimate each connection that came carried it, and that is said.
        """
        ledger = Ledger([PORT], (1000, 10))
        ledger.census([])
        ledger.census([bare("", peer, State.ESTABLISHED) for peer in (1, 2)])
        self.assertEqual(
            ledger.traffic()[PORT],
            Traffic(2, 0, 0, 2000, 20, None, Method.ESTIMATE, Quality.ESTIMATED),
        )

    def test_back_to_bytes(self) -> None:
        """
        When bytes are told again, what passed meanwhile is counted, and nobody comes twice.
        """
        ledger = Ledger([PORT])
        ledger.dump([row("a", 5)], EVENTS, True)
        ledger.census([bare("", 9, State.ESTABLISHED)])
        ledger.census([bare("", peer, State.ESTABLISHED) for peer in (9, 10)])
        ledger.dump([row("a", 25), row("b", 7, peer=10)], EVENTS, True)
        traffic = ledger.traffic()[PORT]
        self.assertEqual((traffic.sent, traffic.opened), (27, 1))


@dataclass
class World:
    """Sockets that come, carry and go; what a kernel tells of them, in a permitted order."""

    rng: Random
    alive: dict[str, tuple[int, int]] = field(default_factory=dict)
    pending: list[Row] = field(default_factory=list)
    sent: int = 0
    received: int = 0
    made: int = 0

    def live(self) -> None:
        """One thing happens."""
        act = self.rng.random()
        if act < 0.3 or not self.alive:
            self.made += 1
            self.alive[f"{self.made:x}"] = (0, 0)
        key = self.rng.choice(list(self.alive))
        sent, received = self.rng.randrange(1000), self.rng.randrange(100)
        self.sent += sent
        self.received += received
        self.alive[key] = (self.alive[key][0] + sent, self.alive[key][1] + received)
        if act > 0.75:
            ended = self.alive.pop(key)
            self.pending.append(row(key, *ended, State.CLOSED, peer=int(key, 16)))

    def rows(self) -> list[Row]:
        """What a dump would show now."""
        return [row(key, *sums, peer=int(key, 16)) for key, sums in self.alive.items()]


class LedgerPropertyTests(SynchronousTestCase):
    """Any history, told in any permitted order."""

    @settings(max_examples=150)
    @given(st.randoms(use_true_random=False), st.integers(5, 120))
    def test_exact(self, rng: Random, length: int) -> None:
        """
        Endings may cross with dumps and be late: at the end every byte was counted once.
        """
        world, ledger = World(rng), Ledger([PORT])
        ledger.dump([], EVENTS, True)
        before = (0, 0)
        for _ in range(length):
            stale = world.rows()
            for _ in range(rng.randrange(6)):
                world.live()
            # Some endings are heard before a dump that was taken earlier.
            heard = rng.randrange(len(world.pending) + 1)
            for ending in world.pending[:heard]:
                ledger.ended(ending)
            if rng.random() < 0.4:
                ledger.dump(stale, EVENTS, True)
                # By the dump after next at the latest, an ending is heard.
                for ending in world.pending[heard:]:
                    ledger.ended(ending)
                heard = len(world.pending)
            del world.pending[:heard]
            traffic = ledger.traffic()[PORT]
            now = (traffic.sent or 0, traffic.received or 0)
            self.assertTrue(before[0] <= now[0] <= world.sent and before[1] <= now[1])
            before = now
        for ending in world.pending:
            ledger.ended(ending)
        ledger.dump(world.rows(), EVENTS, True)
        traffic = ledger.traffic()[PORT]
        self.assertEqual(
            (traffic.sent, traffic.received, traffic.unaccounted), (world.sent, world.received, 0)
        )
        self.assertEqual(traffic.opened, world.made)
        self.assertEqual(traffic.opened - traffic.closed, len(world.alive))

    @settings(max_examples=100)
    @given(st.randoms(use_true_random=False), st.integers(5, 80))
    def test_lower_bound(self, rng: Random, length: int) -> None:
        """
        Whatever is lost on the way, the sums never exceed the truth and never go down.
        """
        world, ledger = World(rng), Ledger([PORT])
        ledger.dump([], EVENTS, True)
        last = 0
        for _ in range(length):
            for _ in range(rng.randrange(6)):
                world.live()
            told = [each for each in world.pending if rng.random() < 0.6]
            rng.shuffle(told)
            for ending in told:
                ledger.ended(ending)
            world.pending.clear()
            ledger.dump(world.rows(), EVENTS, unbroken=rng.random() < 0.7)
            now = ledger.traffic()[PORT].sent or 0
            self.assertTrue(last <= now <= world.sent)
            last = now
