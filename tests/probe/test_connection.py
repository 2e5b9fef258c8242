"""Tests for the counting: each connection once, and only ours."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe.connection import Row, State, count, end, plain, state_called

UP = State.ESTABLISHED


class CountTests(SynchronousTestCase):
    """Rows become connections."""

    def established(self, *rows: Row, port: int = 11434) -> int:
        return count(rows, [port])[port].established

    def test_both_ends(self) -> None:
        """
        A client on this machine gives two rows and is one connection.
        """
        self.assertEqual(
            self.established(
                Row("127.0.0.1", 11434, "127.0.0.1", 5000, UP),
                Row("127.0.0.1", 5000, "127.0.0.1", 11434, UP),
            ),
            1,
        )

    def test_servers_end_is_believed(self) -> None:
        """
        Where the two ends are in different states, the server's counts, whatever the order.
        """
        rows = [
            Row("::1", 5000, "::1", 11434, State.CLOSE_WAIT),
            Row("::1", 11434, "::1", 5000, State.FIN_WAIT2),
        ]
        for order in rows, rows[::-1]:
            states = count(order, [11434])[11434].states
            self.assertEqual((states[State.FIN_WAIT2], states[State.CLOSE_WAIT]), (1, 0))

    def test_clients_end_alone(self) -> None:
        """
        Where only the client's end can be seen it counts, once.
        """
        row = Row("127.0.0.1", 5000, "127.0.0.1", 11434, UP)
        self.assertEqual(self.established(row, row), 1)
        self.assertEqual(count([row], [11434])[11434].peers, {"127.0.0.1": 1})

    def test_somebody_elses_port(self) -> None:
        """
        A connection from here to another machine's port of that number is not ours.
        """
        self.assertEqual(self.established(Row("10.0.0.5", 5000, "10.0.0.6", 11434, UP)), 0)

    def test_own_address(self) -> None:
        """
        A client here that uses the machine's outer address is one connection too.
        """
        here = Row("10.0.0.5", 5000, "10.0.0.5", 11434, UP)
        there = Row("10.0.0.5", 11434, "10.0.0.5", 5000, UP)
        self.assertEqual([self.established(here), self.established(here, there)], [1, 1])

    def test_exact_ports(self) -> None:
        """
        11434 is neither 1143 nor 114340 nor 11435.
        """
        rows = [Row("127.0.0.1", port, "10.0.0.1", 9, UP) for port in (1143, 11435, 1434, 21143)]
        self.assertEqual(self.established(*rows), 0)

    def test_several_ports(self) -> None:
        """
        Each watched port has its own count, those without anybody too.
        """
        rows = [
            Row("*", 11434, "*", 0, State.LISTEN),
            Row("10.0.0.1", 11434, "10.0.0.2", 9, UP, rtt=0.002),
            Row("10.0.0.1", 11434, "10.0.0.2", 10, UP, rtt=0.004),
            Row("10.0.0.1", 11435, "10.0.0.2", 9, UP),
        ]
        found = count(rows, [11434, 11435, 11436])
        self.assertEqual(
            [(each.established, each.listening, each.rtt) for each in found.values()],
            [(2, True, 0.003), (1, False, None), (0, False, None)],
        )

    def test_every_state(self) -> None:
        """
        Every state is named, so that none is missing from what is published.
        """
        self.assertEqual(set(count([], [1])[1].states), set(State))


class NormalFormTests(SynchronousTestCase):
    """One thing has one spelling."""

    def test_addresses(self) -> None:
        """
        Scopes, brackets, case and IPv4 in IPv6 make no difference; any address is a star.
        """
        self.assertEqual(
            [
                plain(each)
                for each in (
                    *("::ffff:10.0.0.1", "[::FFFF:10.0.0.1]", "fe80::1%eth0", "[fe80::1]%eth0"),
                    *("FE80::0:1", "*", "0.0.0.0", "[::]", "::"),
                )
            ],
            ["10.0.0.1"] * 2 + ["fe80::1"] * 3 + ["*"] * 4,
        )

    def test_no_address(self) -> None:
        """
        Names, cut addresses and ports that are no numbers are refused.
        """
        for ip, port in [
            *(("localhost", "1"), ("2600:1900:4110:8", "80"), ("10.0.0", "1")),
            *(("10.0.0.1", "http"), ("10.0.0.1", "65536"), ("10.0.0.1", "-1"), ("10.0.0.1", "")),
            *(("10.0.0.1", "+5"), ("10.0.0.1", "1_0"), ("10.0.0.1", "٣"), ("10.0.0.1", "099999")),
        ]:
            with self.assertRaises(ValueError):
                end(ip, port)

    def test_states(self) -> None:
        """
        The tools' spellings of a state are one state; a foreign word is unknown.
        """
        self.assertEqual(
            {state_called(each) for each in ("SYN-RECV", "SYN_RCVD", "SynReceived", "SYN_RECV")},
            {State.SYN_RECV},
        )
        self.assertEqual(
            {state_called(each) for each in ("FIN-WAIT-1", "FIN_WAIT1", "FIN_WAIT_1", "FinWait1")},
            {State.FIN_WAIT1},
        )
        self.assertIs(state_called("ÉTABLIE"), State.UNKNOWN)
