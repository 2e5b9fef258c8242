"""Another node answers as if the first one had never been asked, while that can still be done."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import fail
from twisted.internet.error import (
    ConnectError,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TimeoutError,
)
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from ollama_twisted.config.resolved import Address, GatewayLimits, Timeouts
from ollama_twisted.gateway.logline import as_json, line
from ollama_twisted.gateway.upstream import Upstream, endpoint_for
from ollama_twisted.web.asking import in_words
from tests.gateway.harness import (
    STREAM,
    Client,
    FakeEndpoint,
    World,
    chunks,
    get,
    message,
    post,
    split,
    whole,
)

ANSWER = whole(b'{"done":true}')
BUSY = whole(
    b'{"error":"server busy, please try again.  maximum pending requests exceeded"}',
    b"503 Service Unavailable",
)


class FailoverCase(SynchronousTestCase):
    """Some nodes that all have the model, of which "a" is asked first."""

    nodes = "ab"

    def setUp(self) -> None:
        self.world = World(self.nodes)
        self.client = self.world.client()

    def ask(self, path: bytes = b"/api/chat") -> Client:
        self.client.send(post(path))
        return self.client

    def answered_by(self, name: str) -> None:
        """The client got the answer that this node now gives, and nothing else."""
        self.world.node(name).answer(ANSWER)
        first, fields, rest = split(self.client.read())
        self.assertEqual(
            (first, fields[b"x-ollama-gateway-node"], rest),
            (b"HTTP/1.1 200 OK", name.encode(), b'{"done":true}'),
        )
        self.assertEqual(self.world.in_flight(), 0)

    def failed(self, name: str) -> int:
        return self.world.pool.nodes[name].failed_requests


class BeforeFirstByteTests(FailoverCase):
    """What can go wrong before an answer begins."""

    def test_refused(self) -> None:
        """A node that refuses the connection is passed over."""
        self.world.endpoints["a"].refuses = True
        self.ask()
        self.answered_by("b")
        self.assertEqual(self.world.records[0].retries, (("a", "unreachable"),))

    def test_refused_ejects(self) -> None:
        """It is ejected at once: the next request does not try it."""
        self.world.endpoints["a"].refuses = True
        self.ask()
        self.answered_by("b")
        self.ask()
        self.answered_by("b")
        self.assertEqual(self.world.records[1].retries, ())
        self.assertEqual(self.world.sample("node_ejected", node="a"), 1)

    def test_reset(self) -> None:
        """A node that resets the connection is passed over."""
        self.ask()
        self.world.node("a").close(ConnectionLost())
        self.answered_by("b")
        self.assertEqual(self.world.records[0].retries, (("a", "reset"),))

    def test_closed(self) -> None:
        """A node that closes the connection is passed over."""
        self.ask()
        self.world.node("a").close()
        self.answered_by("b")

    def test_closed_within_head(self) -> None:
        """Half a head is no byte of an answer."""
        self.ask()
        self.world.node("a").answer(STREAM[:30])
        self.world.node("a").close()
        self.answered_by("b")

    def test_connect_timeout(self) -> None:
        """A node that cannot be connected to in time is passed over."""
        self.world.endpoints["a"].pending = pending = []
        self.ask()
        pending[0].errback(TimeoutError())
        self.answered_by("b")

    def test_502(self) -> None:
        """A node that answers 502 is passed over."""
        self.ask()
        self.world.node("a").answer(whole(b"{}", b"502 Bad Gateway"))
        self.answered_by("b")
        self.assertEqual(self.world.records[0].retries, (("a", "gateway_error"),))
        self.assertEqual(self.failed("a"), 1)

    def test_503(self) -> None:
        """A node that answers that it is busy is passed over, and not blamed."""
        self.ask()
        self.world.node("a").answer(BUSY)
        self.answered_by("b")
        self.assertEqual(self.world.records[0].retries, (("a", "busy"),))
        self.assertEqual(self.failed("a"), 0)

    def test_503_connection(self) -> None:
        """The connection that the rejected answer comes on is closed, as nobody reads it."""
        self.ask()
        self.world.node("a").answer(BUSY[:-10])
        self.assertEqual(self.world.node("a").wire.aborted, True)
        self.answered_by("b")

    def test_same_request(self) -> None:
        """The second node gets the same request, body included, but for its own name."""
        self.ask()
        first = self.world.node("a").asked()
        self.world.node("a").close()
        second = self.world.node("b").asked()
        self.assertEqual(first.replace(b"Host: a.test", b"Host: b.test"), second)

    def test_large_body(self) -> None:
        """A body that is kept in a file is sent whole to the second node as well."""
        self.world = World("ab", limits=GatewayLimits(memory_body=10))
        self.client = self.world.client()
        body = b'{"model":"m","images":["%b"]}' % (b"x" * 100_000)
        self.client.send(post(b"/api/generate", body))
        self.pull("a", 2)
        self.world.node("a").close(ConnectionLost())
        self.pull("b")
        self.assertEqual(split(self.world.node("b").asked())[2], body)
        self.answered_by("b")

    def pull(self, name: str, times: int = 100) -> None:
        """Let the node read so much."""
        wire = self.world.node(name).wire
        while wire.producer is not None and times:
            wire.producer.resumeProducing()
            times -= 1

    def test_passed_on(self) -> None:
        """Any other status is an answer, and is passed on."""
        for status in (b"400 Bad Request", b"404 Not Found", b"429 Slow Down", b"500 Oops"):
            world = World("ab")
            client = world.client()
            client.send(post(b"/api/chat"))
            world.node("a").answer(whole(b"{}", status, b"Retry-After: 7"))
            first, fields, _ = split(client.read())
            self.assertEqual((first, fields[b"retry-after"]), (b"HTTP/1.1 " + status, b"7"))
            self.assertEqual(world.endpoints["b"].connections, [])

    def test_not_after_first_byte(self) -> None:
        """Once the head of an answer has gone to the client, no other node takes over."""
        self.ask()
        self.world.node("a").answer(STREAM)
        self.world.node("a").close()
        self.assertEqual(self.world.endpoints["b"].connections, [])
        self.assertEqual(self.client.hung_up, True)

    def test_silent(self) -> None:
        """A node that stays silent may be working: the request is not sent twice."""
        self.world.know("a", ("m",), loaded=("m",))
        self.ask()
        self.world.sweep(302)
        self.assertEqual(self.world.node("a").wire.aborted, True)
        self.assertEqual(self.world.endpoints["b"].connections, [])
        answer = self.client.read()
        self.assertEqual(split(answer)[0], b"HTTP/1.1 504 Gateway Timeout")
        self.assertEqual(message(answer), "no node could answer (a: silent for 300 s)")


class LimitsTests(FailoverCase):
    """How often a request is tried."""

    nodes = "abcdef"

    def test_each_once(self) -> None:
        """No node is asked twice for one request."""
        self.world = World("ab")
        self.client = self.world.client()
        for endpoint in self.world.endpoints.values():
            endpoint.refuses = True
        self.ask()
        (record,) = self.world.records
        self.assertEqual((record.attempts, record.retries), (2, (("a", "unreachable"),)))

    def test_bounded(self) -> None:
        """However many nodes there are, only so many are tried."""
        for endpoint in self.world.endpoints.values():
            endpoint.refuses = True
        self.ask()
        self.assertEqual(self.world.records[0].attempts, 3)
        self.assertEqual(
            message(self.client.read()),
            "no node could answer (a: a.test:11434: connection refused;"
            " b: b.test:11434: connection refused; c: c.test:11434: connection refused)",
        )

    def test_nowhere_to_go(self) -> None:
        """The last node's 503 is its answer, and is passed on as it came."""
        self.world = World("a")
        self.client = self.world.client()
        self.ask()
        self.world.node("a").answer(BUSY)
        self.assertEqual(split(self.client.read())[2], split(BUSY)[2])

    def test_full_nodes(self) -> None:
        """A node that is full is not waited for once another one has failed."""
        self.world = World("ab", max_in_flight=1)
        other = self.world.client()
        other.send(post(b"/api/chat"))
        self.client = self.world.client()
        self.ask()
        self.world.node("b").close()
        self.assertEqual(split(self.client.read())[0], b"HTTP/1.1 502 Bad Gateway")

    def test_other_model(self) -> None:
        """Only nodes that have the model are tried."""
        self.world = World("ab")
        self.world.know("b", ("other",))
        self.client = self.world.client()
        self.world.endpoints["a"].refuses = True
        self.ask()
        self.assertEqual(self.world.endpoints["b"].connections, [])


class BudgetTests(FailoverCase):
    """When several nodes fail, few requests are asked again at a time."""

    nodes = "abc"

    def setUp(self) -> None:
        limits = GatewayLimits(retry_percent=0, min_retries=0)
        self.world = World(self.nodes, limits=limits)
        self.client = self.world.client()

    def drop(self, path: bytes = b"/api/chat") -> bytes:
        """A request that two nodes drop; its answer."""
        self.ask(path)
        self.world.node("a").close(ConnectionLost())
        self.world.node("b").close(ConnectionLost())
        return self.client.read()

    def test_spent(self) -> None:
        """The failure of the last node is passed on, and why no other one was asked."""
        answer = self.drop()
        first, fields, _ = split(answer)
        self.assertEqual(
            (first, fields[b"retry-after"], fields[b"x-ollama-gateway-reason"], message(answer)),
            (
                b"HTTP/1.1 502 Bad Gateway",
                b"1",
                b"reset",
                "no node could answer (a: it reset the connection before its answer;"
                " b: it reset the connection before its answer); no other one was asked,"
                " since too many requests are being asked again",
            ),
        )
        self.assertEqual(self.world.endpoints["c"].connections, [])
        self.assertEqual(self.world.in_flight(), 0)

    def test_dialect(self) -> None:
        """It is told in the words of the protocol that the request is in."""
        _, _, body = split(self.drop(b"/v1/chat/completions"))
        self.assertIn("are being asked again", json.loads(body)["error"]["message"])

    def test_shown(self) -> None:
        """It is counted by the node that failed, and the log's line says it."""
        self.drop()
        self.assertEqual(
            self.world.sample("upstream_retries_refused_total", node="b", reason="reset"), 1
        )
        said = line(self.world.records[0], 0.0)
        self.assertEqual(
            (said.failure, said.retries, said.not_retried),
            ("reset", "a: reset", "b: reset; the retry budget is spent"),
        )

    def test_502(self) -> None:
        """A 502 after which no other node is asked is passed on as it came, and counted too."""
        self.ask()
        self.world.node("a").close(ConnectionLost())
        self.world.node("b").answer(whole(b"{}", b"502 Bad Gateway"))
        self.assertEqual(split(self.client.read())[2], b"{}")
        self.assertEqual(
            self.world.sample("upstream_retries_refused_total", node="b", reason="gateway_error"),
            1,
        )
        self.assertIn(b'"not_retried":"b: gateway_error; ', as_json(self.world.records[0], 0.0))

    def test_one_node(self) -> None:
        """What one node drops is always asked elsewhere."""
        clients = [self.world.client() for _ in range(12)]
        for each in clients:
            each.send(post(b"/api/chat"))
        for each in self.world.endpoints["a"].connections:
            each.close(ConnectionLost())
        for name in "bc":
            for each in self.world.endpoints[name].connections:
                each.answer(ANSWER)
        answers = [split(each.read())[0] for each in clients]
        self.assertEqual(answers, [b"HTTP/1.1 200 OK"] * 12)

    def test_not_sent(self) -> None:
        """What a node was never sent, or has no time for, is no work done twice."""
        for name in "ab":
            self.world.pool.nodes[name].breaker.failed(1, 0)
        self.world.endpoints["a"].refuses = True
        self.ask()
        self.world.node("b").answer(BUSY)
        self.answered_by("c")


class ManagingTests(FailoverCase):
    """Requests that change what is on a node."""

    PATHS = (b"/api/pull", b"/api/push", b"/api/create", b"/api/blobs/sha256:1")

    def each(self) -> Any:
        for path in self.PATHS:
            self.world = World("ab")
            self.client = self.world.client()
            self.ask(path)
            yield path

    def test_reset(self) -> None:
        """Once sent, they are never repeated."""
        for path in self.each():
            self.world.node("a").close(ConnectionLost())
            self.assertEqual(self.world.endpoints["b"].connections, [], path)
            self.assertEqual(split(self.client.read())[0], b"HTTP/1.1 502 Bad Gateway")

    def test_busy(self) -> None:
        """An answer that the node is busy is their answer."""
        for path in self.each():
            self.world.node("a").answer(BUSY)
            self.assertEqual(self.world.endpoints["b"].connections, [], path)
            self.assertEqual(split(self.client.read())[2], split(BUSY)[2])

    def test_delete(self) -> None:
        """DELETE is no exception, nor what every node is asked for."""
        named = b"X-Ollama-Gateway-Nodes: a"
        self.client.send(post(b"/api/delete", b"{}", named).replace(b"POST", b"DELETE", 1))
        self.world.node("a").close()
        self.assertEqual(self.world.endpoints["b"].connections, [])

    def test_refused(self) -> None:
        """What was never sent may be sent elsewhere."""
        self.world.endpoints["a"].refuses = True
        self.ask(b"/api/pull")
        self.answered_by("b")

    def test_unknown_post(self) -> None:
        """The same goes for POST to a path of which nothing is known."""
        self.ask(b"/api/new-thing")
        self.world.node("a").close()
        self.assertEqual(self.world.endpoints["b"].connections, [])

    def test_unknown_get(self) -> None:
        """GET changes nothing, wherever it goes."""
        self.client.send(get(b"/api/new-thing"))
        self.world.node("a").close()
        self.answered_by("b")


class NothingLeftTests(FailoverCase):
    """What a client is told when no node answers."""

    def fail_with(self, *errors: Exception | bytes | None) -> bytes:
        for name, error in zip("ab", errors, strict=True):
            if isinstance(error, Exception):
                self.world.endpoints[name].connect = lambda _, e=error: fail(e)  # type: ignore
        self.ask()
        for name, error in zip("ab", errors, strict=True):
            if isinstance(error, bytes):
                self.world.node(name).answer(error)
            elif error is None:
                self.world.node(name).close()
        return self.client.read()

    def test_unreachable(self) -> None:
        """No node reached: 503, and the client may come back soon."""
        answer = self.fail_with(ConnectionRefusedError(), TimeoutError())
        first, fields, _ = split(answer)
        self.assertEqual(first, b"HTTP/1.1 503 Service Unavailable")
        self.assertEqual(fields[b"retry-after"], b"1")
        self.assertEqual(fields[b"content-type"], b"application/json; charset=utf-8")
        self.assertEqual(
            message(answer),
            "no node could answer (a: a.test:11434: connection refused;"
            " b: b.test:11434: no connection in time)",
        )

    def test_broken(self) -> None:
        """A node was reached and did not answer: 502."""
        answer = self.fail_with(ConnectionRefusedError(), None)
        first, fields, _ = split(answer)
        self.assertEqual((first, fields[b"retry-after"]), (b"HTTP/1.1 502 Bad Gateway", b"1"))
        self.assertIn("b: it closed the connection without an answer", message(answer))

    def test_words(self) -> None:
        """Each reason is told in words, without the names of classes."""
        for error, words in (
            (DNSLookupError(), "no such host"),
            (NoRouteError(), "no route to it"),
            (ConnectError(osError=113), "connecting failed (errno 113)"),
            (RuntimeError("secret"), "connecting failed"),
        ):
            self.setUp()
            self.assertIn(f": {words};", message(self.fail_with(error, TimeoutError())))

    def test_connection_kept(self) -> None:
        """The client's connection is kept for its next request."""
        self.fail_with(ConnectionRefusedError(), ConnectionRefusedError())
        self.assertEqual(self.client.hung_up, False)

    def test_all_ejected(self) -> None:
        """When all are ejected they are tried all the same, and a node that is back answers."""
        self.fail_with(ConnectionRefusedError(), ConnectionRefusedError())
        del self.world.endpoints["a"].connect, self.world.endpoints["b"].connect
        self.ask()
        name = "a" if self.world.endpoints["a"].connections else "b"
        self.answered_by(name)

    def test_nobody(self) -> None:
        """No healthy node: 503 at once, saying why of each."""
        for _ in range(3):
            for name in "ab":
                self.world.pool.checked(name, 0, False, "connection refused")
        self.ask()
        answer = self.client.read()
        self.assertEqual(split(answer)[0], b"HTTP/1.1 503 Service Unavailable")
        self.assertEqual(
            message(answer),
            "no node can answer (a: down (connection refused); b: down (connection refused))",
        )
        self.assertEqual(self.world.records[0].failure, "no_node")

    def test_dialects(self) -> None:
        """It is told in the shape of the protocol that the client speaks."""
        for path, shape in (
            (b"/v1/chat/completions", {"error": {"message", "type", "param", "code"}}),
            (b"/v1/messages", {"type": None, "error": {"type", "message"}}),
        ):
            self.setUp()
            for endpoint in self.world.endpoints.values():
                endpoint.refuses = True
            self.ask(path)
            said = json.loads(split(self.client.read())[2])
            self.assertEqual(set(said), set(shape))
            self.assertEqual(set(said["error"]), shape["error"])

    def test_head(self) -> None:
        """One who asked with HEAD gets no body."""
        for endpoint in self.world.endpoints.values():
            endpoint.refuses = True
        self.client.send(get(b"/api/version", method=b"HEAD"))
        first, fields, rest = split(self.client.read())
        self.assertEqual((first, rest), (b"HTTP/1.1 503 Service Unavailable", b""))
        self.assertNotEqual(fields[b"content-length"], b"0")


class AddressTests(SynchronousTestCase):
    """One node that can be reached at two addresses."""

    def setUp(self) -> None:
        self.world = World()
        self.upstream = self.world.gateway.upstreams["a"]
        address, self.first = self.upstream._addresses[0]
        self.second = FakeEndpoint()
        other = type(address)("http", "second.test", 1234, "/prefix")
        self.upstream._addresses.append((other, self.second))
        self.client = self.world.client()

    def ask(self) -> None:
        self.client.send(post(b"/api/chat"))

    def test_fallback(self) -> None:
        """If the first does not answer the second does, and no attempt is counted for it."""
        self.first.refuses = True
        self.ask()
        asked = self.second.last.asked()
        self.assertTrue(asked.startswith(b"POST /prefix/api/chat HTTP/1.1\r\n"))
        self.assertIn(b"Host: second.test:1234\r\n", asked)
        self.second.last.answer(ANSWER)
        self.assertEqual(self.world.records[0].attempts, 1)
        self.assertEqual(self.world.pool.nodes["a"].failed_requests, 0)

    def test_stays(self) -> None:
        """The one that answered is asked first from then on."""
        self.first.refuses = True
        self.ask()
        self.second.last.answer(whole(b"{}", b"200 OK", b"Connection: close"))
        self.first.refuses = False
        self.ask()
        self.assertEqual((len(self.first.connections), len(self.second.connections)), (0, 2))

    def test_none(self) -> None:
        """If none answers the node is unreachable."""
        self.first.refuses = self.second.refuses = True
        self.ask()
        self.assertEqual(
            message(self.client.read()),
            "no node could answer (a: second.test:1234: connection refused)",
        )
        self.assertEqual(self.world.pool.nodes["a"].failed_requests, 1)


class ConnectingTests(SynchronousTestCase):
    """The time it takes to connect."""

    def test_limit(self) -> None:
        """Each address is given the node's limit on connecting."""
        asked = []
        world = World(timeouts=Timeouts(connect=1.5))

        def endpoint(address: Any, timeout: float) -> Any:
            asked.append((address.host, timeout))
            return FakeEndpoint()

        Upstream(world.config.nodes[0], endpoint, world.clock.seconds)
        self.assertEqual(asked, [("a.test", 1.5)])

    def test_no_name(self) -> None:
        """Nor does a name whose address is never found keep anybody waiting."""

        @implementer(IHostnameResolver)
        class Silent:
            def resolveHostName(self, receiver: Any, *args: Any, **options: Any) -> Any:
                return receiver.resolutionBegan(None)

        reactor = MemoryReactorClock()
        reactor.installNameResolver(Silent())
        connecting = endpoint_for(reactor)(Address("http", "a.test", 1), 2.0).connect(Factory())
        reactor.advance(3.9)
        self.assertNoResult(connecting)
        reactor.advance(0.2)
        error = self.failureResultOf(connecting).value
        self.assertEqual(in_words(error), "no connection in time")

    def test_tls_fails(self) -> None:
        """A node whose certificate is not accepted was not reached, and another one is asked."""
        world = World("ab")
        client = world.client()
        client.send(post(b"/api/pull"))
        world.node("a").close(ValueError("certificate verify failed"))
        self.assertIn(b"POST /api/pull", world.node("b").asked())
        world.node("b").answer(ANSWER + chunks())
        self.assertEqual(world.records[0].retries, (("a", "unreachable"),))
