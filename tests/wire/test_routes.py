"""What is known of each path, in whatever spelling."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.services import Service
from ollama_twisted.wire.routes import Dialect, ModelIn, Route, Streams, find, safe_path

MANAGING = [
    (b"POST", b"/api/pull"),
    (b"POST", b"/api/push"),
    (b"POST", b"/api/create"),
    (b"POST", b"/api/copy"),
    (b"DELETE", b"/api/delete"),
    (b"POST", b"/api/blobs/sha256:0123"),
    (b"POST", b"/api/me"),
    (b"POST", b"/api/signout"),
    (b"DELETE", b"/api/user/keys/abc"),
    (b"GET", b"/debug/pprof/heap"),
]


class FindTests(SynchronousTestCase):
    """The table of routes."""

    def test_chat(self) -> None:
        """Each fact about a route is known."""
        self.assertEqual(
            find(b"POST", b"/api/chat"),
            Route(
                operation="chat",
                model_in=ModelIn.BODY,
                dialect=Dialect.OLLAMA,
                streams=Streams.DEFAULT_ON,
                generates=True,
                repeatable=True,
                manages=False,
                service=Service.NATIVE,
                unloads=True,
                path="/api/chat",
            ),
        )

    def test_pull(self) -> None:
        """What changes a node is never repeated on another, and guarded."""
        self.assertEqual(
            find(b"POST", b"/api/pull"),
            Route(
                operation="pull",
                model_in=ModelIn.BODY_OR_NAME,
                streams=Streams.DEFAULT_ON,
                repeatable=False,
                manages=True,
                many=True,
                service=Service.MANAGE,
                path="/api/pull",
            ),
        )

    def test_dialects(self) -> None:
        """A client is told of failures in its own protocol, on unknown paths too."""
        for path, dialect in (
            (b"/api/chat", Dialect.OLLAMA),
            (b"/", Dialect.OLLAMA),
            (b"/nonsense", Dialect.OLLAMA),
            (b"/v1/chat/completions", Dialect.OPENAI),
            (b"/v1/nonsense", Dialect.OPENAI),
            (b"/v1/messages", Dialect.ANTHROPIC),
            (b"/v1/messages/count_tokens", Dialect.ANTHROPIC),
        ):
            self.assertEqual(find(b"POST", path).dialect, dialect, path)

    def test_where_the_model_is(self) -> None:
        """Each way of naming a model is known."""
        for method, path, model_in in (
            (b"POST", b"/v1/responses", ModelIn.BODY),
            (b"POST", b"/api/show", ModelIn.BODY_OR_NAME),
            (b"DELETE", b"/api/delete", ModelIn.BODY_OR_NAME),
            (b"POST", b"/api/copy", ModelIn.COPY_SOURCE),
            (b"POST", b"/v1/audio/transcriptions", ModelIn.MULTIPART),
            (b"GET", b"/v1/models/a", ModelIn.PATH),
            (b"GET", b"/v1/models", ModelIn.NONE),
            (b"GET", b"/api/tags", ModelIn.NONE),
        ):
            self.assertEqual(find(method, path).model_in, model_in, path)

    def test_heads(self) -> None:
        """What can be got can be asked about."""
        for path in (b"/", b"/api/tags", b"/api/version", b"/api/blobs/sha256:0"):
            self.assertNotEqual(find(b"HEAD", path).operation, "other")

    def test_blobs(self) -> None:
        """To ask whether a node has a blob changes nothing; to send it one does."""
        self.assertFalse(find(b"HEAD", b"/api/blobs/sha256:0").manages)
        self.assertTrue(find(b"POST", b"/api/blobs/sha256:0").manages)

    def test_unknown(self) -> None:
        """An unknown path is for any node, and repeated only if that is harmless by its method."""
        self.assertEqual(find(b"GET", b"/nonsense"), Route("other", path="/nonsense"))
        self.assertEqual(
            find(b"POST", b"/api/nonsense"),
            Route("other", repeatable=False, path="/api/nonsense"),
        )
        self.assertEqual(find(b"OPTIONS", b"*"), Route("other", path="/*"))

    def test_services(self) -> None:
        """Each path, known or not, needs one service of a node."""
        for path, service in {
            b"/": Service.NATIVE,
            b"/api/chat": Service.NATIVE,
            b"/api/nonsense": Service.NATIVE,
            b"/nonsense": Service.NATIVE,
            b"/api/delete": Service.MANAGE,  # by POST it is nothing, but nobody can be sure
            b"/api/pull": Service.MANAGE,
            b"/debug/pprof": Service.MANAGE,
            b"/v1/chat/completions": Service.OPENAI,
            b"/V1/chat/completions": Service.OPENAI,
            b"/v1/nonsense": Service.OPENAI,
            b"/v1/images/edits": Service.OPENAI,
            b"/v1/responses": Service.RESPONSES,
            b"/v1/responses/resp_1": Service.RESPONSES,
            b"/v1/messages": Service.MESSAGES,
            b"/v1/messages/count_tokens": Service.MESSAGES,
            b"/v1/models": Service.MODELS,
            b"/v1/models/m": Service.MODELS,
            b"/v1/audio/transcriptions": Service.TRANSCRIPTIONS,
            b"/v1/audio/translations": Service.AUDIO,
            b"/v1/audio/speech": Service.AUDIO,
        }.items():
            self.assertEqual(find(b"POST", path).service, service, path)

    def test_long_path(self) -> None:
        """An outsider's path is not told back in full."""
        self.assertEqual(len(find(b"GET", b"/x" * 5000).path), 100)

    def test_wrong_method(self) -> None:
        """A path that changes a node is guarded against every method that could."""
        for method, path in MANAGING:
            for other in (b"PUT", b"PATCH", b"XYZ", method.lower()):
                self.assertTrue(find(other, path).manages, (other, path))
        self.assertFalse(find(b"OPTIONS", b"/api/pull").manages)

    def test_odd_spellings(self) -> None:
        """A path that changes a node is guarded in every spelling."""
        for method, path in MANAGING:
            for odd in (
                path.upper(),
                b"/" + path,
                path + b"/",
                path + b"//",
                path.replace(b"/", b"//"),
                b"/." + path,
                b"/x/.." + path,
                path.replace(b"/api", b"/api/./x/.."),
                b"/%2e%2e" + path,
                b"/" + path[1:].replace(b"/", b"%2F"),
                b"/" + path[1:].replace(b"/", b"\\"),
                path.replace(b"e", b"%65").replace(b"p", b"%70"),
            ):
                self.assertTrue(find(method, odd).manages, odd)

    @given(st.sampled_from(MANAGING), st.data())
    def test_escapes(self, request: tuple[bytes, bytes], data: st.DataObject) -> None:
        """Whichever of its characters are escaped, a guarded path is guarded."""
        method, path = request
        escaped = data.draw(_escaped(path))
        self.assertEqual(unquote_to_bytes(escaped), path)
        self.assertTrue(find(method, escaped).manages)

    @given(st.binary(max_size=20), st.binary(max_size=40))
    def test_anything(self, method: bytes, path: bytes) -> None:
        """There is a route for everything, with a name fit for a label."""
        self.assertTrue(find(method, path).operation.isidentifier())


class SafePathTests(SynchronousTestCase):
    """Paths that everybody understands the same."""

    def test_safe(self) -> None:
        """Paths as clients write them go on."""
        for path in (
            b"/",
            b"*",
            b"/api/chat",
            b"/api/chat/",
            b"/api/blobs/sha256:0123",
            b"/v1/models/llama3.2:1b",
            b"/v1/models/library%2Fllama3",
            b"/v1/models/h%3A1%2fns%2Fm:t",
            b"/a-b_c~d/e.f/.g/...",
            b"/gr%C3%BC%C3%9Fe",
            b"/%61pi",
            b"/a;b=c,d@e$f&g+h!i'(j)*",
        ):
            self.assertTrue(safe_path(path), path)

    def test_unsafe(self) -> None:
        """Paths that some normalise, decode twice or cut short go nowhere."""
        for path in (
            b"",
            b"api",
            b"//",
            b"//api/delete",
            b"/api//delete",
            b"/api/delete//",
            b"/.",
            b"/..",
            b"/./api",
            b"/api/..",
            b"/api/../api/delete",
            b"/api/%2e%2E/delete",
            b"/api/.%2e/delete",
            b"/api%2fdelete",
            b"/api%2Fdelete",
            b"/api%5cdelete",
            b"/api\\delete",
            b"/api/delete%00",
            b"/api/delete%0d%0aX",
            b"/api/delete%7f",
            b"/api/%2564elete",
            b"/api/%",
            b"/api/%6",
            b"/api/%zz",
            b"/api/a b",
            b"/v1/models/..%2Fapi",
            b"/v1/models/a%2F..%2F..%2Fapi%2Fdelete",
            b"/v1/models/a%2F",
            b"/v1/models/%2Fa",
            b"/v1/models/a%2F%2Fb",
            b"/v1/models%2Fa",
            b"/\xff",
            b"/a\n",
        ):
            self.assertFalse(safe_path(path), path)

    @given(
        st.lists(
            st.sampled_from(
                [b"/", b".", b"%2F", b"%2e", b"%25", b"%", b"\\", b"a", b"api", b"%61"]
            ),
            max_size=8,
        )
    )
    @example([b"/", b"a", b"%2F", b".", b"."])
    def test_stable(self, parts: list[bytes]) -> None:
        """To decode a safe path, to decode it twice or to normalise it gives the same segments."""
        path = b"/v1/models/" + b"".join(parts)
        if safe_path(path):
            once = unquote_to_bytes(path)
            self.assertEqual(unquote_to_bytes(once), once)
            segments = once.rstrip(b"/").split(b"/")[1:]
            self.assertFalse({b"", b".", b".."} & set(segments), path)

    def test_time(self) -> None:
        """No path takes long to refuse."""
        for part in (b"/", b"a", b"a/", b"%2F", b"a%2F", b"./", b"%61"):
            safe_path(b"/v1/models/" + part * 5000 + b" ")


@st.composite
def _escaped(draw: DrawFn, path: bytes) -> bytes:
    return b"/" + b"".join(
        b"%%%02x" % code if draw(st.booleans()) else bytes([code]) for code in path[1:]
    )
