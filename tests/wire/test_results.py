"""What several nodes answered, told as one."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.results import LONGEST, Result, error_in, verdict


def deleted(*results: Result) -> tuple[int, dict[str, object]]:
    """The verdict on a deletion."""
    return verdict(results, "delete", {}, absent_is_well=True)


class VerdictTests(SynchronousTestCase):
    """One answer."""

    def test_some_absent(self) -> None:
        """Who does not have it is no failure if another one has it."""
        status, told = deleted(Result("a", 200), Result("b", 404, "model 'x' not found"))
        self.assertEqual(status, 200)
        absent = {"status": "absent", "error": "model 'x' not found"}
        self.assertEqual(told, {"nodes": {"a": {"status": "success"}, "b": absent}})

    def test_all_absent(self) -> None:
        """If nobody has it, that is said in the words of the nodes."""
        status, told = deleted(*(Result(node, 404, "model 'x' not found") for node in "ab"))
        self.assertEqual((status, told["error"]), (404, "model 'x' not found"))

    def test_failed(self) -> None:
        """Who failed is named, and where it is done."""
        status, told = deleted(Result("a", 200), Result("b", 404, "no"), Result("c", 500, "disk"))
        self.assertEqual(status, 502)
        self.assertEqual(told["error"], "delete failed on 1 of 3 nodes (c: disk); done on a")

    def test_failed_and_absent(self) -> None:
        """A node that failed may have had it, though all others say that they do not."""
        status, told = deleted(Result("a", 404, "no"), Result("b", 503, "down"))
        self.assertEqual(status, 503)
        self.assertEqual(told["error"], "delete failed on 1 of 2 nodes (b: down)")

    def test_error(self) -> None:
        """The message of a node's, or what its status says."""
        self.assertEqual(error_in(b'{"error":"no"}', 400), "no")
        for body in (b"", b"[]", b'{"error":5}', b"404 page not found"):
            self.assertEqual(error_in(body, 404), "it answered 404")

    def test_long(self) -> None:
        """A message without end is cut."""
        _, told = deleted(Result("a", 500, "x" * 10_000))
        self.assertEqual(len(str(told["error"])), LONGEST)
