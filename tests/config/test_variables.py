"""``${NAME}`` in the configuration file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.variables import expand


class ExpandTests(SynchronousTestCase):
    """What a variable stands for."""

    def test_set(self) -> None:
        """Every variable in a text is replaced by its value."""
        self.assertEqual(expand("Bearer ${A}-${B}", {"A": "x", "B": "y"}), ("Bearer x-y", []))

    def test_unset(self) -> None:
        """A variable that is not set, or empty, stays as it was written, and is named."""
        self.assertEqual(expand("${A}${B}", {"A": ""}), ("${A}${B}", ["A", "B"]))

    def test_once(self) -> None:
        """What a variable brings in is not looked through again."""
        self.assertEqual(expand("${A}", {"A": "${B}", "B": "x"}), ("${B}", []))

    @given(st.text())
    def test_other_text(self, text: str) -> None:
        """A text without variables is left alone."""
        text = text.replace("${", "$ {")
        self.assertEqual(expand(text, {}), (text, []))
