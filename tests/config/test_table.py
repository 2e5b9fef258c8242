"""The configuration as people are shown it."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.table import describe
from tests.config.files import config

RECORDED = Path(__file__).resolve().parent.parent / "recorded"


class DescribeTests(SynchronousTestCase):
    """What ``--check`` prints."""

    def test_original(self) -> None:
        """Every node of the original's sample is shown, with each of its addresses in one piece."""
        text = (RECORDED / "node_config.original.json").read_text(encoding="utf-8")
        table = describe(config(**json.loads(text)))
        for part in (
            "node1",
            "http://m3max-128gb.local:11434",
            "https://ollama.com",
            "8b to 70b",
            "adaptive",
            "tcp:11435:interface=127.0.0.1",
            "(disabled)",
            "(external)",
            "warning: ollama-cloud is disabled: OLLAMA_API_KEY is not set",
        ):
            self.assertIn(part, table)

    def test_secrets(self) -> None:
        """Of headers the names are shown; of a key, nothing but its header."""
        node = {
            "name": "a",
            "url": "https://a.example",
            "api_key": "hunter2",
            "headers": {"X-Key": "hunter2"},
        }
        table = describe(config(nodes=[node]))
        self.assertIn("Authorization", table)
        self.assertIn("X-Key", table)
        self.assertNotIn("hunter2", table)

    def test_kinds(self) -> None:
        """A node that is no common Ollama shows what it is, and what it lacks."""
        node = {"name": "a", "url": "http://a", "type": "openai", "lacks": ["messages"]}
        table = describe(config(nodes=[node]))
        self.assertIn("(openai)", table)
        self.assertIn("(without messages)", table)

    def test_keys(self) -> None:
        """Of keys that may change models, how many there are."""
        table = describe(config(gateway={"manage_models": "keys", "manage_keys": ["hunter2", "x"]}))
        self.assertIn("2, not shown", table)
        self.assertNotIn("hunter2", table)

    def test_markup(self) -> None:
        """What looks like markup is text."""
        node = {"name": "[red]a[/red] :smile:", "url": "http://[::1]", "labels": {"[b]": "[/i]"}}
        table = describe(config(nodes=[node]))
        self.assertIn("[red]a[/red]", table)
        self.assertIn("http://[::1]", table)
        self.assertIn("[b]: [/i]", table)

    def test_long(self) -> None:
        """Nothing is cut off, however long."""
        url = f"https://{'long.' * 40}example/{'path' * 20}"
        node = {"name": "n" * 200, "url": url, "description": "d" * 900, "max_in_flight": 7}
        table = describe(config(nodes=[node]))
        self.assertIn(url, table)
        self.assertGreaterEqual(table.count("d"), 900)
        self.assertGreaterEqual(table.count("n"), 200)
        self.assertEqual(
            {len(line) for line in table.splitlines()[1:4]}, {len(table.splitlines()[1])}
        )
