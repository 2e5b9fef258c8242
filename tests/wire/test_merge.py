"""One list of models out of many."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.merge import merge_tags


class MergeTagsTests(SynchronousTestCase):
    """What clients see of all nodes' models."""

    def test_once_each(self) -> None:
        """Each model is told once, sorted by name, as the first node tells it."""
        merged = merge_tags(
            [
                ("a", [{"name": "z:1", "model": "z:1", "size": 1, "new": {"x": 1}}]),
                ("b", [{"name": "b:1", "size": 3}, {"name": "z:1", "size": 2}]),
                ("c", []),
            ]
        )
        self.assertEqual(
            merged,
            {
                "models": [
                    {"name": "b:1", "model": "b:1", "size": 3},
                    {"name": "z:1", "model": "z:1", "size": 1, "new": {"x": 1}},
                ]
            },
        )

    def test_filled_in(self) -> None:
        """What the first node leaves out comes from the next ones."""
        merged = merge_tags(
            [
                ("a", [{"name": "m", "size": 0, "digest": "", "details": None}]),
                ("b", [{"model": "M", "size": 5, "digest": "d", "details": {}, "extra": True}]),
            ]
        )
        self.assertEqual(
            merged["models"],
            [
                {
                    "name": "m",
                    "model": "m",
                    "size": 5,
                    "digest": "d",
                    "details": {},
                    "extra": True,
                }
            ],
        )

    def test_junk(self) -> None:
        """What is no model is left out, and nobody's list is changed."""
        mine = {"name": "m"}
        lists = [
            ("a", [None, 5, "m", [], {}, {"name": ""}, {"name": 5}, mine]),
            ("b", [{"name": "m", "x": 1}]),
        ]
        self.assertEqual(merge_tags(lists), {"models": [{"name": "m", "model": "m", "x": 1}]})
        self.assertEqual(mine, {"name": "m"})

    def test_none(self) -> None:
        """No node, no models."""
        self.assertEqual(merge_tags([]), {"models": []})
