"""The JSON Schema that is shipped, and the sample that follows it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.schema import Strategy, json_schema
from ollama_twisted.pool.selection import STRATEGIES
from ollama_twisted.resources import shipped
from tests.config.files import config, faults

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def _shipped(name: str) -> Any:
    return json.loads(shipped("config", name).read_text(encoding="utf-8"))


def _properties() -> list[tuple[str, dict[str, Any]]]:
    definitions = json_schema()["$defs"].values()
    return [pair for each in definitions for pair in each["properties"].items()]


class SchemaTests(SynchronousTestCase):
    """``config/node_config.schema.json``."""

    def test_current(self) -> None:
        """It is what the structs say; to renew it: python -m ollama_twisted.config.schema."""
        self.assertEqual(_shipped("node_config.schema.json"), json.loads(json.dumps(json_schema())))

    def test_strategies(self) -> None:
        """A strategy can be configured if, and only if, the pool has it."""
        self.assertEqual(set(get_args(Strategy)), set(STRATEGIES))

    def test_described(self) -> None:
        """Every key says what it is for."""
        self.assertEqual([name for name, each in _properties() if "description" not in each], [])

    def test_defaults(self) -> None:
        """Every default in it can be written into a file."""
        definitions = _shipped("node_config.schema.json")["$defs"]
        defaults = {
            name: {
                key: each["default"] for key, each in of["properties"].items() if "default" in each
            }
            for name, of in definitions.items()
        }
        document = defaults["File"] | {
            key.lower(): defaults[key]
            for key in ("Health", "Breaker", "Timeouts", "Connections", "Line", "Gateway")
        }
        node = {"name": "a", "hosts": ["a"], **defaults["Node"]}
        self.assertEqual(faults({"nodes": [node], **document}), [])
        self.assertEqual(
            config(nodes=[node], **document), config(nodes=[{"name": "a", "hosts": ["a"]}])
        )


class ExampleTests(SynchronousTestCase):
    """``config/node_config.example.json``."""

    def test_usable(self) -> None:
        """It can be run with, and all of its nodes are enabled once there is a key."""
        found = config({"OLLAMA_API_KEY": "k"}, **_shipped("node_config.example.json"))
        self.assertEqual([each.enabled for each in found.nodes], [True] * 5)
        self.assertEqual(found.warnings, ())


class DocumentationTests(SynchronousTestCase):
    """``docs/NODE_CONFIG_README.md``."""

    def test_every_key(self) -> None:
        """It explains every key that there is."""
        text = (DOCS / "NODE_CONFIG_README.md").read_text(encoding="utf-8")
        named = re.findall(r"`([$\w.]+)`", text)
        explained = {word for name in named for word in name.split(".")}
        self.assertEqual({name for name, _ in _properties()} - explained, set())

    def test_examples(self) -> None:
        """What it shows as JSON can be used as it stands."""
        text = (DOCS / "NODE_CONFIG_README.md").read_text(encoding="utf-8")
        examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
        self.assertTrue(examples)
        for each in examples:
            self.assertEqual(faults(json.loads(each)), [], each)
