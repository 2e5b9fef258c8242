"""Models of many nodes changed by one request: whom it is for, and what its client is told."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.pool.node import Node
from ollama_twisted.services import Kind
from tests.gateway.harness import (
    STREAM,
    Client,
    World,
    chunks,
    get,
    message,
    post,
    split,
    whole,
)
from tests.gateway.test_uploads import CREATED, begun

PULL = b'{"model":"new:1b"}'
QUIET = b'{"model":"new:1b","stream":false}'
SUCCESS = {"status": "success"}
NOT_FOUND = whole(b'{"error":"model \'m\' not found"}', b"404 Not Found")
DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def lines(*values: Any, end: bool = True) -> bytes:
    """A node's stream of these values."""
    return chunks(*(json.dumps(each).encode() + b"\n" for each in values), end=end)


def named(nodes: str) -> bytes:
    """The field that names nodes."""
    return f"X-Ollama-Gateway-Nodes: {nodes}".encode()


def told(answer: bytes) -> list[Any]:
    """The lines of a stream that has ended whole."""
    first, _, rest = split(answer)
    assert first == b"HTTP/1.1 200 OK", first
    assert rest.endswith(b"0\r\n\r\n"), rest
    return [json.loads(each) for each in rest.split(b"\r\n")[1:-3:2]]


class ManagingCase(SynchronousTestCase):
    """Three nodes, and one client."""

    def setUp(self) -> None:
        self.refreshed: list[str] = []
        self.have(World("abc"))

    def have(self, world: World) -> None:
        self.world = world
        world.gateway.refresh = self.refreshed.append
        self.client = world.client()

    def node(self, name: str, **changes: Any) -> Node:
        """A node, after something about its configuration has changed."""
        node = self.world.pool.nodes[name]
        for key, value in changes.items():
            object.__setattr__(node.config, key, value)
        node.configure(node.config)
        return node

    def down(self, name: str) -> None:
        for _ in range(3):
            self.world.pool.checked(name, 0.0, False, "connection refused")

    def send(self, path: bytes, body: bytes, *fields: bytes, method: bytes = b"POST") -> None:
        self.client.send(post(path, body, *fields).replace(b"POST", method, 1))

    def asked(self) -> str:
        """The nodes that were asked since the last look."""
        found = ""
        for name, endpoint in self.world.endpoints.items():
            if any(each.asked() for each in endpoint.connections):
                found += name
        return found

    def answer(self, **answers: bytes) -> None:
        for name, answer in answers.items():
            self.world.node(name).answer(answer)

    def read(self) -> tuple[bytes, Any]:
        """The status of an answer in one piece, and its JSON."""
        first, _, rest = split(self.client.read())
        return first[9:12], json.loads(rest) if rest else None


class NamingTests(ManagingCase):
    """Which nodes are meant."""

    def pulled(self, *fields: bytes, path: bytes = b"/api/pull") -> str:
        self.send(path, PULL, *fields)
        return self.asked()

    def test_default(self) -> None:
        """One node, unless configured otherwise."""
        self.assertEqual(self.pulled(), "a")

    def test_configured(self) -> None:
        """What ``gateway.pull`` says."""
        for pull, nodes in (("all", "abc"), ("2", "ab"), ("c,b", "bc")):
            self.have(World("abc", limits=GatewayLimits(pull=pull)))
            self.assertEqual(self.pulled(), nodes)

    def test_field(self) -> None:
        """What the request says wins."""
        for said, nodes in (("all", "abc"), ("3", "abc"), ("b", "b"), ("c, a", "ac")):
            self.have(World("abc", limits=GatewayLimits(pull="2")))
            self.assertEqual(self.pulled(named(said)), nodes, said)

    def test_query(self) -> None:
        """A parameter means the same; only what is not ours reaches the node."""
        self.send(b"/api/pull?x=1&gateway_nodes=b&y=%26", PULL)
        asked = self.world.node("b").asked()
        self.assertTrue(asked.startswith(b"POST /api/pull?x=1&y=%26 HTTP/1.1\r\n"), asked)
        for encoded in (b"%22b%22", b"b%2Cb", b"+b"):
            self.have(World("abc"))
            self.assertEqual(self.pulled(path=b"/api/pull?gateway_nodes=" + encoded), "b")

    def test_not_passed_on(self) -> None:
        """The field is for us alone."""
        self.send(b"/api/pull", PULL, named("b"))
        self.assertNotIn(b"gateway-nodes", self.world.node("b").asked().lower())

    def test_labels(self) -> None:
        """Nodes by what the operator says of them."""
        self.node("a", labels={"zone": "attic"})
        self.node("c", labels={"zone": "attic", "x": ""})
        self.assertEqual(self.pulled(named("label:zone=attic")), "ac")

    def test_twice(self) -> None:
        """Whoever names nodes in two places may mean two things."""
        self.assertEqual(self.pulled(named("a"), path=b"/api/pull?gateway_nodes=b"), "")
        self.assertIn("more than once", message(self.client.read()))

    def test_unknown(self) -> None:
        """What is not there is refused with what is."""
        self.node("a", labels={"zone": "attic"})
        for said, why in (
            ("d", "no node is called d; known are a, b, c"),
            ("label:zone=cellar", "no node has the label zone=cellar; known labels are zone=attic"),
            ("4", "4 nodes are wanted, and 3 could do it (a, b, c)"),
            ("a,,b", "X-Ollama-Gateway-Nodes, or gateway_nodes in the query: expected all"),
        ):
            self.assertEqual(self.pulled(named(said)), "", said)
            self.assertIn(why, message(self.client.read()))
        self.assertEqual(self.world.records[0].failure, "bad_nodes")

    def test_external(self) -> None:
        """Someone else's node is never meant unless it is named."""
        self.node("b", kind=Kind.EXTERNAL)
        self.assertEqual(self.pulled(named("all")), "ac")
        self.have(World("abc"))
        self.node("b", kind=Kind.EXTERNAL)
        self.assertEqual(self.pulled(named("b")), "b")

    def test_external_alone(self) -> None:
        """If there is no other, that is said."""
        self.have(World("a"))
        self.node("a", kind=Kind.EXTERNAL)
        self.assertEqual(self.pulled(), "")
        self.assertIn("unless they are named", message(self.client.read()))

    def test_kind(self) -> None:
        """A node that has no models to change is not among all, and cannot be named."""
        self.node("b", kind=Kind.WHISPER)
        self.assertEqual(self.pulled(named("b")), "")
        self.assertIn("b is a whisper node", message(self.client.read()))
        self.assertEqual(self.pulled(named("all")), "ac")

    def test_disabled(self) -> None:
        """Nor can one be that is switched off."""
        self.node("b", enabled=False)
        self.assertEqual(self.pulled(named("b")), "")
        self.assertIn("b is disabled", message(self.client.read()))

    def test_choice(self) -> None:
        """So many: who has the model is brought up to date, then who has fewest others."""
        self.world.know("a", ("m", "n"))
        self.world.know("c", ("new:1b", "m", "n", "o"))
        self.assertEqual(self.pulled(named("2")), "bc")

    def test_not_down(self) -> None:
        """One that is down is not chosen."""
        self.down("a")
        self.assertEqual(self.pulled(), "b")


class PullTests(ManagingCase):
    """A pull to several nodes."""

    def setUp(self) -> None:
        super().setUp()
        self.send(b"/api/pull", PULL, named("a,b"))

    def test_merged(self) -> None:
        """One stream: sums that only grow, and one end."""
        layer = {"status": "pulling x", "digest": "sha256:x", "total": 10}
        self.answer(a=STREAM + lines({"status": "pulling manifest"}, layer, end=False))
        self.answer(b=STREAM + lines({"status": "pulling manifest"}, end=False))
        self.answer(b=lines(layer | {"completed": 7}, SUCCESS))
        self.answer(a=lines(layer | {"completed": 10}, SUCCESS))
        nodes = {"a": SUCCESS, "b": SUCCESS}
        self.assertEqual(
            told(self.client.read()),
            [
                {"status": "pulling manifest", "node": "a"},
                {**layer, "total": 20, "node": "a"},
                {**layer, "total": 20, "completed": 7, "node": "b"},
                {"status": "b: success", "node": "b"},
                {**layer, "total": 20, "completed": 20, "node": "a"},
                {"status": "success", "nodes": nodes},
            ],
        )
        self.assertEqual(self.refreshed, ["b", "a"])
        record = self.world.records[0]
        self.assertEqual((record.nodes, record.status, record.failure), (("a", "b"), 200, ""))
        self.assertEqual(self.client.hung_up, False)

    def test_as_it_comes(self) -> None:
        """Each line is passed on when it is there."""
        self.answer(a=STREAM + lines({"status": "pulling manifest"}, end=False))
        self.assertIn(b"pulling manifest", self.client.read())

    def test_line_in_pieces(self) -> None:
        """A line may come in pieces, and the last one without its end."""
        answer = STREAM + chunks(b'{"status":"pu', b'lling"}\n{"stat', b'us":"success"}')
        self.answer(a=answer, b=answer)
        self.assertEqual(told(self.client.read())[-1]["status"], "success")

    def test_one_dies(self) -> None:
        """A node that dies is told of at once; the other goes on, and the end is an error."""
        for name in "ab":
            self.answer(**{name: STREAM + lines({"status": "pulling manifest"}, end=False)})
        self.world.node("a").close(ConnectionLost())
        self.assertIn(b"a: it closed the connection", self.client.read())
        self.answer(b=lines(SUCCESS))
        _, _, rest = split(b"\r\n\r\n" + self.client.read())
        last = json.loads(rest.split(b"\r\n")[1])
        self.assertEqual(
            last["error"], "pull failed on 1 of 2 nodes (a: it closed the connection); done on b"
        )
        self.assertEqual(last["nodes"]["b"], SUCCESS)
        self.assertEqual(self.world.records[0].failure, "nodes_failed")
        self.assertEqual(self.refreshed, ["b"])

    def test_all_refuse(self) -> None:
        """If there is nothing but failures, the status says so as a node's would."""
        refusal = whole(b'{"error":"invalid model name"}', b"400 Bad Request")
        self.answer(a=refusal)
        self.assertEqual(self.client.read(), b"")
        self.answer(b=refusal)
        status, said = self.read()
        self.assertEqual((status, said["error"]), (b"400", "invalid model name"))

    def test_error_within(self) -> None:
        """An error in a node's stream is that node's failure."""
        self.answer(a=STREAM + lines({"error": "no such manifest"}))
        self.answer(b=STREAM + lines({"error": "no such manifest"}))
        status, said = self.read()
        self.assertEqual((status, said["error"]), (b"502", "no such manifest"))

    def test_no_word_of_success(self) -> None:
        """A stream that ends whole, but without success, is a failure as well."""
        self.answer(a=STREAM + lines(SUCCESS), b=STREAM + lines({"status": "pulling manifest"}))
        self.assertIn("b: its answer ended without success", told(self.client.read())[-1]["error"])

    def test_unreachable(self) -> None:
        """A node that cannot be reached is named; the other does its work."""
        self.have(World("abc"))
        self.world.endpoints["a"].refuses = True
        self.send(b"/api/pull", PULL, named("a,b"))
        self.answer(b=STREAM + lines({"status": "pulling manifest"}, SUCCESS))
        last = told(self.client.read())[-1]
        self.assertEqual(last["nodes"]["b"], SUCCESS)
        self.assertIn("connection refused", last["nodes"]["a"]["error"])

    def test_down(self) -> None:
        """A node that checks have found down is told of, and not asked."""
        self.have(World("abc"))
        self.down("a")
        self.send(b"/api/pull", PULL, named("all"))
        self.assertEqual(self.asked(), "bc")
        self.answer(b=STREAM + lines(SUCCESS), c=STREAM + lines(SUCCESS))
        last = told(self.client.read())[-1]
        self.assertEqual(last["nodes"]["a"], {"error": "down (connection refused)"})

    def test_client_leaves(self) -> None:
        """A client that leaves stops all nodes."""
        self.answer(a=STREAM + lines({"status": "pulling manifest"}, end=False))
        self.client.leave()
        self.assertEqual([self.world.node(name).gone for name in "ab"], [True, True])
        self.assertEqual(self.world.records[0].failure, "client_left")

    def test_leaves_while_connecting(self) -> None:
        """Also while they are being connected to."""
        self.have(World("abc"))
        for name in "ab":
            self.world.endpoints[name].pending = []
        self.send(b"/api/pull", PULL, named("a,b"))
        self.client.leave()
        self.assertEqual(self.world.records[0].failure, "client_left")

    def test_paused(self) -> None:
        """A client that does not read pauses them, and they go on when it does."""
        for name in "ab":
            self.answer(**{name: STREAM + lines({"status": name}, end=False)})
        self.client.stall()
        self.assertEqual([self.world.node(name).paused for name in "ab"], [True, True])
        self.client.catch_up()
        self.assertEqual([self.world.node(name).paused for name in "ab"], [False, False])

    def test_paused_before(self) -> None:
        """A node that begins to answer meanwhile is paused as well."""
        self.answer(a=STREAM + lines({"status": "x"}, end=False))
        self.client.stall()
        self.answer(b=STREAM + lines({"status": "y"}, end=False))
        self.assertEqual(self.world.node("b").paused, True)

    def test_never_reads(self) -> None:
        """One that never reads is cut off, and the nodes are let go."""
        self.answer(a=STREAM + lines({"status": "x"}, end=False))
        self.client.stall()
        self.world.sweep(125)
        self.assertEqual(self.client.wire.aborted, True)
        self.assertEqual(self.world.node("a").gone, True)

    def test_silent(self) -> None:
        """A node may be silent for long, while it takes a digest; not for ever."""
        self.answer(b=STREAM + lines({"status": "verifying sha256 digest"}, end=False))
        self.world.sweep(3000)
        self.answer(b=lines(SUCCESS))
        self.world.sweep(700)
        last = told(self.client.read())[-1]
        self.assertIn("a: silent for 3600 s", last["error"])

    def test_quiet(self) -> None:
        """Without a stream the nodes are still asked for one, and the end alone is told."""
        self.have(World("abc"))
        self.send(b"/api/pull", QUIET, named("a,b"))
        asked = json.loads(split(self.world.node("a").asked())[2])
        self.assertEqual(asked, {"model": "new:1b", "stream": True})
        self.answer(a=STREAM + lines({"status": "x"}, SUCCESS), b=STREAM + lines(SUCCESS))
        self.assertEqual(self.read(), (b"200", {**SUCCESS, "nodes": {"a": SUCCESS, "b": SUCCESS}}))

    def test_quiet_failure(self) -> None:
        """A failure then has a status."""
        self.have(World("abc"))
        self.send(b"/api/pull", QUIET, named("a,b"))
        self.answer(a=STREAM + lines({"status": "x"}, SUCCESS), b=STREAM + lines({"error": "no"}))
        status, said = self.read()
        self.assertEqual((status, "b: no" in said["error"]), (b"502", True))

    def test_nonsense(self) -> None:
        """A node that sends what is no JSON, or too much of it, is not believed."""
        nonsense = chunks(b"{\n", b"[" * 100_000 + b"\n", b'"text"\n')
        self.answer(a=STREAM + nonsense, b=STREAM + lines({"status": "x"}, SUCCESS))
        self.assertIn("a: its answer ended without success", told(self.client.read())[-1]["error"])

    def test_endless_line(self) -> None:
        """A node that sends a line without end is given up."""
        self.answer(a=STREAM + chunks(*[b"x" * 2**16] * 17, end=False))
        self.assertEqual(self.world.node("a").gone, True)
        self.answer(b=STREAM + lines({"status": "x"}, SUCCESS))
        self.assertIn("too long", told(self.client.read())[-1]["error"])

    def test_stopped(self) -> None:
        """When the gateway stops, the stream says so and does not look whole."""
        self.answer(a=STREAM + lines({"status": "x"}, end=False))
        self.world.site.cut("the gateway is stopping")
        answer = self.client.read()
        self.assertIn(b'{"error": "the gateway is stopping"}\n', answer)
        self.assertFalse(answer.endswith(b"0\r\n\r\n"))
        self.assertEqual([self.world.node(name).gone for name in "ab"], [True, True])

    def test_old_client(self) -> None:
        """A client of HTTP/1.0 gets the lines alone, until the connection ends."""
        self.have(World("abc"))
        request = post(b"/api/pull", PULL, named("a,b")).replace(b"HTTP/1.1", b"HTTP/1.0")
        self.client.send(request)
        self.answer(a=STREAM + lines(SUCCESS), b=STREAM + lines(SUCCESS))
        _, fields, rest = split(self.client.read())
        self.assertEqual(fields[b"connection"], b"close")
        self.assertEqual(json.loads(rest.splitlines()[-1])["status"], "success")
        self.assertEqual(self.client.hung_up, True)

    def test_place(self) -> None:
        """It takes no place from those who ask the models."""
        self.have(World("a", max_in_flight=1))
        self.send(b"/api/pull", PULL)
        other = self.world.client()
        other.send(post(b"/api/chat"))
        self.world.node().answer(whole(b"{}"))
        self.assertEqual(split(other.read())[0][9:12], b"200")


class EverywhereTests(ManagingCase):
    """What is done wherever a model is."""

    BODY = b'{"model":"m"}'

    def delete(self, *fields: bytes) -> None:
        self.send(b"/api/delete", self.BODY, *fields, method=b"DELETE")

    def test_delete(self) -> None:
        """A model goes from each node that has it; who has it not is no failure."""
        self.delete()
        self.assertEqual(self.asked(), "abc")
        self.answer(a=DONE, b=NOT_FOUND, c=DONE)
        status, said = self.read()
        self.assertEqual((status, said["nodes"]["a"]), (b"200", SUCCESS))
        self.assertEqual(said["nodes"]["b"]["status"], "absent")
        self.assertEqual(self.refreshed, ["a", "c"])

    def test_nowhere(self) -> None:
        """404 if none has it, in their words."""
        self.delete()
        self.answer(a=NOT_FOUND, b=NOT_FOUND, c=NOT_FOUND)
        status, said = self.read()
        self.assertEqual((status, said["error"]), (b"404", "model 'm' not found"))

    def test_failed(self) -> None:
        """A node that cannot is named, whatever the others did."""
        self.delete()
        self.answer(a=DONE, b=NOT_FOUND, c=whole(b'{"error":"disk"}', b"500 Oops"))
        status, said = self.read()
        self.assertEqual(status, b"502")
        self.assertEqual(said["error"], "delete failed on 1 of 3 nodes (c: disk); done on a")

    def test_down_with_it(self) -> None:
        """One that is down and has it will still have it: that is told."""
        self.down("c")
        self.delete()
        self.answer(a=DONE, b=DONE)
        status, said = self.read()
        self.assertEqual(
            (status, said["nodes"]["c"]["error"]), (b"502", "down (connection refused)")
        )

    def test_down_without_it(self) -> None:
        """One that is down and has it not does not matter."""
        self.world.know("c", ("other",))
        self.down("c")
        self.delete()
        self.answer(a=DONE, b=DONE)
        self.assertEqual(self.read()[0], b"200")

    def test_copy(self) -> None:
        """A copy is made wherever its source is."""
        self.send(b"/api/copy", b'{"source":"m","destination":"n"}')
        self.assertEqual(self.asked(), "abc")
        self.answer(a=DONE, b=NOT_FOUND, c=DONE)
        self.assertEqual(self.read()[0], b"200")

    def test_named(self) -> None:
        """Or on those that are named; one alone answers itself, byte by byte."""
        self.delete(named("b"))
        self.assertEqual(self.asked(), "b")
        self.answer(b=NOT_FOUND)
        first, fields, rest = split(self.client.read())
        self.assertEqual((first[9:12], rest), (b"404", split(NOT_FOUND)[2]))
        self.assertEqual(fields[b"x-ollama-gateway-node"], b"b")

    def test_push(self) -> None:
        """A push is from one node that has the model."""
        for name in "ab":
            self.world.know(name, ("other",))
        self.send(b"/api/push", self.BODY)
        self.assertEqual(self.asked(), "c")
        self.have(World("abc"))
        self.world.know("a", ("other",))
        self.send(b"/api/push", self.BODY, named("a,c"))
        self.assertEqual(self.asked(), "c")


class AccountTests(ManagingCase):
    """What is about one node's own identity."""

    REQUESTS = (
        post(b"/api/me", b""),
        post(b"/api/signout", b""),
        get(b"/api/user/keys/a2V5", method=b"DELETE"),
        get(b"/debug/pprof/heap"),
    )

    def test_named(self) -> None:
        """It goes to the node that is named."""
        for request in self.REQUESTS:
            self.have(World("abc"))
            self.client.send(request.replace(b"\r\n\r\n", b"\r\n%b\r\n\r\n" % named("b"), 1))
            self.assertEqual(self.asked(), "b")

    def test_not_named(self) -> None:
        """Otherwise it is refused with how to name one; so are two."""
        for request in self.REQUESTS:
            for field in (b"", b"\r\n" + named("a,b")):
                self.have(World("abc"))
                self.client.send(request.replace(b"\r\n\r\n", b"%b\r\n\r\n" % field, 1))
                self.assertEqual(self.asked(), "")
                first, _, rest = split(self.client.read())
                self.assertEqual(first[9:12], b"400")
                self.assertIn("X-Ollama-Gateway-Nodes: NAME", json.loads(rest)["error"])

    def test_only_one(self) -> None:
        """A single node need not be named."""
        for request in self.REQUESTS:
            self.have(World("a"))
            self.client.send(request)
            self.assertEqual(self.asked(), "a")


class KeyTests(ManagingCase):
    """Those who have a key."""

    def setUp(self) -> None:
        super().setUp()
        self.have(World("a", limits=GatewayLimits(manage_models="keys", manage_keys=("s3", "s4"))))

    def passed(self, *fields: bytes) -> bool:
        self.send(b"/api/pull", PULL, *fields)
        return bool(self.world.endpoints["a"].connections)

    def test_key(self) -> None:
        """Any of the keys will do, from anywhere, and no node sees it."""
        for key in (b"Bearer s3", b"bearer s4", b"Bearer  s4 "):
            self.have(World("a", limits=self.world.config.gateway))
            self.client = self.world.client("192.168.1.7")
            self.assertEqual(self.passed(b"Authorization: " + key), True, key)
            self.assertNotIn(b"authorization", self.world.node().asked().lower())

    def test_elsewhere(self) -> None:
        """A client may show its key with all that it asks; other credentials are the node's."""
        for shown, passes in ((b"Bearer s3", False), (b"Bearer mine", True)):
            for request in (
                post(b"/api/chat", b'{"model":"m"}', b"Authorization: " + shown),
                post(b"/api/chat", b'{"model":"m","keep_alive":0}', b"Authorization: " + shown),
                get(b"/api/blobs/sha256:1", b"Authorization: " + shown, method=b"HEAD"),
            ):
                self.have(World("a", limits=self.world.config.gateway))
                self.client.send(request)
                self.assertEqual(b"Authorization" in self.world.node().asked(), passes, request)

    def test_no_key(self) -> None:
        """Without one, nobody may, on this machine neither; what it takes is said, the keys not."""
        for fields in ((), (b"Authorization: Bearer s5",), (b"Authorization: Basic s3",)):
            self.assertEqual(self.passed(*fields), False, fields)
            answer = self.client.read()
            self.assertEqual(split(answer)[0][9:12], b"403")
            self.assertIn("gateway.manage_keys", message(answer))
            self.assertNotIn(b"s3", answer)

    def test_none_configured(self) -> None:
        """If there is no key, none fits."""
        self.have(World("a", limits=GatewayLimits(manage_models="keys")))
        self.assertEqual(self.passed(b"Authorization: Bearer "), False)

    def test_not_shown(self) -> None:
        """Pages and representations tell no key."""
        self.client.send(get(b"/debug/config"))
        self.assertNotIn(b"s3", self.client.read())
        self.assertNotIn("s3", repr(self.world.config))

    def test_other_modes(self) -> None:
        """Where no key is asked for, what a client sends is the node's."""
        self.have(World("a"))
        self.assertEqual(self.passed(b"Authorization: Bearer mine"), True)
        self.assertIn(b"Authorization: Bearer mine", self.world.node().asked())


class BlobTests(ManagingCase):
    """Blobs, and the models that are made of them."""

    DIGEST = f"sha256:{'1' * 64}"

    def head(self, digest: str = DIGEST, *fields: bytes) -> None:
        self.client.send(get(b"/api/blobs/" + digest.encode(), *fields, method=b"HEAD"))

    def upload(self, digest: str = DIGEST, *fields: bytes, client: Client | None = None) -> str:
        (client or self.client).send(post(b"/api/blobs/" + digest.encode(), b"abc", *fields))
        asked = self.asked()
        for name in asked:
            self.answer(**{name: CREATED})
        self.assertEqual(split((client or self.client).read())[0][9:12], b"201")
        return asked

    def create(self, *digests: str) -> str:
        body = {"model": "n", "files": {str(i): each for i, each in enumerate(digests)}}
        self.send(b"/api/create", json.dumps(body).encode())
        return self.asked()

    def test_one_home(self) -> None:
        """All blobs of a client go to one node, and the model is made there."""
        digests = [f"sha256:{str(number) * 64}" for number in range(3)]
        self.assertEqual({self.upload(each) for each in digests}, {"a"})
        self.world.know("a", ("m", "n", "o"))
        self.assertEqual(self.upload("sha256:" + "4" * 64), "a")
        self.assertEqual(self.create(*digests), "a")
        self.answer(a=STREAM + lines(SUCCESS))
        # It has been made; the next one may be elsewhere.
        self.client.read()
        self.assertEqual(self.upload("sha256:" + "5" * 64), "b")

    def test_at_once(self) -> None:
        """Also of those that are uploaded side by side."""
        others = [self.world.client() for _ in range(3)]
        for number, client in enumerate(others):
            client.send(begun(3).replace(b"sha256:1", b"sha256:%d" % number))
        self.assertEqual(self.asked(), "a")
        self.assertEqual(len(self.world.endpoints["a"].connections), 3)

    def test_other_client(self) -> None:
        """Another client's go where there is most room."""
        self.upload()
        self.world.know("a", ("m", "n"))
        limits = GatewayLimits(manage_models="open")
        self.world.gateway.limits = limits
        other = self.world.client("10.0.0.1")
        self.assertEqual(self.upload("sha256:" + "2" * 64, client=other), "b")

    def test_after_a_while(self) -> None:
        """A home is not for ever."""
        self.upload()
        self.world.know("a", ("m", "n"))
        self.world.clock.advance(4000)
        self.assertEqual(self.upload("sha256:" + "2" * 64), "b")

    def test_head(self) -> None:
        """A blob is there if a node has it, which is named; all are asked side by side."""
        self.head()
        self.assertEqual(self.asked(), "abc")
        self.answer(a=NOT_FOUND_HEAD, b=DONE, c=NOT_FOUND_HEAD)
        first, fields, rest = split(self.client.read())
        self.assertEqual(
            (first[9:12], fields[b"x-ollama-gateway-nodes"], rest), (b"200", b"b", b"")
        )
        self.assertEqual(self.upload("sha256:" + "2" * 64), "b")
        self.assertEqual(self.create(self.DIGEST), "b")

    def test_head_silent(self) -> None:
        """A node that says nothing is not waited for long."""
        self.head()
        self.answer(a=NOT_FOUND_HEAD, c=DONE)
        self.world.sweep(4)
        first, fields, _ = split(self.client.read())
        self.assertEqual((first[9:12], fields[b"x-ollama-gateway-nodes"]), (b"200", b"c"))

    def test_head_nowhere(self) -> None:
        """It is not if none has it."""
        self.head()
        for name in "abc":
            self.answer(**{name: NOT_FOUND_HEAD})
        first, _, rest = split(self.client.read())
        self.assertEqual((first[9:12], rest), (b"404", b""))

    def test_upload_to_all(self) -> None:
        """Named nodes get it at once, each all of it, as fast as the slowest takes it."""
        self.client.send(begun(6, named("all")) + b"abc")
        nodes = [self.world.node(name) for name in "abc"]
        nodes[1].wire.producer.pauseProducing()
        self.assertEqual(self.client.wire.producerState, "paused")
        nodes[1].wire.producer.resumeProducing()
        self.assertEqual(self.client.wire.producerState, "producing")
        self.client.send(b"def")
        self.assertEqual([split(each.asked())[2] for each in nodes], [b"abcdef"] * 3)
        self.answer(a=CREATED, b=DONE)
        self.assertEqual(self.client.read(), b"")
        self.answer(c=CREATED)
        status, said = self.read()
        self.assertEqual((status, said["nodes"]), (b"201", dict.fromkeys("abc", SUCCESS)))
        self.assertEqual(self.create("sha256:1"), "abc")

    def test_upload_one_fails(self) -> None:
        """One that dies does not stop the others, and is named."""
        self.world.endpoints["c"].refuses = True
        self.client.send(begun(6, named("all")) + b"abc")
        self.world.node("a").close(ConnectionLost())
        self.client.send(b"def")
        self.assertEqual(split(self.world.node("b").asked())[2], b"abcdef")
        self.answer(b=CREATED)
        status, said = self.read()
        self.assertEqual((status, said["nodes"]["b"]), (b"502", SUCCESS))
        self.assertIn("refused", said["nodes"]["c"]["error"])

    def test_upload_one_stands_still(self) -> None:
        """One that takes no more is given up after a while, and it alone."""
        self.client.send(begun(6, named("all")) + b"abc")
        self.world.node("b").wire.producer.pauseProducing()
        self.world.sweep(290)
        self.assertEqual(self.client.wire.producerState, "paused")
        self.world.sweep(15)
        self.assertEqual(self.client.wire.producerState, "producing")
        self.client.send(b"def")
        self.answer(a=CREATED, c=CREATED)
        status, said = self.read()
        self.assertEqual(
            (status, said["nodes"]["a"], said["nodes"]["c"]), (b"502", SUCCESS, SUCCESS)
        )
        self.assertIn("silent for 300 s", said["nodes"]["b"]["error"])

    def test_upload_all_fail(self) -> None:
        """If there is nobody left, the client need not send the rest."""
        for name in "abc":
            self.world.endpoints[name].refuses = True
        self.client.send(begun(6, named("all"), b"Expect: 100-continue"))
        answer = self.client.read()
        self.assertEqual(split(answer)[0][9:12], b"503")
        self.assertEqual(self.client.wire.half_closed, True)

    def test_upload_leaves(self) -> None:
        """A client that leaves takes it from all of them."""
        self.client.send(begun(6, named("all")) + b"abc")
        self.client.leave()
        self.assertEqual([self.world.node(name).gone for name in "abc"], [True] * 3)

    def test_create_asks(self) -> None:
        """Where a blob is that the gateway has not seen, is asked."""
        self.create(self.DIGEST)
        for name in "ab":
            self.answer(**{name: NOT_FOUND_HEAD})
        self.answer(c=DONE)
        self.assertEqual(self.asked(), "c")

    def test_create_split(self) -> None:
        """Blobs that are apart make no model: that is said, with where they are."""
        digests = [f"sha256:{str(number) * 64}" for number in range(2)]
        self.upload(digests[0], named("a"))
        self.upload(digests[1], named("b"))
        self.assertEqual(self.create(*digests), "")
        said = message(self.client.read())
        self.assertIn("sha256:000000000000 on a; sha256:111111111111 on b", said)

    def test_create_from(self) -> None:
        """A model is made from another wherever that is."""
        self.world.know("b", ("other",))
        self.send(b"/api/create", b'{"model":"n","FROM":"m"}')
        self.assertEqual(self.asked(), "ac")
        self.answer(a=STREAM + lines(SUCCESS), c=STREAM + lines(SUCCESS))
        self.assertEqual(told(self.client.read())[-1]["nodes"], {"a": SUCCESS, "c": SUCCESS})

    def test_create_otherwise(self) -> None:
        """What is made of nothing that is known goes to one node."""
        for body in (b'{"model":"n","from":"elsewhere"}', b'{"model":"n"}', b"junk"):
            self.have(World("abc"))
            self.send(b"/api/create", body)
            self.assertEqual(self.asked(), "a")


NOT_FOUND_HEAD = b"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\n"


class UnloadTests(ManagingCase):
    """A model that is to leave the memory."""

    BODY = b'{"model":"m","keep_alive":0}'
    SAID = b'{"model":"m","response":"","done":true,"done_reason":"unload"}'

    def test_everywhere(self) -> None:
        """It goes to every node that has it, and is answered as by one."""
        self.world.know("b", ("other",))
        for path in (b"/api/generate", b"/api/chat"):
            self.send(path, self.BODY)
            self.assertEqual(self.asked(), "ac")
            self.answer(a=whole(self.SAID))
            self.assertEqual(self.client.read(), b"")
            self.answer(c=whole(self.SAID))
            status, said = self.read()
            self.assertEqual(status, b"200")
            self.assertEqual(said, {**json.loads(self.SAID), "nodes": {"a": SUCCESS, "c": SUCCESS}})
        self.assertEqual(self.refreshed, ["a", "c"] * 2)

    def test_one(self) -> None:
        """The answer of a node that is the only one is its own; so it is if nobody has it."""
        for name in "bc":
            self.world.know(name, ("other",))
        self.send(b"/api/generate", self.BODY)
        self.assertEqual(self.asked(), "a")
        self.answer(a=whole(self.SAID))
        self.assertEqual(split(self.client.read())[2], self.SAID)
        self.send(b"/api/generate", self.BODY.replace(b'"m"', b'"n"'))
        self.assertEqual(len(self.asked()), 1)

    def test_failed(self) -> None:
        """A node that did not do it is named."""
        self.send(b"/api/generate", self.BODY)
        self.answer(a=whole(self.SAID), b=whole(self.SAID))
        self.world.node("c").close(ConnectionLost())
        status, said = self.read()
        self.assertEqual(status, b"502")
        self.assertIn("c: it reset the connection", said["error"])

    def test_anybody(self) -> None:
        """Whoever may ask a model may let it go."""
        client = self.world.client("192.168.1.7")
        client.send(post(b"/api/generate", self.BODY))
        self.assertEqual(self.asked(), "abc")

    def test_external(self) -> None:
        """Someone else's node is only told so if it says that it holds the model."""
        self.node("b", kind=Kind.EXTERNAL)
        self.node("c", kind=Kind.EXTERNAL)
        self.world.know("c", ("m",), ("m",))
        self.send(b"/api/generate", self.BODY)
        self.assertEqual(self.asked(), "ac")

    def test_with_words(self) -> None:
        """With a prompt it is a request like others: for one node, in a place of its own."""
        self.send(b"/api/generate", b'{"model":"m","prompt":"hi","keep_alive":0}')
        self.assertEqual((len(self.asked()), self.world.in_flight()), (1, 1))


class ForetoldTests(ManagingCase):
    """Where a request would go, told without sending it."""

    def decision(self, path: str, body: bytes, *fields: bytes, method: str = "POST") -> Any:
        query = f"/api/routing/query?path={path}&method={method}".encode()
        self.send(query, body, *fields)
        self.assertEqual(self.asked(), "")
        decision = json.loads(split(self.client.read())[2])["decision"]
        return decision["verdict"], "".join(decision["nodes"])

    def test_many(self) -> None:
        """It is what becomes of it."""
        self.world.know("b", ("other",))
        model = b'{"model":"m"}'
        self.assertEqual(self.decision("/api/pull", PULL, named("a,c")), ("send", "ac"))
        self.assertEqual(self.decision("/api/pull", PULL), ("send", "a"))
        self.assertEqual(self.decision("/api/pull", PULL, named("x")), ("refuse", ""))
        self.assertEqual(self.decision("/api/delete", model, method="DELETE"), ("send", "abc"))
        self.assertEqual(self.decision("/api/push", b'{"model":"other"}'), ("send", "b"))
        self.assertEqual(self.decision("/api/me", b""), ("refuse", ""))
        self.assertEqual(self.decision("/api/me", b"", named("c")), ("send", "c"))
        self.assertEqual(self.decision("/api/create", model), ("send", ""))
        unload = b'{"model":"m","keep_alive":0}'
        self.assertEqual(self.decision("/api/generate", unload), ("send", "ac"))
