"""Models on disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.simulator.library import Library, canonical, invent, is_digest

WHEN = "2026-01-01T00:00:00Z"


class NameTests(SynchronousTestCase):
    """Which names are one."""

    def test_same(self) -> None:
        """Tag, registry, namespace and letter case may be left to Ollama."""
        prefixes = "", "library/", "registry.ollama.ai/library/"
        for prefix in prefixes:
            for name in (f"{prefix}llama3", f"{prefix}LLAMA3:Latest"):
                with self.subTest(name):
                    self.assertEqual(canonical(name), "llama3:latest")

    def test_port_is_no_tag(self) -> None:
        """A colon before the last slash is that of a port."""
        self.assertEqual(canonical("host:5000/ns/m"), "host:5000/ns/m:latest")

    @given(st.text(min_size=1))
    def test_settled(self, name: str) -> None:
        """A name in full is the full form of itself."""
        full = canonical(name)
        self.assertEqual(canonical(full.casefold()), canonical(full))

    def test_size(self) -> None:
        """A name that says a size is believed."""
        self.assertEqual(
            [invent(name, WHEN).parameter_size for name in ("a:70b", "b:135m", "c:1.5b-q4", "d")],
            ["70B", "135M", "1.5B", "7B"],
        )

    def test_digest(self) -> None:
        """A digest is sha256 and 64 hexadecimal digits."""
        self.assertTrue(is_digest("sha256:" + "a" * 64))
        self.assertFalse(is_digest("sha256:" + "a" * 63))
        self.assertFalse(is_digest("md5:" + "a" * 64))


class LibraryTests(SynchronousTestCase):
    """What is there, and what is not."""

    def setUp(self) -> None:
        self.library = Library([invent("llama3:8b", WHEN)])

    def test_exact(self) -> None:
        """Another tag is another model."""
        self.assertIsNone(self.library.find("llama3:70b"))
        self.assertIsNone(self.library.find("llama3"))
        self.assertIsNone(self.library.find(""))
        self.assertIsNotNone(self.library.find("Llama3:8B"))

    def test_copy(self) -> None:
        """A copy is the same model by another name."""
        self.assertTrue(self.library.copy("llama3:8b", "mine", WHEN))
        first, second = self.library.find("llama3:8b"), self.library.find("mine:latest")
        assert first is not None and second is not None
        self.assertEqual((second.name, second.digest), ("mine:latest", first.digest))
        self.assertFalse(self.library.copy("nothing", "other", WHEN))

    def test_delete(self) -> None:
        """What is deleted is gone, once."""
        self.assertIsNotNone(self.library.delete("llama3:8b"))
        self.assertIsNone(self.library.delete("llama3:8b"))
        self.assertEqual(self.library.models(), [])
