"""Every route of Ollama's API through the gateway, beside asking a node directly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any
from urllib.parse import unquote

from twisted.trial.unittest import SynchronousTestCase
from zstandard import ZstdCompressor

from ollama_twisted.services import OFFERS, Kind
from ollama_twisted.wire.ask import read_ask, streams
from ollama_twisted.wire.headers import HOP_BY_HOP
from ollama_twisted.wire.routes import TABLE, ModelIn, Route, Streams, find
from tests.live.child import PATIENCE, Child
from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

MODEL = "llama3:8b"
OTHER = "phi3:3.8b"
NOBODY = "nobody-has:1b"
QUICK = ("--frozen-clock", "--tokens-per-second", "0", "--first-token-delay", "0")
QUICK += ("--load-time", "0", "--pull-time", "0", "--answer-tokens", "5")

SAID = [{"role": "user", "content": "hello"}]
IMAGE = "aGVsbG8="
TOOL = {"name": "now", "description": "the time", "parameters": {"type": "object"}}
BLOB = b"weights"
DIGEST = f"sha256:{sha256(BLOB).hexdigest()}"
FORM = "multipart/form-data; boundary=x"

# The gateway's own answers for all nodes: they mean what a node's would mean, byte for byte
# they need not be the same.
MERGED = frozenset({"tags", "ps", "v1_models", "v1_model", "version"})

_NOT_PASSED = HOP_BY_HOP | {b"content-length"}  # which is compared, but may stand elsewhere


@dataclass(frozen=True)
class Case:
    """One request."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    model: str | None = None


def form(model: str) -> bytes:
    """A recording and the model that is to hear it, as a client sends them."""
    parts = (
        b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\0\1\2\r\n',
        b'name="model"\r\n\r\n%b\r\n' % model.encode(),
    )
    return (
        b"".join(b"--x\r\nContent-Disposition: form-data; %b" % each for each in parts)
        + b"--x--\r\n"
    )


# What to say on each route besides an empty object and the name of a model that nobody has.
ASKS: dict[str, tuple[dict[str, Any], ...]] = {
    "/api/show": ({"model": MODEL}, {"name": MODEL, "verbose": True}),
    "/api/generate": (
        {"prompt": "once"},
        {"prompt": "once", "images": [IMAGE]},
        {"prompt": "once", "raw": True, "options": {"num_predict": 2, "seed": 3}},
        {},
        {"keep_alive": 0},
    ),
    "/api/chat": (
        {"messages": SAID},
        {"messages": [{**SAID[0], "images": [IMAGE]}]},
        {"messages": SAID, "tools": [{"type": "function", "function": TOOL}], "think": True},
        {"messages": SAID, "format": "json"},
        {"messages": []},
        {"messages": 5},
        {"messages": [], "keep_alive": 0},
    ),
    "/api/embed": ({"input": "a"}, {"input": ["a", "b"], "dimensions": 8}, {"input": []}),
    "/api/embeddings": ({"prompt": "a"}, {}),
    "/api/pull": ({"model": "pulled:1b"}, {"name": "pulled:2b"}),
    "/api/push": ({}, {"name": MODEL, "model": ""}),
    "/api/create": ({"model": "made", "from": MODEL}, {"name": "made:2", "files": {"f": DIGEST}}),
    "/api/copy": ({"source": MODEL, "destination": "copied"}, {"source": NOBODY}),
    "/api/delete": ({"model": "copied"}, {"name": "made", "model": ""}, {"name": NOBODY}),
    "/api/experimental/web_search": ({"query": "x"},),
    "/api/experimental/web_fetch": ({"url": "http://a.test/"},),
    "/v1/chat/completions": (
        {"messages": SAID},
        {"messages": SAID, "stream_options": {"include_usage": True}},
        {"messages": SAID, "tools": [{"type": "function", "function": TOOL}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "what is this?"},
                        {"type": "image_url", "image_url": {"url": f"data:;base64,{IMAGE}"}},
                    ],
                }
            ]
        },
        {"messages": []},
    ),
    "/v1/completions": ({"prompt": "once"}, {"prompt": "once", "max_tokens": 2}),
    "/v1/embeddings": ({"input": "a"}, {"input": ["a", "b"], "encoding_format": "base64"}, {}),
    "/v1/responses": ({"input": "hello"}, {"input": SAID, "instructions": "be brief"}),
    "/v1/messages": ({"messages": SAID, "max_tokens": 9}, {"messages": SAID}),
    "/v1/images/generations": ({"prompt": "a hen"},),
    "/v1/images/edits": ({"prompt": "a hen", "image": IMAGE},),
}
# What stands where a path has a place for something.
PLACES = {
    "/api/blobs/": (DIGEST, f"sha256:{'0' * 64}", "junk"),
    "/api/user/keys/": ("a2V5",),
    "/v1/models/": (MODEL, OTHER, NOBODY, "phi3%3A3.8b"),
    "/debug/": ("pprof/",),
}
# The table holds what is known of; whatever else is asked for is a node's to answer as well.
UNKNOWN = ("/api", "/api/unknown", "/api/chat/more", "/v1/unknown", "/v1/messages/count_tokens")
UNKNOWN += ("/unknown", "/API/CHAT", "/api/unknown?a=b&c=%2F", "/v1/unknown/?a")


def bodies(path: str, route: Route) -> Iterator[tuple[bytes, str | None]]:
    """What is sent on a route, as JSON, and the model that is asked for."""
    yield b"{}", None
    if path not in ASKS:
        return
    yield b'{"model": 5}', None
    for ask in ({"model": NOBODY, **ASKS[path][0]}, *ASKS[path]):
        named = route.model_in in (ModelIn.BODY, ModelIn.BODY_OR_NAME) and not {
            "model",
            "name",
        } & set(ask)
        said = {"model": MODEL, **ask} if named else ask
        key = "source" if route.model_in is ModelIn.COPY_SOURCE else "model"
        model = said.get(key) or said.get("name") if route.model_in is not ModelIn.NONE else None
        yield json.dumps(said).encode(), model
        if route.streams is not Streams.NEVER:
            yield json.dumps({**said, "stream": True}).encode(), model
            yield json.dumps({"STREAM": False, **said}).encode() + b" and more", model


def cases() -> Iterator[Case]:
    """Requests on all routes of the table that an Ollama has, and on others; each time the same."""
    for methods, pattern, route in TABLE:
        if find(methods.split()[0], pattern).service not in OFFERS[Kind.OLLAMA]:
            continue
        path = pattern.decode()
        opening = path[:-1] if path.endswith("/:") else ""
        for method in methods.decode().split():
            for place in PLACES[opening] if opening else ("",):
                case = Case(method, opening + place if opening else path)
                if route.model_in is ModelIn.PATH:
                    case = replace(case, model=unquote(place))
                yield case
                if route.model_in is ModelIn.MULTIPART:
                    for name in (MODEL, NOBODY):
                        headers = {"Content-Type": FORM}
                        yield replace(case, body=form(name), headers=headers, model=name)
                elif opening == "/api/blobs/" and method == "POST":
                    yield replace(case, body=BLOB)
                    yield replace(case, body=BLOB)  # it is there now
                    yield replace(case, method="HEAD")
                elif method in ("POST", "DELETE"):
                    for body, model in bodies(path, route):
                        plain = replace(case, body=body, model=model)
                        yield plain
                        if path.startswith("/v1/"):
                            packed = ZstdCompressor().compress(body)
                            yield replace(plain, body=packed, headers={"Content-Encoding": "zstd"})
        yield from (Case(method, path.rstrip(":") + "x") for method in ("GET", "PUT"))
        if not opening:
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
                if method.encode() not in methods.split():
                    yield Case(method, path, b"" if method == "HEAD" else b"{}")
    for path in UNKNOWN:
        for method in ("GET", "POST", "PUT", "DELETE"):
            yield Case(method, path, b'{"model": "%b"}' % MODEL.encode())


@dataclass(frozen=True)
class Said:
    """An answer, less what belongs to one connection, to one moment and to the gateway."""

    status: int
    length: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    node: str | None = None

    def header(self, name: str) -> str:
        return dict(self.headers).get(name, "")


class Asked:
    """A server that is asked on one connection."""

    def __init__(self, server: Child) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self.close = self._connection.close

    def ask(self, case: Case) -> Said:
        headers = {"Content-Length": str(len(case.body)), **case.headers} if case.body else {}
        self._connection.request(case.method, case.path, case.body or None, headers)
        answer = self._connection.getresponse()
        passing = tuple(
            (name, "" if name == "Date" else value)
            for name, value in answer.getheaders()
            if name.lower().encode() not in _NOT_PASSED and not name.startswith("X-Ollama-Gateway")
        )
        return Said(
            answer.status,
            answer.getheader("Content-Length"),
            passing,
            answer.read(),
            answer.getheader("X-Ollama-Gateway-Node"),
        )


def meaning(said: Said) -> Any:
    """Which models a list has, or which version is told."""
    document = json.loads(said.body) if said.body else {}
    listed = document.get("models", document.get("data"))
    if listed is not None:
        return said.status, {each.get("name", each.get("id")) for each in listed}
    return said.status, document.get("id"), document.get("version"), "error" in document


class RouteCase(SynchronousTestCase):
    """Starts what is asked, and asks."""

    def node(self, *options: str) -> SimulatedNode:
        node = SimulatedNode(*QUICK, *options)
        self.addCleanup(node.stop)
        return node

    def asked(self, server: Child) -> Asked:
        asked = Asked(server)
        self.addCleanup(asked.close)
        return asked

    def gateway(self, **nodes: SimulatedNode) -> RunningGateway:
        gateway = RunningGateway({name: node.port for name, node in nodes.items()})
        self.addCleanup(gateway.stop)
        return gateway.until_healthy(*nodes)


class EveryRouteTests(RouteCase):
    """One node asked directly, its twin through the gateway: the same things in the same order."""

    def test_as_asked_directly(self) -> None:
        """
        Status, headers and bytes of each answer are those of the node, the node saw each
        request for which the gateway does not answer itself, and the model was found.
        """
        models = ("--model", MODEL, "--model", OTHER)
        direct = self.asked(self.node(*models))
        gateway = self.gateway(twin=self.node(*models))
        passed = self.asked(gateway)
        asked = list(cases())
        for case in asked:
            expected, got = direct.ask(case), passed.ask(case)
            route = find(case.method.encode(), case.path.partition("?")[0].encode())
            if route.operation in MERGED:
                self.assertEqual(meaning(got), meaning(expected), case)
            else:
                self.assertEqual(replace(got, node=None), expected, case)
                self.assertEqual(got.node, "twin", case)
        self.assertGreater(len(asked), 200)
        for case, line in zip(asked, gateway.logged(len(asked)), strict=True):
            self.assertEqual(line["path"], case.path.partition("?")[0])
            self.assertFalse(line.get("failure"), line)
            if case.model is not None:
                self.assertEqual(line.get("model"), case.model, case)

    def test_streams(self) -> None:
        """An answer comes piece by piece when the gateway expects it, and only then."""
        node = self.asked(self.node("--model", MODEL))
        seen = set()
        for case in cases():
            route = find(case.method.encode(), case.path.encode())
            if not route.generates or not case.body:
                continue
            said = node.ask(case)
            coding = case.headers.get("Content-Encoding", "").encode()
            ask = read_ask(route, case.path.encode(), b"", case.body, coding)
            if said.status == 200 and b'"done_reason":"load"' not in said.body:
                streamed = said.header("Content-Type") in (
                    "application/x-ndjson",
                    "text/event-stream",
                )
                if b'"done_reason":"unload"' not in said.body:
                    self.assertEqual(streamed, streams(route, ask), case)
                    seen.add((route.streams, ask.stream, streamed))
        self.assertEqual(
            seen,
            {
                (Streams.DEFAULT_ON, None, True),
                (Streams.DEFAULT_ON, True, True),
                (Streams.DEFAULT_ON, False, False),
                (Streams.DEFAULT_OFF, None, False),
                (Streams.DEFAULT_OFF, True, True),
                (Streams.DEFAULT_OFF, False, False),
                (Streams.NEVER, None, False),
            },
        )


class ModelTests(RouteCase):
    """Where a request names its model."""

    def test_found(self) -> None:
        """However the model is named, only the node that has it is asked."""
        one, two = self.node("--model", MODEL), self.node("--model", OTHER, "--model", "bare")
        passed = self.asked(self.gateway(one=one, two=two))
        said = {"model": OTHER, "messages": SAID, "max_tokens": 9}
        packed = ZstdCompressor().compress(json.dumps(said).encode())
        for path, body, headers in (
            ("/api/chat", said, {}),
            ("/api/chat", {"MODEL": OTHER.upper()}, {}),
            ("/api/chat", {"model": MODEL, "Model": f"library/{OTHER}"}, {}),
            ("/api/chat", {"model": "bare"}, {}),
            ("/api/generate", {"model": "registry.ollama.ai/library/bare:latest"}, {}),
            ("/api/show", {"model": OTHER}, {}),
            ("/api/show", {"name": OTHER}, {}),
            ("/api/embed", {"model": OTHER, "input": "a"}, {}),
            ("/api/copy", {"source": OTHER, "destination": "x"}, {}),
            ("/v1/chat/completions", said, {}),
            ("/v1/chat/completions", packed, {"Content-Encoding": "zstd"}),
            ("/v1/messages", packed, {"Content-Encoding": "zstd"}),
            ("/v1/audio/transcriptions", form(OTHER), {"Content-Type": FORM}),
        ):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            for _ in range(3):
                got = passed.ask(Case("POST", path, data, headers))
                self.assertEqual(got.node, "two", (path, body))
                # What is sent as audio is none, and the node that has the model says so.
                self.assertEqual(got.status, 400 if "audio" in path else 200, (path, got.body))
        for name in (MODEL, OTHER):
            for _ in range(2):
                self.assertEqual(passed.ask(Case("GET", f"/v1/models/{name}")).status, 200)
