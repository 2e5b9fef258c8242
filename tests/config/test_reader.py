"""JSON read into the schema's structs, and every fault that is found on the way."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.reader import Object, Reader, nearest
from ollama_twisted.config.resolve import resolve
from ollama_twisted.config.schema import File
from tests.config.files import faults

LOCAL = {"name": "a", "url": "http://127.0.0.1:11434"}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["${A}", "${EMPTY}", "local", "10.0.0.1", "http://gpu", "off", 10**400])
)
anything = st.recursive(
    scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3)
)

#: Every place of the file is in it once.
FULL: dict[str, Any] = {
    "$schema": "./node_config.schema.json",
    "strategy": "least_connections",
    "nodes": [
        {
            "name": "gpu-1",
            "type": "openai",
            "hosts": ["10.0.0.1", "gpu-1.local"],
            "port": 11434,
            "weight": 2,
            "enabled": True,
            "memory_gb": 24,
            "description": "in the lab",
            "max_in_flight": 8,
            "lacks": ["messages"],
            "models": ["m"],
            "labels": {"room": "lab"},
            "supported_model_ranges": [
                {"min_params_b": 1, "max_params_b": 70, "description": "most"}
            ],
            "health": {
                "interval": 1,
                "timeout": 1,
                "rise": 1,
                "start_period": 0,
                "fall": 1,
                "slow_start": 0,
                "models_interval": 5,
            },
            "breaker": {"failures": 3, "cooldown": 1},
            "timeouts": {"connect": 1, "first_byte": 2, "loading": 3, "idle": 4},
            "connections": {"idle": 0, "idle_seconds": 5},
        },
        {
            "name": "cloud",
            "type": "external",
            "api_url": "https://ollama.com",
            "api_key": "k",
            "timeout_seconds": 300,
            "headers": {"X-Team": "research"},
        },
        {"name": "laptop", "url": "http://10.0.0.2:11434"},
    ],
    "health": {"interval": 2},
    "breaker": {"failures": 5},
    "timeouts": {"connect": 2},
    "connections": {"idle": 64},
    "line": {"max_waiting": 0, "wait_timeout": 60},
    "gateway": {
        "listen": ["tcp:11435:interface=127.0.0.1"],
        "max_connections": 10,
        "max_body": 10,
        "max_upload": 10,
        "max_audio": 20,
        "memory_body": 10,
        "head_timeout": 1,
        "body_timeout": 1,
        "keep_alive": 1,
        "send_timeout": 1,
        "attempts": 2,
        "retry_percent": 10,
        "min_retries": 1,
        "allowed_hosts": ["gateway.example.org"],
        "framed_by": ["https://grafana.example.org"],
        "manage_models": "off",
        "manage_keys": ["key"],
        "pull": "all",
        "access_log": "off",
        "log_format": "text",
        "drain": 0,
    },
    "model_name_patterns": {"7b": 7},
    "model_name_mapping": {"qwen3-coder": 30},
    "default_model_size_b": 7,
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value of a document."""
    pairs = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        pairs = list(enumerate(value))
    return [path, *(place for key, each in pairs for place in places(each, (*path, key)))]


def replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value at one place."""
    if not place:
        return value
    copy = document.copy()
    copy[place[0]] = replaced(copy[place[0]], place[1:], value)
    return copy


class FaultTests(SynchronousTestCase):
    """What is told of a document that cannot be used."""

    def test_none(self) -> None:
        """A document that says everything there is to say has no fault."""
        self.assertEqual(faults(FULL), [])

    def test_all_at_once(self) -> None:
        """Faults of different kinds, in different places, are told together."""
        document = {
            "strategy": "round_robbin",
            "nodes": [
                {
                    "name": "a",
                    "hosts": ["gpu", "gpu:11434", ""],
                    "port": 0,
                    "weight": "heavy",
                    "supported_model_ranges": [
                        {"min_params_b": "8"},
                        {"min_params_b": 70, "max_params_b": 8},
                    ],
                },
                "not a node",
                {"name": "a", "url": "ftp://gpu", "headers": {"X-A": "b\r\nX-C: d"}},
                {"nmae": "b", "url": "http://gpu", "port": 11434},
            ],
            "line": [],
            "gateway": {"max_body": -1, "attempts": 2.5, "manage_models": True},
            "model_name_patterns": {"7b": 0},
        }
        self.assertEqual(
            faults(document),
            [
                "nodes[0].hosts[1]: expected a host without a port: the port goes into port",
                "nodes[0].hosts[2]: expected text of length >= 1",
                "nodes[0].port: expected a whole number >= 1",
                "nodes[0].weight: expected a number, got text",
                "nodes[0].supported_model_ranges[0].min_params_b: expected a number, got text",
                "nodes[0].supported_model_ranges[1].max_params_b: 8 is less than min_params_b, 70",
                "nodes[1]: expected an object, got text",
                "nodes[2].url: expected http://host:port or https://host:port",
                "nodes[2].headers.X-A: a header's value is printable ASCII,"
                " without line breaks or outer blanks",
                'nodes[3].nmae: unknown key; did you mean "name"?',
                "nodes[3].name: is missing",
                "nodes[3].port: belongs to hosts; here it goes into url",
                'strategy: unknown "round_robbin"; did you mean "round_robin"?',
                "line: expected an object, got a list",
                "gateway.max_body: expected a whole number >= 0",
                "gateway.attempts: expected a whole number, got a number",
                "gateway.manage_models: expected text, got true or false",
                "model_name_patterns.7b: expected a number > 0.0",
                "nodes[2].name: is the name of nodes[0] already",
            ],
        )

    def test_unknown_keys(self) -> None:
        """An unknown key is refused, and the nearest known one is named."""
        self.assertEqual(
            faults({"stratgy": "x", "nodes": [{**LOCAL, "maxInFlight": 1, "timeout": 5}]}),
            [
                'stratgy: unknown key; did you mean "strategy"?',
                'nodes[0].maxInFlight: unknown key; did you mean "max_in_flight"?',
                'nodes[0].timeout: unknown key; did you mean "timeouts"?',
            ],
        )

    def test_nothing_near(self) -> None:
        """When nothing known is near, all that is known is named."""
        self.assertEqual(nearest("zzz", ["rise", "fall"]), "known are rise, fall")

    def test_places(self) -> None:
        """A node is at one place: none, two, or one of the other type's is a fault."""
        for entry, fault in {
            '{"name": "a"}': "nodes[0]: needs hosts, or url",
            '{"name": "a", "type": "external"}': "nodes[0]: needs api_url",
            '{"name": "a", "hosts": []}': "nodes[0].hosts: needs at least one",
            '{"name": "a", "hosts": ["b"], "url": "http://b"}': (
                "nodes[0].url: stands beside hosts, but one place to be found at is enough"
            ),
            '{"name": "a", "api_url": "https://b"}': (
                'nodes[0].api_url: is for nodes with "type": "external"; other nodes have url'
            ),
            '{"name": "a", "type": "openai", "api_url": "https://b"}': (
                'nodes[0].api_url: is for nodes with "type": "external"; other nodes have url'
            ),
            '{"name": "a", "type": "openai", "hosts": ["b"]}': (
                "nodes[0]: needs port: servers of its type have no usual one"
            ),
            '{"name": "a", "url": "http://b", "models": ["m"]}': (
                "nodes[0].models: is for openai and whisper nodes; an Ollama lists its own"
            ),
            '{"name": "a", "type": "opnai", "url": "http://b"}': (
                'nodes[0].type: unknown "opnai"; did you mean "openai"?'
            ),
            '{"name": "a", "type": "external", "hosts": ["b"]}': (
                "nodes[0].hosts: is not for external nodes; they have api_url"
            ),
        }.items():
            self.assertEqual(faults({"nodes": [json.loads(entry)]}), [fault])

    def test_no_nodes(self) -> None:
        """A list of nodes without a node is a mistake."""
        self.assertEqual(faults({"nodes": []}), ["nodes: needs at least one"])

    def test_whole(self) -> None:
        """A document that is no object is told as such."""
        self.assertEqual(faults([]), ["expected an object, got a list"])

    def test_repeated_keys(self) -> None:
        """Of a key that stands in an object twice, one value would be lost without a word."""
        text = '{"nodes": [{"name": "a", "url": "http://b", "name": "c"}], "line": {}, "line": {}}'
        self.assertEqual(
            faults(json.loads(text, object_pairs_hook=Object)),
            ["line: stands there twice", "nodes[0].name: stands there twice"],
        )

    def test_headers(self) -> None:
        """Headers that frame messages, or could not be sent, are refused."""
        headers = {
            "X-Good": "a, b",
            "Transfer-Encoding": "chunked",
            "HOST": "gpu",
            "X Bad": "a",
            "X-Long": "ä",
            "x-good": "c",
        }
        told = faults({"nodes": [{**LOCAL, "headers": headers}]})
        self.assertEqual(
            [each.partition(": ")[0] for each in told],
            [
                "nodes[0].headers.Transfer-Encoding",
                "nodes[0].headers.HOST",
                'nodes[0].headers["X Bad"]',
                "nodes[0].headers.X-Long",
                "nodes[0].headers.x-good",
            ],
        )

    def test_texts(self) -> None:
        """Names in any script are welcome; what would break a log line is not."""
        for name in ("圖書館　二號", "naïve", "👩\u200d💻", "a b"):
            self.assertEqual(faults({"nodes": [{**LOCAL, "name": name}]}), [])
        for name in ("", " a", "a\n", "a\x1b[31m", "\ud800", "a\u2028b", "x" * 201):
            self.assertEqual(len(faults({"nodes": [{**LOCAL, "name": name}]})), 1, repr(name))

    def test_listen(self) -> None:
        """A bare port is no endpoint; what one looks like is said."""
        self.assertEqual(
            faults({"gateway": {"listen": ["11435"]}}),
            ["gateway.listen[0]: expected an endpoint like tcp:11435:interface=127.0.0.1"],
        )

    def test_values_stay_out(self) -> None:
        """No fault repeats what may be a secret."""
        node = {
            "name": "a",
            "type": "external",
            "api_url": "https://user:hunter2@ollama.com",
            "api_key": "hunter2\n",
            "headers": {"Authorization": "hunter2\r\n", "Cookie": ["hunter2"]},
        }
        told = faults({"nodes": [node]})
        self.assertEqual(len(told), 4)
        self.assertNotIn("hunter2", "\n".join(told))


class VariableTests(SynchronousTestCase):
    """Variables in places of different kinds."""

    def test_number(self) -> None:
        """A variable may stand for a number or for true and false."""
        node = {"name": "a", "hosts": ["${H}"], "port": "${P}", "enabled": "${E}", "weight": "${W}"}
        environ = {"H": "gpu", "P": "8080", "E": "false", "W": "0.5"}
        reader = Reader(environ)
        file = reader.read({"nodes": [node]}, File)
        self.assertEqual(reader.faults, [])
        found = file.nodes[0]
        self.assertEqual(
            (found.hosts, found.port, found.enabled, found.weight), (("gpu",), 8080, False, 0.5)
        )

    def test_no_numbers(self) -> None:
        """What a variable brings in is held to the same bounds."""
        for text in ("inf", "nan", "-1", "0", "1e400", "heavy"):
            told = faults({"nodes": [{**LOCAL, "weight": "${W}"}]}, {"W": text})
            self.assertEqual(len(told), 1, text)

    def test_unset(self) -> None:
        """A variable that is not set is a fault that names it."""
        self.assertEqual(
            faults({"nodes": [{**LOCAL, "name": "${A}", "port": "${B}"}]}),
            [
                "nodes[0].name: the variable A is not set",
                "nodes[0].port: the variable B is not set",
                "nodes[0].port: belongs to hosts; here it goes into url",
            ],
        )

    def test_secret(self) -> None:
        """A secret that is missing is no fault yet: it is told with its path."""
        reader = Reader({"B": ""})
        node = {**LOCAL, "api_key": "${A}", "headers": {"X-Key": "${B}${C}"}}
        reader.read({"nodes": [node]}, File)
        self.assertEqual(
            (reader.faults, reader.lacking),
            (
                [],
                [
                    ("nodes[0].api_key", "A"),
                    ("nodes[0].headers.X-Key", "B"),
                    ("nodes[0].headers.X-Key", "C"),
                ],
            ),
        )


class AnythingTests(SynchronousTestCase):
    """Whatever JSON there is, in whatever place."""

    def test_places(self) -> None:
        """The document that these tests start from has every key of the schema in it."""
        keys = {place[-1] for place in places(FULL) if place}
        known = {
            each.encode_name
            for entry in msgspec.inspect.multi_type_info([File])
            for each in _fields(entry)
        }
        self.assertIn("rise", known)
        self.assertEqual(known - keys, set())

    @given(st.sampled_from(places(FULL)), anything)
    @example((), {})
    @example(("nodes", 0, "weight"), 10**400)
    @example(("nodes", 0, "weight"), float("inf"))
    def test_never_a_traceback(self, place: tuple[Any, ...], value: Any) -> None:
        """Any value in any place is a fault, or it can be run with."""
        reader = Reader({"A": "7"})
        file = reader.read(replaced(FULL, place, value), File)
        if not reader.faults:
            self.assertTrue(resolve(file, reader.lacking).nodes)

    @given(st.sampled_from(places(FULL)), anything)
    def test_as_msgspec(self, place: tuple[Any, ...], value: Any) -> None:
        """What is accepted here is what msgspec accepts, value by value."""
        document = replaced(FULL, place, value)
        reader = Reader({})
        file = reader.read(document, File)
        if not reader.faults and "${" not in repr(value):
            self.assertEqual(file, msgspec.convert(document, File))

    @given(st.sampled_from(places(FULL)), anything)
    def test_refused_by_msgspec(self, place: tuple[Any, ...], value: Any) -> None:
        """What msgspec refuses is refused here too, unless a variable made it right."""
        document = replaced(FULL, place, value)
        try:
            msgspec.convert(document, File)
        except msgspec.ValidationError:
            if "${" not in repr(value):
                self.assertNotEqual(faults(document), [])


def _fields(of: Any) -> list[Any]:
    """The fields of a struct type and of all within it."""
    if isinstance(of, msgspec.inspect.StructType):
        return [*of.fields, *(each for field in of.fields for each in _fields(field.type))]
    inner = [getattr(of, name, None) for name in ("type", "item_type", "value_type")]
    inner += getattr(of, "types", ())
    return [each for part in inner if part is not None for each in _fields(part)]
