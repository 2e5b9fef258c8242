"""Which model a request asks for, read as a node reads it."""

from __future__ import annotations

import json
from mmap import mmap
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zstandard import ZstdCompressor

from ollama_twisted.wire.ask import Ask, read_ask, streams
from ollama_twisted.wire.routes import find

CHAT = find(b"POST", b"/api/chat")
SHOW = find(b"POST", b"/api/show")
COPY = find(b"POST", b"/api/copy")
V1_CHAT = find(b"POST", b"/v1/chat/completions")
FORM = find(b"POST", b"/v1/audio/transcriptions")


def asked(body: bytes) -> Ask:
    """What ``body`` asks for in a chat."""
    return read_ask(CHAT, b"/api/chat", b"application/json", body)


class JSONTests(SynchronousTestCase):
    """Models named in JSON."""

    def test_plain(self) -> None:
        """A model and whether to stream are read."""
        self.assertEqual(asked(b'{"model": "a:b", "messages": []}'), Ask("a:b"))
        self.assertEqual(asked(b' {"stream":false,"model":"a"}\n'), Ask("a", False))
        self.assertEqual(asked(b'{"model":"a","stream":true}'), Ask("a", True))

    def test_escapes(self) -> None:
        """A key or a name may be written with escapes."""
        self.assertEqual(asked(b'{"m\\u006fdel":"\\u0061\\/b"}'), Ask("a/b"))

    def test_capitals(self) -> None:
        """To Go, capitals in a key make no difference, nor do two letters that resemble others."""
        self.assertEqual(asked(b'{"MODEL":"a","Stream":false}'), Ask("a", False))
        self.assertEqual(asked('{"model":"a","\u017ftream":false}'.encode()), Ask("a", False))
        self.assertEqual(asked('{"model":"a","\ufb06ream":false}'.encode()), Ask("a"))

    def test_last_one(self) -> None:
        """Of several values the last one counts, in whatever capitals."""
        self.assertEqual(asked(b'{"model":"a","model":"b"}'), Ask("b"))
        self.assertEqual(asked(b'{"model":"a","MODEL":"b"}'), Ask("b"))
        self.assertEqual(asked(b'{"MODEL":"a","model":"b"}'), Ask("b"))
        self.assertEqual(asked(b'{"model":"a","Model":"b","model":"c"}'), Ask("c"))

    def test_null(self) -> None:
        """A null changes nothing."""
        self.assertEqual(asked(b'{"model":"a","model":null,"stream":null}'), Ask("a"))

    def test_first_value(self) -> None:
        """Only the first value of a body is read."""
        self.assertEqual(asked(b'{"model":"a"}{"model":"b"}'), Ask("a"))
        self.assertEqual(asked(b'\r\n {"model":"a"} junk'), Ask("a"))

    def test_inner_keys(self) -> None:
        """A model that is named further inside is not meant."""
        self.assertEqual(asked(b'{"options":{"model":"b"},"x":[{"model":"c"}]}'), Ask())

    def test_older_name(self) -> None:
        """Where Ollama still reads the older name, it counts if there is no model."""
        for body, model in (
            (b'{"name":"n"}', "n"),
            (b'{"model":"m","name":"n"}', "m"),
            (b'{"model":"","name":"n"}', "n"),
            (b'{"NAME":"n"}', "n"),
        ):
            self.assertEqual(read_ask(SHOW, b"/api/show", b"", body), Ask(model))
        self.assertEqual(asked(b'{"name":"n"}'), Ask())

    def test_copy(self) -> None:
        """A copy is made where its source is."""
        body = b'{"source":"a","destination":"b","model":"c"}'
        self.assertEqual(read_ask(COPY, b"/api/copy", b"", body), Ask("a"))

    def test_broken_text(self) -> None:
        """What is no text becomes the replacement character, as in Go, and can be encoded."""
        for body in (b'{"model":"a\xff"}', b'{"model":"a\\ud800"}'):
            self.assertEqual(asked(body), Ask("a\ufffd"))
        self.assertEqual(asked(b'{"model":"\\ud83d\\ude00"}'), Ask("\U0001f600"))

    def test_junk(self) -> None:
        """What a node will refuse asks for nothing."""
        for body in (
            b"",
            b" ",
            b"{",
            b"[]",
            b"null",
            b'"model"',
            b"\xff\xfe",
            b"\xef\xbb\xbf{}",
            b'{"model":5}',
            b'{"model":["a"]}',
            b'{"model":""}',
            b'{"model":"a',
            b'{"model":"a",}',
            b'{"model":"a","x":NaN}',
            b'{"model":"a","x":"\n"}',
            b'{"model":"a","stream":"yes"}',
            b'{"x":' + b"[" * 200_000,
            b'{"x":' + b'{"a":' * 200_000,
        ):
            self.assertEqual(asked(body), Ask(), body[:50])

    def test_large_odd_body(self) -> None:
        """A large body is read if it is plain; an odd one would keep everybody waiting."""
        filler = b'"x":"%b"' % (b"y" * 2**21)
        self.assertEqual(asked(b'{%b,"model":"a"}' % filler), Ask("a"))
        self.assertEqual(asked(b'{%b,"MODEL":"a"}' % filler), Ask())

    def test_crowded_body(self) -> None:
        """Of a body with very many keys those that matter are read, at no cost for the others."""
        for crowd in (
            b",".join(b'"%x":1' % number for number in range(2**18)),
            b'"x":[' + b'{"y":1},' * 2**18 + b"{}]",
        ):
            self.assertEqual(asked(b'{%b,"model":"a"}' % crowd), Ask("a"))
            self.assertEqual(asked(b'{"stream":false,"model":"a",%b}' % crowd), Ask("a", False))
            self.assertEqual(asked(b'{"model":"a","model":"b",%b}' % crowd), Ask("b"))
            self.assertEqual(asked(b'{%b,"model":5}' % crowd), Ask())
            self.assertEqual(asked(b"{%b}" % crowd), Ask())
            body = b'{"name":"n",%b}' % crowd
            with mmap(-1, len(body)) as mapped:
                mapped[:] = body
                self.assertEqual(read_ask(SHOW, b"/api/show", b"", mapped), Ask("n"))

    def test_mapped_file(self) -> None:
        """A body may be in a mapped file, which can be closed afterwards."""
        for body in (b'{"model":"a"}', b'{"MODEL":"a"}', b'{"model":"a"} '):
            with mmap(-1, len(body)) as mapped:
                mapped[:] = body
                self.assertEqual(read_ask(CHAT, b"/api/chat", b"", mapped), Ask("a"))
        form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n--x--\r\n'
        with mmap(-1, len(form)) as mapped:
            mapped[:] = form
            self.assertEqual(
                read_ask(FORM, b"", b"multipart/form-data; boundary=x", mapped), Ask("a")
            )

    def test_compressed(self) -> None:
        """A body that is compressed is opened where Ollama opens it, and nowhere else."""
        body = ZstdCompressor().compress(b'{"model":"a","stream":true}')
        for route, coding, expected in (
            (V1_CHAT, b"zstd", Ask("a", True)),
            (find(b"POST", b"/v1/messages"), b"zstd", Ask("a", True)),
            (V1_CHAT, b"", Ask()),
            (V1_CHAT, b"gzip", Ask()),
            (CHAT, b"zstd", Ask()),
        ):
            self.assertEqual(read_ask(route, b"", b"", body, coding), expected)
        self.assertEqual(read_ask(V1_CHAT, b"", b"", b'{"model":"a"}', b"zstd"), Ask())

    @given(st.binary(max_size=60))
    def test_garbage(self, body: bytes) -> None:
        """Nothing that comes raises anything."""
        asked(body)
        read_ask(FORM, b"", b"multipart/form-data; boundary=" + body[:3], body)
        read_ask(FORM, b"", body, body)
        read_ask(V1_CHAT, b"", b"", body, b"zstd")

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["model", "MODEL", "Model", "stream", "Stream", "x", "name"]),
                st.none() | st.booleans() | st.text(max_size=3) | st.integers(),
            ),
            max_size=5,
        )
    )
    def test_as_go_does(self, pairs: list[tuple[str, Any]]) -> None:
        """The plain way and the long way agree with what Go does, key by key."""
        said: dict[str, Any] = {}
        refused = False
        for key, value in pairs:
            name = key.lower()
            if name in ("model", "name", "stream") and value is not None:
                refused |= type(value) is not (bool if name == "stream" else str)
                said[name] = value
        parts = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs]
        got = asked(("{" + ",".join(parts) + "}").encode())
        if not refused:
            self.assertEqual(got, Ask(said.get("model") or None, said.get("stream")))


class ElsewhereTests(SynchronousTestCase):
    """Models named elsewhere."""

    def test_nowhere(self) -> None:
        """Some requests concern no model, whatever their body says."""
        self.assertEqual(read_ask(find(b"GET", b"/api/tags"), b"", b"", b'{"model":"a"}'), Ask())

    def test_path(self) -> None:
        """A path names a model with escapes."""
        for path, model in (
            (b"/v1/models/a:b", "a:b"),
            (b"/v1/models/h%3A1%2Fns%2fm", "h:1/ns/m"),
            (b"/v1/models/gr%C3%BC", "gr\xfc"),
            (b"/v1/models/a/", "a"),
            (b"/v1/%6dodels/a", "a"),
        ):
            self.assertEqual(read_ask(find(b"GET", path), path, b"", b""), Ask(model))

    def form(self, *parts: bytes, content_type: bytes = b"multipart/form-data; boundary=x") -> Ask:
        """What a form of ``parts`` asks for."""
        body = b"".join(b"--x\r\nContent-Disposition: form-data; " + part for part in parts)
        return read_ask(FORM, b"/v1/audio/transcriptions", content_type, body + b"--x--\r\n")

    def test_form(self) -> None:
        """The first field called model counts, before or after a large file."""
        file = b'name="file"; filename="a.wav"\r\n\r\n' + b"\0--x\r\n" * 30_000 + b"\r\n"
        field = b'name="model"\r\n\r\na:b\r\n'
        self.assertEqual(self.form(field, file), Ask("a:b"))
        self.assertEqual(self.form(file, field), Ask("a:b"))
        self.assertEqual(self.form(field, b'name="model"\r\n\r\nc\r\n'), Ask("a:b"))

    def test_quoted_boundary(self) -> None:
        """A boundary may be quoted."""
        kind = b'Multipart/Form-Data; charset=utf-8; boundary="x"'
        self.assertEqual(self.form(b"name=model\r\n\r\na\r\n", content_type=kind), Ask("a"))

    def test_bad_forms(self) -> None:
        """A form that names no model, or is none, asks for nothing."""
        field = b'name="model"\r\n\r\na\r\n'
        for content_type in (b"", b"text/plain", b"multipart/form-data", b"\xff; boundary=x"):
            self.assertEqual(self.form(field, content_type=content_type), Ask())
        self.assertEqual(self.form(b'name="model"; filename="a"\r\n\r\na\r\n'), Ask())
        self.assertEqual(self.form(b'name="model"\r\n\r\n\r\n'), Ask())
        self.assertEqual(self.form(b'name="model"\r\n\r\n' + b"a" * 10_000 + b"\r\n"), Ask())


class StreamsTests(SynchronousTestCase):
    """Whether an answer will come piece by piece."""

    def test_defaults(self) -> None:
        """Ollama streams unless told otherwise, OpenAI's protocol if told so, some never."""
        for route, ask, expected in (
            (CHAT, Ask(), True),
            (CHAT, Ask(stream=False), False),
            (V1_CHAT, Ask(), False),
            (V1_CHAT, Ask(stream=True), True),
            (find(b"POST", b"/api/embed"), Ask(stream=True), False),
            (find(b"GET", b"/nonsense"), Ask(stream=True), False),
        ):
            self.assertEqual(streams(route, ask), expected)
