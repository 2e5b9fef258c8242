"""Tests for PowerShell's answers, of which the shape depends on how many rows there are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.probe import powershell
from ollama_twisted.probe.connection import State


class AnswerTests(SynchronousTestCase):
    """What the kept PowerShell says."""

    def test_pairs(self) -> None:
        """
        The loop's own answer: lists of local end, peer and state.
        """
        text = '[["[::1]:11434","[::1]:52110",5],["0.0.0.0:11434","0.0.0.0:0",2]]\r\n'
        rows = powershell.read(text).rows
        self.assertEqual([row.state for row in rows], [State.ESTABLISHED, State.LISTEN])
        self.assertEqual(rows[0][:4], ("::1", 11434, "::1", 52110))

    def test_scope(self) -> None:
        """
        A link-local address has its scope inside the brackets there.
        """
        (row,) = powershell.read('[["[fe80::1%12]:11434","[fe80::2%12]:9",5]]\n').rows
        self.assertEqual((row.local_ip, row.peer_ip), ("fe80::1", "fe80::2"))

    def test_nothing(self) -> None:
        """
        No rows are an empty list, or no text at all; neither is an error.
        """
        for text in "[]\n", "", "\ufeff\r\n":
            self.assertEqual(powershell.read(text), ([], 0))

    def test_ports(self) -> None:
        """
        The loop is told which ports to pick.
        """
        self.assertIn("-eq 11435", powershell.command([11434, 11435])[-1])
