"""Listening to a server, with a clock that is wound by hand."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers

from ollama_twisted.top.document import Document
from ollama_twisted.top.listener import DEAD, PATIENCE, QUIET, RETRY, Listener, NoGateway
from ollama_twisted.top.screen import Link
from ollama_twisted.web.events import event

URL = "http://gateway.test:11435"
SNAPSHOT = event("snapshot", 1, {"seq": 1, "nodes": [{"id": "a", "kind": "node"}]})


class Transport(StringTransport):
    """The end of an answer's body that can be hung up on."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def stopProducing(self) -> None:
        self._answer.end(ConnectionDone())


class Answer:
    """What a server answers with."""

    def __init__(
        self, code: int = 200, body: bytes = b"", kind: bytes = b"text/event-stream"
    ) -> None:
        self.code = code
        self.phrase = b""
        self.headers = Headers({b"content-type": [kind]})
        self.open = False
        self._body = body
        self._protocol: Any = None

    def deliverBody(self, protocol: Any) -> None:
        self.open = True
        self._protocol = protocol
        protocol.makeConnection(Transport(self))
        if self._body:
            self.send(self._body)
        if self.code != 200:
            self.end(ResponseDone())

    def send(self, data: bytes) -> None:
        """Another piece of it."""
        self._protocol.dataReceived(data)

    def end(self, reason: Exception) -> None:
        """No more will come."""
        if self.open:
            self.open = False
            self._protocol.connectionLost(Failure(reason))


class ListenerTests(SynchronousTestCase):
    """A listener whose server answers as it is told to."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.answers: list[Any] = []
        self.asked: list[bytes] = []
        self.document = Document()
        self.changes = 0
        self.listener = Listener(self, self.clock, URL, self.document, self._changed)  # type: ignore[arg-type]
        self.going: Deferred[None] | None = None

    def _changed(self) -> None:
        self.changes += 1

    def request(self, method: bytes, uri: bytes, headers: Headers) -> Deferred[Any]:
        """What the listener asks; it takes us for its agent."""
        self.asked.append(uri)
        answer = self.answers.pop(0)
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def listen(self, *answers: Any) -> None:
        self.answers = [*answers]
        self.going = Deferred.fromCoroutine(self.listener.listen())

    def why(self) -> str:
        assert self.going is not None
        return str(self.failureResultOf(self.going, NoGateway).value)

    def test_live(self) -> None:
        """
        What it is told goes into the document, and whoever draws that is told.
        """
        answer = Answer()
        self.listen(answer)
        answer.send(SNAPSHOT[:20])
        self.assertFalse(self.document.known)
        answer.send(SNAPSHOT[20:])
        self.assertEqual((list(self.document.nodes), self.changes), (["a"], 1))
        self.assertEqual(self.listener.link, Link(URL))
        self.assertEqual(self.asked, [URL.encode() + b"/api/events"])

    def test_stale(self) -> None:
        """
        A sign of life is enough to be live; without one for long it is not any more.
        """
        answer = Answer(body=SNAPSHOT)
        self.listen(answer)
        self.clock.advance(QUIET - 1)
        answer.send(b": still here\n\n")
        self.clock.advance(QUIET - 1)
        self.assertEqual(self.listener.link.state, "live")
        self.clock.advance(2)
        self.assertEqual(self.listener.link, Link(URL, "stale", QUIET + 1))

    def test_dead(self) -> None:
        """
        Who is silent for too long is hung up on and asked again.
        """
        first, second = Answer(body=SNAPSHOT), Answer()
        self.listen(first, second)
        self.clock.advance(DEAD)
        self.assertFalse(first.open)
        self.assertEqual(self.listener.link.state, "disconnected")
        self.clock.advance(RETRY)
        second.send(SNAPSHOT)
        self.assertEqual(self.listener.link, Link(URL))

    def test_back(self) -> None:
        """
        Who goes away is waited for, and what was known of it stays.
        """
        answer = Answer(body=SNAPSHOT)
        self.listen(answer, ConnectionRefusedError(), Answer(body=SNAPSHOT))
        answer.end(ResponseDone())
        self.assertEqual(self.listener.link.why, "it ended the connection")
        self.clock.advance(RETRY)
        self.assertEqual(self.listener.link, Link(URL, "disconnected", RETRY, "connection refused"))
        self.assertTrue(self.document.known)
        self.clock.advance(RETRY)
        self.assertEqual(self.listener.link, Link(URL))

    def test_nobody(self) -> None:
        """
        Who was never there is not waited for.
        """
        self.listen(ConnectionRefusedError())
        self.assertEqual(self.why(), "connection refused")

    def test_silent(self) -> None:
        """
        Nor is who takes the connection and says nothing.
        """
        self.listen(Deferred())
        self.clock.advance(PATIENCE)
        self.assertEqual(self.why(), "no answer within 10 s")

    def test_other(self) -> None:
        """
        Somebody else is told apart from a gateway, whatever it answers.
        """
        for answer in (
            Answer(404, b'{"error": "not found"}'),
            Answer(404, b"404 page not found", b"text/plain"),
        ):
            self.listen(answer)
            self.assertEqual(self.why(), "what answers is no gateway, or an older one (status 404)")

    def test_refused(self) -> None:
        """
        A gateway that refuses says why.
        """
        self.listen(Answer(503, b'{"error": "too many are listening already"}'))
        self.assertEqual(self.why(), "too many are listening already")

    def test_cancelled(self) -> None:
        """
        Who has seen enough hangs up.
        """
        answer = Answer(body=SNAPSHOT)
        self.listen(answer)
        assert self.going is not None
        self.going.addErrback(lambda _: None)
        self.going.cancel()
        self.assertFalse(answer.open)
        self.assertEqual(self.clock.getDelayedCalls(), [])
