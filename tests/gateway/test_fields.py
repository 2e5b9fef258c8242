"""What of a client's head reaches a node, and what the gateway adds."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import Address
from ollama_twisted.services import Kind
from tests.gateway.harness import CHAT, World, get, post, split, whole


class FieldTests(SynchronousTestCase):
    """The head of a request behind the gateway."""

    def asked(self, *fields: bytes, **node: Any) -> bytes:
        """The request as the node gets it, from a client with these fields."""
        world = World(**node)
        world.client("10.1.2.3").send(post(b"/api/chat", CHAT, *fields))
        return world.node().asked()

    def fields(self, *fields: bytes, **node: Any) -> dict[bytes, bytes]:
        return split(self.asked(*fields, **node))[1]

    def test_whole(self) -> None:
        """Fields pass in their order and their letters; ours come on top."""
        self.assertEqual(
            self.asked(b"X-b: 1", b"Accept: */*", b"x-B: 2", b"Content-Type: application/json"),
            b"POST /api/chat HTTP/1.1\r\nHost: a.test:11434\r\n"
            b"X-b: 1\r\nAccept: */*\r\nx-B: 2\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nX-Forwarded-Host: localhost:11435\r\n"
            b"X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: http\r\n"
            b"Via: 1.1 ollama-gateway\r\n\r\n" % len(CHAT) + CHAT,
        )

    def test_hop_by_hop(self) -> None:
        """Fields that concern the client's connection alone end at the gateway."""
        fields = self.fields(
            b"Connection: X-Private, keep-alive",
            b"Connection: x-other",
            b"X-Private: 1",
            b"X-Other: 1",
            b"Keep-Alive: 5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic x",
            b"TE: trailers",
            b"Trailer: X",
            b"Upgrade: websocket",
            b"X-Public: 1",
        )
        self.assertEqual(
            set(fields),
            {
                b"host",
                b"content-length",
                b"x-public",
                b"x-forwarded-host",
                b"x-forwarded-for",
                b"x-forwarded-proto",
                b"via",
            },
        )

    def test_claims(self) -> None:
        """What a client says of where it comes from is not believed."""
        fields = self.fields(
            b"X-Forwarded-For: 127.0.0.1",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Host: evil.example",
            b"X-Forwarded-Port: 1",
            b"X-Real-IP: 127.0.0.1",
            b"Forwarded: for=127.0.0.1",
        )
        self.assertEqual(fields[b"x-forwarded-for"], b"10.1.2.3")
        self.assertEqual(fields[b"x-forwarded-proto"], b"http")
        self.assertEqual(fields[b"x-forwarded-host"], b"localhost:11435")
        self.assertFalse({b"x-forwarded-port", b"x-real-ip", b"forwarded"} & set(fields))

    def test_via(self) -> None:
        """Those who carried the request before us stay named."""
        asked = self.asked(b"Via: 1.0 other")
        self.assertIn(b"Via: 1.0 other\r\n", asked)
        self.assertIn(b"Via: 1.1 ollama-gateway\r\n", asked)

    def test_host(self) -> None:
        """The node is called by its own name: an Ollama on loopback answers to no other."""
        node = {"addresses": (Address("http", "a6::1", 80),)}
        self.assertEqual(self.fields(**node)[b"host"], b"[a6::1]")

    def test_prefix(self) -> None:
        """A node below a path is asked below that path."""
        node = {"addresses": (Address("http", "a.test", 11434, "/ollama"),)}
        self.assertTrue(self.asked(**node).startswith(b"POST /ollama/api/chat HTTP/1.1\r\n"))

    def test_own_node(self) -> None:
        """A node of ours gets what the client shows it, which may be its own key."""
        fields = self.fields(b"Authorization: Bearer client", b"Cookie: a=1")
        self.assertEqual((fields[b"authorization"], fields[b"cookie"]), (b"Bearer client", b"a=1"))

    def test_external_node(self) -> None:
        """A provider gets its own key, and none of the client's credentials."""
        asked = self.asked(
            b"authorization: Bearer client",
            b"Cookie: a=1",
            b"X-Api-Key: client",
            b"Api-Key: client",
            kind=Kind.EXTERNAL,
            headers=(("Authorization", "Bearer own"),),
        )
        self.assertIn(b"Authorization: Bearer own\r\n", asked)
        for secret in (b"Bearer client", b"a=1", b"client"):
            self.assertNotIn(secret, asked)

    def test_external_without_key(self) -> None:
        """Nor does one that has no key."""
        self.assertNotIn(b"authorization", self.fields(b"Authorization: x", kind=Kind.EXTERNAL))

    def test_with_a_key_of_its_own(self) -> None:
        """Nor does a server that is no Ollama and has one: what the client shows is for us."""
        said = {"kind": Kind.OPENAI, "headers": (("Authorization", "Bearer own"),)}
        shown = (b"Authorization: Bearer client", b"X-Api-Key: client")
        request = post(b"/v1/messages", CHAT, *shown)
        for key, fields in {"own": {}, None: {b"x-api-key": b"client"}}.items():
            world = World(api_key=key, **said)
            world.client().send(request)
            _, asked, _ = split(world.node().asked())
            self.assertEqual(asked[b"authorization"], b"Bearer own")
            self.assertEqual({name: asked[name] for name in asked if name == b"x-api-key"}, fields)

    def test_own_fields(self) -> None:
        """What is configured for a node replaces what the client says."""
        fields = self.fields(b"x-team: mine", headers=(("X-Team", "ours"),))
        self.assertEqual(fields[b"x-team"], b"ours")

    def test_old_client(self) -> None:
        """An HTTP/1.0 client that names no host has named none."""
        world = World()
        world.client().send(b"GET /api/version HTTP/1.0\r\n\r\n")
        asked = world.node().asked()
        self.assertNotIn(b"x-forwarded-host", asked.lower())
        self.assertIn(b"Via: 1.0 ollama-gateway", asked)

    def test_absolute_target(self) -> None:
        """A target in absolute form, of the Host that is ours, is asked for in origin form."""
        world = World()
        world.client().send(b"GET http://localhost/api/ps?x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(world.node().asked().startswith(b"GET /api/ps?x HTTP/1.1\r\n"))

    def test_options(self) -> None:
        """OPTIONS, of a path or of everything, is a node's to answer."""
        for target in (b"/api/chat", b"*"):
            world = World()
            world.client().send(get(target, method=b"OPTIONS"))
            self.assertTrue(world.node().asked().startswith(b"OPTIONS " + target + b" HTTP/1.1"))

    def test_root(self) -> None:
        """``/`` is a node's to answer for a client, and ours for a browser."""
        world = World()
        client = world.client()
        client.send(get(b"/"))
        world.node().answer(whole(b"Ollama is running"))
        self.assertTrue(client.read().endswith(b"Ollama is running"))
        client.send(get(b"/", b"Accept: text/html,*/*"))
        self.assertIn(b"<!DOCTYPE html>", client.read())
