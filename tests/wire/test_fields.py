"""Field lines, and the lists that are spread over several of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.fields import first_values, listed, read_fields, values

FIELDS = [(b"A", b"1"), (b"b", b"2"), (b"a", b"3")]


class FieldTests(SynchronousTestCase):
    """Names and values."""

    def test_read(self) -> None:
        """Lines are read from where they start, without the blanks around their values."""
        self.assertEqual(read_fields(b"first\r\nA: 1\r\nb:2 \t\r\na:\t3", 5), FIELDS)
        self.assertEqual(read_fields(b"first", 5), [])

    def test_refused(self) -> None:
        """One line that is no field spoils them all."""
        self.assertIsNone(read_fields(b"\r\nA: 1\r\nb\r\na: 3"))
        self.assertIsNone(read_fields(b"\r\nA: 1\r\n"))

    def test_first_values(self) -> None:
        """Of several fields the first one is found by its name."""
        self.assertEqual(first_values(FIELDS), {b"a": b"1", b"b": b"2"})

    def test_values(self) -> None:
        """All of them are found, in their order."""
        self.assertEqual(values(FIELDS, b"a"), [b"1", b"3"])
        self.assertEqual(values(FIELDS, b"c"), [])

    def test_listed(self) -> None:
        """A list may have empty members, and any capitals."""
        self.assertEqual(listed([b"a, B", b",\tc ,,", b""]), {b"a", b"b", b"c"})

    @given(
        st.lists(
            st.tuples(
                st.from_regex(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", fullmatch=True),
                st.from_regex(
                    rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?", fullmatch=True
                ),
            ),
            max_size=5,
        )
    )
    def test_round_trip(self, fields: list[tuple[bytes, bytes]]) -> None:
        """What is written as a field is read as the same."""
        self.assertEqual(read_fields(b"".join(b"\r\n%b: %b" % field for field in fields)), fields)
