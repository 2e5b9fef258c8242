"""Nodes of several kinds behind one gateway: who is asked for what, and what if none can be."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import Address, Config, HealthConfig, NodeConfig
from ollama_twisted.gateway.reasons import told_why
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.pool.selection import STRATEGIES
from ollama_twisted.services import OFFERS, Kind
from ollama_twisted.wire.routes import TABLE, Route, find
from tests.gateway.harness import World, get, post, split, whole
from tests.pool.nodes import checked

CHAT = b'{"model":"%b","messages":[]}'
FORM = (
    b"--x\r\nContent-Disposition: form-data; name=model\r\n\r\n%b\r\n"
    b"--x\r\nContent-Disposition: form-data; name=file; filename=a.wav\r\n\r\nRIFF\r\n--x--\r\n"
)
FORM_TYPE = b"Content-Type: multipart/form-data; boundary=x"


class KindCase(SynchronousTestCase):
    """A gateway with nodes of the kinds that a test has."""

    def mixed(self, kinds: dict[str, Kind], **models: tuple[str, ...]) -> None:
        """Nodes of these kinds, that have told to have these models."""
        # A node that is of another kind now is a new one, which would have few turns at first.
        self.world = World("".join(kinds), health=HealthConfig(slow_start=0))
        config = replace(
            self.world.config,
            nodes=tuple(replace(each, kind=kinds[each.name]) for each in self.world.config.nodes),
        )
        self.world.pool.replace(config, 0)
        for name in kinds:
            self.world.pool.checked(name, 0, True)
        for name, listed in models.items():
            if kinds[name] in (Kind.OLLAMA, Kind.EXTERNAL):
                self.world.know(name, listed)
            else:
                found = NodeModels.from_openai([{"id": each} for each in listed])
                self.world.pool.checked(name, 0, True, models=found)
        self.client = self.world.client()

    def asks(self, request: bytes) -> str:
        """The node that is asked, and answers; "" if the gateway answers itself."""
        before = {
            name: len(endpoint.connections) for name, endpoint in self.world.endpoints.items()
        }
        self.client = self.world.client()
        self.client.send(request)
        for name, endpoint in self.world.endpoints.items():
            if len(endpoint.connections) > before[name]:
                endpoint.last.answer(whole(b"{}"))
                endpoint.last.close()
                return name
        return ""

    def refused(self, request: bytes) -> tuple[bytes, Any]:
        """The status and the body of the gateway's own answer."""
        self.assertEqual(self.asks(request), "")
        status, _, body = split(self.client.read())
        return status, json.loads(body)


class AnyRouteTests(SynchronousTestCase):
    """Every route of the table, with nodes of any kinds."""

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(Kind), st.booleans()), min_size=1, max_size=5),
        st.sampled_from(TABLE),
        st.none() | st.sampled_from(["m", "x"]),
        st.sampled_from(sorted(STRATEGIES)),
    )
    def test_able(
        self,
        known: list[tuple[Kind, bool]],
        of_table: tuple[bytes, bytes, Route],
        model: str | None,
        strategy: str,
    ) -> None:
        """Whoever is chosen, now or after others have failed, is of a kind that has the route."""
        methods, path, _ = of_table
        route = find(methods.split()[0], path.replace(b"/:", b"/x"))
        nodes = tuple(
            NodeConfig(str(index), (Address("http", "n.test", index + 1),), kind=kind)
            for index, (kind, _) in enumerate(known)
        )
        pool = NodePool(Config(nodes, strategy), Random(1))
        for node, (kind, has) in zip(pool.nodes.values(), known, strict=True):
            checked(node)
            listed = ["m"] if has else []
            ollama = kind in (Kind.OLLAMA, Kind.EXTERNAL)
            node.models = (
                NodeModels.from_lists([{"name": each} for each in listed], [])
                if ollama
                else NodeModels.from_openai([{"id": each} for each in listed])
            )
        want = Want(model, service=route.service, path=route.path)
        tried: frozenset[str] = frozenset()
        while (lease := pool.lease(want, 0, tried)) is not None:
            self.assertIn(route.service, OFFERS[lease.node.config.kind])
            tried |= {lease.node.name}
        if not tried:
            status = told_why(want, pool.explain(want, 0)).status
            able = [kind for kind, _ in known if route.service in OFFERS[kind]]
            self.assertEqual(status, 404)
            self.assertTrue(not able or model is not None)


class RouteTests(KindCase):
    """A request only goes to a node whose kind can answer it."""

    def test_who_is_asked(self) -> None:
        """Each path finds the nodes that have it, whatever the strategy's turn."""
        self.mixed(
            {"a": Kind.OLLAMA, "b": Kind.OPENAI, "c": Kind.WHISPER},
            a=("m",),
            b=("m",),
            c=("tiny",),
        )
        for request, nodes in {
            post(b"/api/chat"): {"a"},
            post(b"/api/nonsense"): {"a"},
            get(b"/", method=b"HEAD"): {"a"},
            post(b"/v1/chat/completions"): {"a", "b"},
            post(b"/v1/responses"): {"a", "b"},
            post(b"/v1/messages"): {"a", "b"},
            post(b"/v1/nonsense"): {"a", "b"},
            post(b"/v1/audio/transcriptions", FORM % b"whisper-1", FORM_TYPE): {"c"},
            post(b"/v1/audio/transcriptions", FORM % b"m", FORM_TYPE): {"a"},
            post(b"/v1/audio/translations", FORM % b"whisper-1", FORM_TYPE): {"c"},
            post(b"/v1/audio/speech"): {"c"},
        }.items():
            self.assertEqual({self.asks(request) for _ in range(4)}, nodes, request)

    def test_log(self) -> None:
        """The access log says who was passed over because of its kind."""
        self.mixed({"a": Kind.OLLAMA, "b": Kind.OPENAI}, a=("m",), b=("m",))
        self.asks(post(b"/api/chat"))
        self.assertEqual(self.world.records[0].passed_over, "b: kind")
        self.asks(post(b"/v1/chat/completions"))
        self.assertEqual(self.world.records[1].passed_over, "")

    def test_failover(self) -> None:
        """A node of another kind does not step in for one that fails."""
        self.mixed({"a": Kind.OLLAMA, "b": Kind.OPENAI}, a=("m",), b=("m",))
        self.world.endpoints["a"].refuses = True
        status, body = self.refused(post(b"/api/chat"))
        self.assertEqual(status, b"HTTP/1.1 503 Service Unavailable")
        self.assertEqual(list(body), ["error"])


class RefusalTests(KindCase):
    """What a client is told whose request no kind of node here can answer."""

    def test_native(self) -> None:
        """In Ollama's words, with the path that would work."""
        self.mixed({"b": Kind.OPENAI}, b=("m",))
        self.assertEqual(
            self.refused(post(b"/api/chat")),
            (
                b"HTTP/1.1 404 Not Found",
                {
                    "error": "no node can answer (b: an openai node has no /api/chat); "
                    "b can be asked on /v1/chat/completions"
                },
            ),
        )
        self.assertEqual(self.world.records[0].failure, "kind")

    def test_other_kind_has_it(self) -> None:
        """The same where an Ollama is there, but another node has the model."""
        self.mixed({"a": Kind.OLLAMA, "b": Kind.OPENAI}, a=("m",), b=("gguf",))
        self.assertEqual(
            self.refused(post(b"/api/generate", CHAT % b"gguf"))[1]["error"],
            "no node can answer (a: it does not have the model; b: an openai node has no "
            "/api/generate); b can be asked on /v1/completions",
        )

    def test_nobody_has_it(self) -> None:
        """A model that nobody has is asked for at the Ollama, which says so best."""
        self.mixed({"a": Kind.OLLAMA, "b": Kind.OPENAI}, a=("m",), b=("gguf",))
        for path in (b"/api/chat", b"/v1/chat/completions"):
            self.assertEqual(self.asks(post(path, CHAT % b"x")), "a")

    def test_no_other_path(self) -> None:
        """Where no other path would do, none is named."""
        self.mixed({"b": Kind.OPENAI}, b=("m",))
        self.assertEqual(
            self.refused(post(b"/api/show"))[1]["error"],
            "no node can answer (b: an openai node has no /api/show)",
        )

    def test_openai(self) -> None:
        """In OpenAI's words to its clients."""
        self.mixed({"c": Kind.WHISPER}, c=("tiny",))
        status, body = self.refused(post(b"/v1/chat/completions"))
        self.assertEqual(status, b"HTTP/1.1 404 Not Found")
        self.assertEqual(body["error"]["type"], "not_found_error")
        self.assertEqual(
            body["error"]["message"],
            "no node can answer (c: a whisper node has no /v1/chat/completions)",
        )

    def test_away(self) -> None:
        """If a node that could answer is only down, asking again may help: 503."""
        self.mixed({"a": Kind.OLLAMA, "b": Kind.OPENAI}, a=("m",), b=("m",))
        for _ in range(3):
            self.world.pool.checked("a", 0, False, "connection refused")
        status, body = self.refused(post(b"/api/chat"))
        self.assertEqual(status, b"HTTP/1.1 503 Service Unavailable")
        self.assertIn("a: down (connection refused)", body["error"])

    def test_explained(self) -> None:
        """Whoever asks beforehand is told the same."""
        self.mixed({"a": Kind.OLLAMA, "b": Kind.OPENAI}, a=("m",), b=("m",))
        self.client.send(post(b"/api/routing/query?path=/api/chat"))
        told = json.loads(split(self.client.read())[2])
        (rejected,) = told["rejected_nodes"]
        self.assertEqual(
            (rejected["name"], rejected["kind"], rejected["reason"], rejected["reasons"]),
            ("b", "openai", "kind", ["an openai node has no /api/chat"]),
        )
