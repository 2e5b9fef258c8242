"""Server-sent events: told to all who listen, and nobody is waited for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from ollama_twisted.web.cors import Cors
from ollama_twisted.web.events import EventsResource, Feed, event
from ollama_twisted.web.hosts import AllowedHosts
from ollama_twisted.web.site import PATIENCE, PageSite
from tests.web.harness import Answer, Visitor


class FeedTests(SynchronousTestCase):
    """One feed with its listeners."""

    def setUp(self) -> None:
        self.feed = Feed(lambda: event("snapshot", 7, {"all": True}), limit=3)
        root = Resource()
        root.putChild(b"events", EventsResource(self.feed))
        self.site = PageSite(root, AllowedHosts([]), Cors(), shared=lambda path: False)

    def listen(self) -> tuple[Visitor, Answer]:
        visitor = Visitor(self.site)
        return visitor, visitor.get(b"/events")

    def test_form(self) -> None:
        """
        An event has a name, a number and one line of JSON, whatever is in it.
        """
        self.assertEqual(
            event("delta", 3, {"a": "x\ny"}), b'event: delta\nid: 3\ndata: {"a":"x\\ny"}\n\n'
        )

    def test_greeting(self) -> None:
        """
        Who joins is told when to come back and all there is to know.
        """
        _, answer = self.listen()
        self.assertEqual(answer.field(b"content-type"), b"text/event-stream; charset=utf-8")
        self.assertEqual(answer.field(b"cache-control"), b"no-store")
        self.assertIn(b'retry: 3000\n\nevent: snapshot\nid: 7\ndata: {"all":true}\n\n', answer.body)

    def test_told(self) -> None:
        """
        What happens is told to all at once.
        """
        visitors = [self.listen()[0] for _ in range(2)]
        self.feed.tell(event("delta", 8, {}))
        self.feed.beat()
        for each in visitors:
            told = each.take()
            self.assertIn(b"event: delta\nid: 8\ndata: {}\n\n", told)
            self.assertIn(b": still here\n\n", told)

    def test_stays(self) -> None:
        """
        Who listens may do so for as long as it likes, without asking anything again.
        """
        visitor, _ = self.listen()
        visitor.clock.advance(10 * PATIENCE)
        self.feed.tell(event("delta", 8, {}))
        self.assertIn(b"delta", visitor.take())

    def test_left(self) -> None:
        """
        Who leaves is forgotten.
        """
        visitor, _ = self.listen()
        visitor.leave()
        self.assertEqual(len(self.feed), 0)
        self.feed.tell(b"nobody hears it\n\n")

    def test_slow(self) -> None:
        """
        Who reads slowly is told all there is to know when it has caught up; the others hear
        what it has missed.
        """
        slow, _ = self.listen()
        quick, _ = self.listen()
        slow.stall()
        for _ in range(3):
            self.feed.tell(event("delta", 8, {}))
        self.assertEqual(slow.take(), b"")
        self.assertEqual(quick.take().count(b"event: delta"), 3)
        slow.catch_up()
        told = slow.take()
        self.assertEqual((told.count(b"event: snapshot"), told.count(b"delta")), (1, 0))
        self.feed.tell(event("delta", 9, {}))
        self.assertIn(b"event: delta\nid: 9", slow.take())

    def test_stalled(self) -> None:
        """
        Who has not read from one beat to the next is dropped.
        """
        stalled, _ = self.listen()
        slow, _ = self.listen()
        for each in (stalled, slow):
            each.stall()
        self.feed.beat()
        slow.catch_up()
        slow.stall()
        self.assertEqual((stalled.wire.aborted, slow.wire.aborted), (False, False))
        self.feed.beat()
        self.assertEqual((stalled.wire.aborted, slow.wire.aborted), (True, False))
        self.assertEqual(len(self.feed), 1)

    def test_stalled_at_the_end(self) -> None:
        """
        What is not read cannot be ended as it should be, and is not waited for.
        """
        stalled, _ = self.listen()
        stalled.stall()
        self.feed.close()
        self.assertTrue(stalled.wire.aborted)

    def test_caught_up(self) -> None:
        """
        Who has read all by the time of the next event has missed nothing.
        """
        visitor, _ = self.listen()
        visitor.stall()
        visitor.catch_up()
        self.feed.tell(event("delta", 8, {}))
        self.assertIn(b"delta", visitor.take())

    def test_full(self) -> None:
        """
        One listener too many is told to come back later.
        """
        for _ in range(3):
            self.listen()
        _, answer = self.listen()
        self.assertEqual((answer.status, answer.field(b"retry-after")), (503, b"10"))

    def test_head(self) -> None:
        """
        HEAD is answered and listens to nothing.
        """
        self.assertEqual(Visitor(self.site).ask(b"HEAD", b"/events").status, 200)
        self.assertEqual(len(self.feed), 0)

    def test_closed(self) -> None:
        """
        At the end every stream is ended as streams should be.
        """
        visitor, _ = self.listen()
        self.feed.close()
        self.assertTrue(visitor.take().endswith(b"0\r\n\r\n"))
        self.assertEqual(len(self.feed), 0)
