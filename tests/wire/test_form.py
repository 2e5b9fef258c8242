"""Forms read while they come."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.form import Form

KIND = b"multipart/form-data; boundary=x"
SOUND = b"RIFF\0\0\r\n\r\n--y\r\n--\0" * 10


def part(name: bytes, value: bytes, *, file: bytes | None = None, more: bytes = b"") -> bytes:
    """One part of a form."""
    head = b'Content-Disposition: form-data; name="%b"' % name
    if file is not None:
        head += b'; filename="%b"\r\nContent-Type: audio/wav' % file
    return head + more + b"\r\n\r\n" + value


def form(
    *parts: bytes, boundary: bytes = b"x", preamble: bytes = b"", epilogue: bytes = b"\r\n"
) -> bytes:
    """A whole form."""
    delimiter = b"--" + boundary
    whole = b"".join(delimiter + b"\r\n" + each + b"\r\n" for each in parts)
    return preamble + whole + delimiter + b"--" + epilogue


def read(body: bytes, kind: bytes = KIND, cuts: list[int] | None = None) -> Form:
    """The form, read in pieces."""
    found = Form(kind)
    places = sorted({0, len(body), *(each for each in cuts or [] if each < len(body))})
    for start, end in pairwise(places):
        found.feed(body[start:end])
    return found


def told(found: Form, body: bytes) -> tuple[str | None, bool | None, bytes | None]:
    """What a form says, and its file."""
    place = found.file
    return found.model, found.stream, None if place is None else body[slice(*place)]


class FormTests(SynchronousTestCase):
    """What a form asks for, and where its file stands."""

    def test_order(self) -> None:
        """Fields are found before and after the file."""
        model, stream = part(b"model", b"tiny.en"), part(b"stream", b"true")
        sound = part(b"file", SOUND, file=b"a.wav")
        for parts in ((model, stream, sound), (sound, model, stream), (stream, sound, model)):
            body = form(*parts)
            self.assertEqual(told(read(body), body), ("tiny.en", True, SOUND))

    def test_first(self) -> None:
        """The first of several counts, be it a field or a file."""
        body = form(
            part(b"model", b"a"),
            part(b"model", b"b"),
            part(b"file", b"one", file=b"1"),
            part(b"file", b"two", file=b"2"),
        )
        self.assertEqual(told(read(body), body), ("a", None, b"one"))

    def test_flags(self) -> None:
        """Yes and no are read as servers read them; what is neither says nothing."""
        for said, meant in ((b"True", True), (b"1", True), (b"off", False), (b"maybe", None)):
            self.assertEqual(read(form(part(b"stream", said))).stream, meant)

    def test_odd_forms(self) -> None:
        """Boundaries with blanks, quoted names, text before and after: all of it is allowed."""
        kind = b'Multipart/Form-Data; charset=utf-8; boundary="a b\'()+_,-./:=?"'
        body = form(
            part(b"file", SOUND, file=b'say \\"hi\\"; name=\\"model\\".wav'),
            part(b"model", b"m"),
            boundary=b"a b'()+_,-./:=?",
            preamble=b"not for you\r\n\r\n",
            epilogue=b"\r\nnor this\r\n\r\n",
        )
        self.assertEqual(told(read(body, kind), body), ("m", None, SOUND))

    def test_empty_file(self) -> None:
        """A file without content has its place."""
        body = form(part(b"file", b"", file=b"a"), part(b"model", b"m"))
        self.assertEqual(told(read(body), body), ("m", None, b""))

    def test_cut_short(self) -> None:
        """A file whose end is missing has none; what came before counts."""
        body = form(part(b"model", b"m"), part(b"file", SOUND, file=b"a"))[:-20]
        self.assertEqual(told(read(body), body), ("m", None, None))

    def test_malformed(self) -> None:
        """What is no form asks for nothing, and raises nothing."""
        body = form(part(b"model", b"m"))
        for kind in (b"", b"text/plain", b"multipart/form-data", b"multipart/form-data; boundary="):
            self.assertEqual(told(read(body, kind), body), (None, None, None))
        for body in (b"", b"--", b"--x\n\n", b"junk --x\r\n\r\n", b"--x\r\n\r\nno head\r\n--x--"):
            self.assertEqual(told(read(body), body), (None, None, None))

    def test_broken_behind(self) -> None:
        """What was read before a form breaks is kept."""
        body = form(part(b"model", b"m"))[:-4] + b"?\r\nmore"
        self.assertEqual(read(body).model, "m")

    def test_bounded(self) -> None:
        """Nobody's model has such a name, and nobody sends so many parts."""
        self.assertEqual(read(form(part(b"model", b"a" * 5000))).model, None)
        body = form(*[part(b"x", b"")] * 2000, part(b"model", b"m"))
        self.assertEqual(read(body).model, None)
        # Empty lines in great number: the model is found, the file's place not looked for.
        body = form(
            part(b"a", b"\r\n\r\n" * 2000), part(b"file", SOUND, file=b"f"), part(b"model", b"m")
        )
        self.assertEqual(told(read(body), body), ("m", None, None))

    @given(
        st.permutations(range(4)),
        st.binary(max_size=60)
        | st.lists(st.sampled_from([b"\r\n", b"--", b"x", b"\0"])).map(b"".join),
        st.lists(st.integers(0, 700), max_size=40),
        st.sampled_from([b"", b"before\r\n", b"\r\n\r\n"]),
        st.sampled_from([b"x", b"----WebKitFormBoundary7MA4YWxk", b"\xc3\xa9"]),
    )
    def test_split_anywhere(
        self, order: list[int], sound: bytes, cuts: list[int], preamble: bytes, boundary: bytes
    ) -> None:
        """Wherever a field stands and however the body is cut, the same is found."""
        if b"\r\n--" + boundary in b"\r\n" + sound + b"\r\n":
            sound = b"."
        parts = [
            part(b"model", b"tiny"),
            part(b"stream", b"1"),
            part(b"file", sound, file=b"a.mp3"),
            part(b"prompt", b"\r\n\r\nmodel"),
        ]
        body = form(*[parts[each] for each in order], boundary=boundary, preamble=preamble)
        kind = b'multipart/form-data; boundary="%b"' % boundary
        found = read(body, kind, cuts)
        self.assertEqual(told(found, body), ("tiny", True, sound))
        self.assertEqual(told(read(body, kind, [*range(len(body))]), body), told(found, body))

    @given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=9))
    def test_garbage(self, data: bytes, cuts: list[int]) -> None:
        """Nothing that comes raises anything, wherever it is cut."""
        body = data.replace(b"!", b"\r\n").replace(b"?", b"--x")
        read(body, KIND, cuts)
        read(form(part(b"model", b"m"), part(b"f", data, file=b"f")), KIND, cuts)
