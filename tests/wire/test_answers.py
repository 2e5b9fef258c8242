"""Answers that the gateway gives itself."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.answers import own_answer, reason_phrase
from ollama_twisted.wire.head import read_answer


class OwnAnswerTests(SynchronousTestCase):
    """Whole answers, as bytes."""

    def test_message(self) -> None:
        """A message for people is put as Ollama puts it, in an answer that is read strictly."""
        head, _, body = own_answer(503, 'no "node"', fields=[(b"Retry-After", b"1")]).partition(
            b"\r\n\r\n"
        )
        answer = read_answer(head)
        self.assertEqual((answer.status, answer.reason), (503, b"Service Unavailable"))
        self.assertEqual((answer.length, answer.keep_alive), (len(body), True))
        self.assertEqual(answer.lower[b"retry-after"], b"1")
        self.assertEqual(json.loads(body), {"error": 'no "node"'})

    def test_head_only(self) -> None:
        """An answer to HEAD has the length of the body that it leaves out."""
        answer = own_answer(200, b"12345", head_only=True, keep_alive=False)
        self.assertTrue(answer.endswith(b"\r\n\r\n"))
        head = read_answer(answer[:-4])
        self.assertEqual((head.length, head.keep_alive), (5, False))

    def test_unnamed_status(self) -> None:
        """A status without a name is told without one."""
        self.assertEqual(reason_phrase(299), b"")
        self.assertEqual(read_answer(own_answer(299, b"").partition(b"\r\n\r\n")[0]).status, 299)
