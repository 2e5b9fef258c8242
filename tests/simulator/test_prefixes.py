"""What a simulated model need not read again."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.simulator.prefixes import Read


class ReadTests(SynchronousTestCase):
    """The last prompts of two places."""

    def test_conversation(self) -> None:
        """Of a conversation that goes on, only what is new is read."""
        read = Read(2)
        new = [read.new("m", text) for text in ("one two", "one two three", "one two three")]
        self.assertEqual(new, ["one two", " three", ""])

    def test_places(self) -> None:
        """As many conversations are kept as there are places; the one used longest ago goes."""
        read = Read(2)
        for text in ("first", "second", "third"):
            read.new("m", text)
        self.assertEqual([read.new("m", "third."), read.new("m", "first.")], [".", "first."])

    def test_models(self) -> None:
        """Each model has read for itself, and forgets it when it is unloaded."""
        read = Read(1)
        read.new("m", "hello")
        self.assertEqual(read.new("n", "hello"), "hello")
        read.forget("m")
        self.assertEqual((read.new("m", "hello"), read.new("n", "hello")), ("hello", ""))
