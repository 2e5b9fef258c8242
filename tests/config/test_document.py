"""Files that are JSON, and files that are not."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.document import MAX_SIZE, read_document
from ollama_twisted.errors import ConfigError


class DocumentTests(SynchronousTestCase):
    """Reading one file."""

    def fault(self, data: bytes) -> str:
        """What is told of a file with this content."""
        path = Path(self.mktemp())
        path.write_bytes(data)
        error = self.assertRaises(ConfigError, read_document, path, "nodes.json")
        (fault,) = error.faults
        return str(fault)

    def test_json(self) -> None:
        """A file may begin with a byte order mark, as some editors have it."""
        path = Path(self.mktemp())
        path.write_bytes(b'\xef\xbb\xbf{"name": "\xe5\x9c\x96"}')
        self.assertEqual(read_document(path, "nodes.json"), {"name": "圖"})

    def test_place(self) -> None:
        """What is no JSON is told with its line and column."""
        self.assertEqual(
            self.fault(b'{\n  "nodes": [\n    {"name" "gpu"}\n  ]\n}'),
            "nodes.json: line 3, column 13: expecting ':' delimiter",
        )

    def test_not_utf8(self) -> None:
        """So are letters in some other encoding; columns count letters, not bytes."""
        self.assertEqual(
            self.fault('{"a": 1,\n"ä": "'.encode() + b'\xe4"}'),
            "nodes.json: line 2, column 7: not UTF-8",
        )

    def test_almost_json(self) -> None:
        """What Python reads but JSON does not know, or nobody means, is refused as well."""
        for data, why in {
            b"": "expecting value",
            b"NaN": "NaN is not JSON",
            b"[-Infinity]": "-Infinity is not JSON",
            b"[" * 100_000: "nested too deeply",
            b'{"a":' * 100_000: "nested too deeply",
            b"9" * 5000: "4300",
            b"{} {}": "line 1, column 4",
            b" " * (MAX_SIZE + 1): "too long",
        }.items():
            self.assertIn(why, self.fault(data))

    @given(st.binary() | st.text().map(str.encode) | st.from_regex(rb"[][{}\":,0-9eE.\\uNa-]*"))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are JSON or a ``ConfigError`` that names the file."""
        path = Path(self.mktemp())
        path.write_bytes(data)
        try:
            read_document(path, "nodes.json")
        except ConfigError as error:
            self.assertTrue(str(error).startswith("nodes.json: "), error)

    def test_unreadable(self) -> None:
        """A file that is not there is told by name, as is one that no file can have."""
        for path, why in {
            Path(self.mktemp()): "No such file",
            Path("."): "directory",
            Path("a\0b"): "null",
        }.items():
            error = self.assertRaises(ConfigError, read_document, path, "nodes.json")
            self.assertIn("nodes.json: cannot be read: ", str(error))
            self.assertIn(why, str(error))
