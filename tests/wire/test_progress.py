"""One stream of progress out of several nodes'."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.progress import MOST, Progress

NODES = ("a", "b", "c")
SUCCESS = {"status": "success"}


def layer(completed: int = 0, total: int = 100, digest: str = "sha256:1") -> dict[str, Any]:
    """A node's line about a layer, as Ollama writes it."""
    line = {"status": "pulling 1", "digest": digest, "total": total}
    return line | ({"completed": completed} if completed else {})


class ToldTests(SynchronousTestCase):
    """What a client is told of a line."""

    def setUp(self) -> None:
        self.progress = Progress(NODES, "pull")

    def told(self, node: str, line: dict[str, Any]) -> dict[str, Any]:
        told = self.progress.told(node, line)
        assert told is not None
        return told

    def test_sums(self) -> None:
        """The total is that of all nodes from the first line on; what they have is added up."""
        told = [
            self.told("a", layer()),
            self.told("a", layer(40)),
            self.told("b", layer(100)),
            self.told("a", layer(100)),
        ]
        self.assertEqual([each["total"] for each in told], [300] * 4)
        self.assertEqual([each.get("completed") for each in told], [None, 40, 140, 200])
        self.assertEqual([each["node"] for each in told], ["a", "a", "b", "a"])

    def test_again(self) -> None:
        """A node that begins anew takes nothing back."""
        self.told("a", layer(60))
        self.assertEqual(self.told("a", layer(10))["completed"], 60)
        self.assertEqual(self.told("a", layer(70))["completed"], 70)

    def test_layers(self) -> None:
        """Each layer has its own sum."""
        self.told("a", layer(60))
        self.assertEqual(self.told("a", layer(5, 10, "sha256:2"))["completed"], 5)

    def test_steps(self) -> None:
        """A step that is not about a layer is told when the first node comes to it."""
        step = {"status": "pulling manifest"}
        self.assertEqual(self.told("b", step), {"status": "pulling manifest", "node": "b"})
        self.assertIsNone(self.progress.told("a", step))

    def test_failed(self) -> None:
        """A node that fails is told of at once, and not listened to any more."""
        told = self.told("b", {"error": "no space left on device"})
        self.assertEqual(told, {"status": "b: no space left on device", "node": "b"})
        self.assertIsNone(self.progress.told("b", SUCCESS))
        self.assertIsNone(self.progress.failed("b", "and lost"))

    def test_success(self) -> None:
        """No node's success is the client's, which comes last, and once."""
        self.told("a", layer(10))
        self.assertEqual(self.told("b", SUCCESS), {"status": "b: success", "node": "b"})
        self.assertEqual(self.told("a", layer(20))["completed"], 120)
        self.told("c", SUCCESS)
        self.assertIsNone(self.progress.told("a", SUCCESS))
        nodes = {name: {"status": "success"} for name in NODES}
        self.assertEqual(self.progress.last(), (200, {"status": "success", "nodes": nodes}))

    def test_one_failed(self) -> None:
        """The last line names who failed, why, and where it is done."""
        for node in "ac":
            self.progress.told(node, SUCCESS)
        self.progress.failed("b", "it closed the connection")
        status, last = self.progress.last()
        self.assertEqual(status, 502)
        self.assertEqual(
            last["error"],
            "pull failed on 1 of 3 nodes (b: it closed the connection); done on a, c",
        )
        self.assertEqual(last["nodes"]["b"], {"error": "it closed the connection"})
        self.assertEqual(last["nodes"]["a"], {"status": "success"})

    def test_all_alike(self) -> None:
        """What all say is said as they said it."""
        for node in NODES:
            self.progress.failed(node, "invalid model name", 400)
        status, last = self.progress.last()
        self.assertEqual((status, last["error"]), (400, "invalid model name"))

    def test_bounded(self) -> None:
        """A node that tells of layers and steps without end fills no memory."""
        for number in range(3 * MOST):
            self.progress.told("a", layer(1, 2, f"sha256:{number}"))
            self.progress.told("a", {"status": f"step {number}"})
        self.assertEqual(len(self.progress._layers), MOST)
        self.assertEqual(len(self.progress._steps), MOST)

    def test_odd(self) -> None:
        """What no Ollama would say does no harm."""
        for line in (
            {},
            {"status": 5},
            {"status": "x", "digest": 5},
            {"status": "x", "digest": "d", "total": "1", "completed": -1},
            {"status": "x", "digest": "d", "total": 2**70, "completed": True},
        ):
            self.progress.told("a", line)
        told = self.told("a", layer(5, 10, "d"))
        self.assertEqual((told["total"], told["completed"]), (30, 5))


LINES = some.one_of(
    some.builds(
        layer,
        some.integers(0, 120),
        some.just(100),
        some.sampled_from(["sha256:1", "sha256:2"]),
    ),
    some.sampled_from([SUCCESS, {"error": "no"}, {"status": "writing manifest"}]),
)


class AnyOrderTests(SynchronousTestCase):
    """However the nodes' lines come."""

    @given(some.lists(some.tuples(some.sampled_from(NODES), LINES), max_size=60))
    def test_promises(self, lines: list[tuple[str, dict[str, Any]]]) -> None:
        """
        A bar never shrinks nor overflows, nothing but the end looks like one, and the
        end is good only if all nodes' were.
        """
        progress = Progress(NODES, "pull")
        ends: dict[str, bool] = {}
        seen: dict[str, int] = {}
        for node, line in lines:
            told = progress.told(node, line)
            if line is SUCCESS or "error" in line:
                ends.setdefault(node, line is SUCCESS)
            if told is None:
                continue
            self.assertNotIn("error", told)
            self.assertNotEqual(told["status"], "success")
            if "digest" in told:
                completed = told.get("completed", 0)
                self.assertGreaterEqual(completed, seen.get(told["digest"], 0))
                self.assertLessEqual(completed, told["total"])
                self.assertEqual(told["total"], 300)
                seen[told["digest"]] = completed
        status, last = progress.last()
        good = ends == dict.fromkeys(NODES, True)
        self.assertEqual((status == 200, last.get("status") == "success"), (good, good))
        self.assertEqual("error" in last, not good)
        self.assertEqual(set(last["nodes"]), set(NODES))
