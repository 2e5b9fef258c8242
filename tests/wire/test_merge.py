"""One list of models out of many."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.merge import (
    lowest_version,
    merge_loaded,
    merge_openai,
    merge_tags,
    openai_models,
)


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
                    {"name": "b:1", "model": "b:1", "size": 3, "nodes": ["b"]},
                    {
                        "name": "z:1",
                        "model": "z:1",
                        "size": 1,
                        "new": {"x": 1},
                        "nodes": ["a", "b"],
                    },
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
                    "nodes": ["a", "b"],
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
        self.assertEqual(
            merge_tags(lists),
            {"models": [{"name": "m", "model": "m", "x": 1, "nodes": ["a", "b"]}]},
        )
        self.assertEqual(mine, {"name": "m"})

    def test_none(self) -> None:
        """No node, no models."""
        self.assertEqual(merge_tags([]), {"models": []})

    def test_digests(self) -> None:
        """One name for two models shows, and what is said of one is not said of the other."""
        merged = merge_tags(
            [
                ("a", [{"name": "m", "digest": "1", "size": 0}]),
                ("b", [{"name": "m", "digest": "2", "size": 7}, {"name": "n", "digest": "3"}]),
                ("c", [{"name": "M", "digest": "1", "size": 5}, {"name": "n", "digest": "3"}]),
            ]
        )
        self.assertEqual(
            merged["models"],
            [
                {
                    "name": "m",
                    "model": "m",
                    "digest": "1",
                    "size": 5,
                    "nodes": ["a", "b", "c"],
                    "digests": {"1": ["a", "c"], "2": ["b"]},
                },
                {"name": "n", "model": "n", "digest": "3", "nodes": ["b", "c"]},
            ],
        )


class MergeLoadedTests(SynchronousTestCase):
    """What all nodes have in memory."""

    def test_order(self) -> None:
        """Each copy is told, with its node; the one that stays longest comes first."""
        expiries = {
            "a": "2026-01-01T10:00:00.123456789+02:00",
            "b": "2026-01-01T09:00:00Z",
            "c": "2318-01-01T09:00:00Z",
            "d": None,
            "e": "soon",
        }
        merged = merge_loaded(
            [(node, [{"name": "m", "expires_at": at, "new": 1}]) for node, at in expiries.items()]
        )
        self.assertEqual([each["node"] for each in merged["models"]], list("cbade"))
        self.assertEqual({each["new"] for each in merged["models"]}, {1})

    def test_junk(self) -> None:
        """What is no model is left out."""
        lists = [("a", [None, 5, [], {}, {"name": 5}, {"model": "m"}])]
        self.assertEqual(merge_loaded(lists), {"models": [{"model": "m", "node": "a"}]})


class MergeOpenaiTests(SynchronousTestCase):
    """The models in OpenAI's words."""

    def test_once_each(self) -> None:
        """Each is told once, sorted by its id, with those who have it."""
        merged = merge_openai(
            [
                ("a", [{"id": "m", "object": "model", "created": 1, "owned_by": "library"}]),
                ("b", [{"id": "M", "created": 2}, {"id": "b", "extra": 1}, {"id": 5}, 6]),
            ]
        )
        self.assertEqual(
            merged,
            {
                "object": "list",
                "data": [
                    {"id": "b", "extra": 1, "nodes": ["b"]},
                    {
                        "id": "m",
                        "object": "model",
                        "created": 1,
                        "owned_by": "library",
                        "nodes": ["a", "b"],
                    },
                ],
            },
        )

    def test_from_tags(self) -> None:
        """A node's own list tells the same."""
        tags = [
            {"name": "m:1", "modified_at": "2026-01-01T00:00:00.123456789Z"},
            {"model": "hf.co/me/n:2"},
            {},
            5,
        ]
        self.assertEqual(
            list(openai_models(tags)),
            [
                {"id": "m:1", "object": "model", "created": 1767225600, "owned_by": "library"},
                {"id": "hf.co/me/n:2", "object": "model", "created": 0, "owned_by": "me"},
            ],
        )


class LowestVersionTests(SynchronousTestCase):
    """What may be asked of any node."""

    def test_lowest(self) -> None:
        """Numbers are compared as numbers, a candidate comes before its release."""
        for versions, lowest in (
            (["0.9.10", "0.12.0"], "0.9.10"),
            (["0.12.0", "0.12.0-rc1", "v0.13"], "0.12.0-rc1"),
            (["junk", "0.12.0", ""], "0.12.0"),
            (["9" * 5000, "0.1"], "0.1"),
            (["junk"], None),
            ([], None),
        ):
            self.assertEqual(lowest_version(versions), lowest)
