"""What the gateway asks nodes itself: bounded in time and in size, and never left open."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, DNSLookupError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from ollama_twisted.config.resolved import Address, NodeConfig
from ollama_twisted.gateway.asking import Asker
from ollama_twisted.web.asking import MAX_ANSWER, Unanswered

ADDRESS = Address("http", "a.test", 11434, "/ollama")


@implementer(IResponse)
class FakeResponse:
    """An answer whose body a test gives bit by bit."""

    version = (b"HTTP", 1, 1)
    phrase = b"OK"
    length = 0
    request = previousResponse = None

    def __init__(self, code: int) -> None:
        self.code = code
        self.headers = Headers()
        self.stopped = False
        self._protocol: Any = None

    def deliverBody(self, protocol: Any) -> None:
        self._protocol = protocol
        protocol.makeConnection(self)

    def stopProducing(self) -> None:
        self.stopped = True
        self.end(ConnectionLost())

    def give(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def end(self, reason: Exception | None = None) -> None:
        self._protocol.connectionLost(Failure(reason or ResponseDone()))

    def setPreviousResponse(self, response: Any) -> None:
        raise NotImplementedError


@implementer(IAgent)
class FakeAgent:
    """Notes what is asked, and leaves the answers to the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes, Headers]] = []
        self.answers: list[Deferred[Any]] = []
        self.refuses: Exception | None = None

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        self.asked.append((method, uri, headers or Headers()))
        if self.refuses is not None:
            return fail(self.refuses)
        answer: Deferred[Any] = Deferred()
        self.answers.append(answer)
        return answer

    def answer(self, body: bytes, code: int = 200) -> FakeResponse:
        """Answer what was asked last, whole."""
        response = FakeResponse(code)
        self.answers.pop().callback(response)
        response.give(body)
        response.end()
        return response


class AskerTests(SynchronousTestCase):
    """One question."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.asker = Asker(self.agent, self.clock)

    def ask(self, *fields: tuple[str, str]) -> Deferred[Any]:
        node = NodeConfig("a", (ADDRESS,), headers=fields)
        return Deferred.fromCoroutine(self.asker.json(node, ADDRESS, "/api/version", 2.0))

    def why(self, asking: Deferred[Any]) -> str:
        """Why there is no answer."""
        return str(self.failureResultOf(asking, Unanswered).value)

    def test_question(self) -> None:
        """It is asked at the node's address, with the node's own headers and no others of note."""
        self.ask(("Authorization", "Bearer key"))
        ((method, uri, headers),) = self.agent.asked
        self.assertEqual((method, uri), (b"GET", b"http://a.test:11434/ollama/api/version"))
        self.assertEqual(headers.getRawHeaders("authorization"), ["Bearer key"])
        self.assertEqual(headers.getRawHeaders("user-agent"), ["ollama-gateway"])

    def test_answer(self) -> None:
        """The answer is a JSON document."""
        asking = self.ask()
        self.agent.answer(b'{"version":"0.12.0"}')
        self.assertEqual(self.successResultOf(asking), {"version": "0.12.0"})

    def test_alive(self) -> None:
        """Where only life is asked for, what is said does not matter."""
        node = NodeConfig("a", (ADDRESS,))
        for body in (b"", b"OK", b'{"status":"ok"}'):
            asking = Deferred.fromCoroutine(self.asker.alive(node, ADDRESS, "/health", 2.0))
            self.agent.answer(body)
            self.assertIsNone(self.successResultOf(asking))
        self.assertEqual(self.agent.asked[0][1], b"http://a.test:11434/ollama/health")
        asking = Deferred.fromCoroutine(self.asker.alive(node, ADDRESS, "/health", 2.0))
        self.agent.answer(b"OK", 503)
        self.assertEqual(self.why(asking), "answered 503")

    def test_status(self) -> None:
        """Another status than 200 is none, and is told."""
        asking = self.ask()
        self.agent.answer(b"{}", 503)
        error = self.failureResultOf(asking, Unanswered).value
        self.assertEqual((str(error), error.status, error.timed_out), ("answered 503", 503, False))

    def test_not_json(self) -> None:
        """Nor is what is not JSON, however deep it is nested."""
        for body in (b"<html>", b"", b"[" * 100_000):
            asking = self.ask()
            self.agent.answer(body)
            self.assertEqual(self.why(asking), "its answer is not JSON")

    def test_unreachable(self) -> None:
        """Why there is no connection is told in words."""
        for error, words in (
            (ConnectionRefusedError(), "connection refused"),
            (DNSLookupError(), "no such host"),
            (RuntimeError("secret"), "it broke the connection"),
        ):
            self.agent.refuses = error
            self.assertEqual(self.why(self.ask()), words)

    def test_silent(self) -> None:
        """A node that does not answer in time is asked no more."""
        stopped: list[Any] = []
        asking = self.ask()
        self.agent.answers[0] = Deferred(stopped.append)
        self.clock.advance(1.9)
        self.assertNoResult(asking)
        self.clock.advance(0.2)
        error = self.failureResultOf(asking, Unanswered).value
        self.assertEqual((str(error), error.timed_out), ("no answer within 2 s", True))

    def test_slow_body(self) -> None:
        """The limit is for all of it, and its connection is closed then."""
        asking = self.ask()
        response = FakeResponse(200)
        self.agent.answers.pop().callback(response)
        for _ in range(4):
            response.give(b" ")
            self.clock.advance(0.6)
        self.assertEqual(self.why(asking), "no answer within 2 s")
        self.assertEqual(response.stopped, True)

    def test_endless_body(self) -> None:
        """So is that of one who sends too much."""
        asking = self.ask()
        response = FakeResponse(200)
        self.agent.answers.pop().callback(response)
        for _ in range(MAX_ANSWER // 2**20 + 1):
            response.give(b" " * 2**20)
        self.assertEqual(self.why(asking), "its answer is too long")
        self.assertEqual(response.stopped, True)

    def test_broken_body(self) -> None:
        """Half a document is none."""
        asking = self.ask()
        response = FakeResponse(200)
        self.agent.answers.pop().callback(response)
        response.give(b"{}")
        response.end(ConnectionLost())
        self.assertEqual(self.why(asking), "it broke the connection")
