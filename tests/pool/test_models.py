"""Which names mean the same model, and what size a name tells."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import ModelSizes
from ollama_twisted.pool.models import LONGEST_NAME, ModelName, NodeModels, SizeFound, size_of

parse = ModelName.parse
part = st.text("abcXYZ019_-.", min_size=1, max_size=8)


class NameTests(SynchronousTestCase):
    """Names as Ollama reads them."""

    def test_whole(self) -> None:
        """Host, namespace, model and tag are told apart; a port is no tag."""
        self.assertEqual(
            parse("reg.example:5000/ns/model:8b"),
            ModelName("reg.example:5000", "ns", "model", "8b"),
        )
        self.assertEqual(
            parse("reg.example:5000/ns/model"),
            ModelName("reg.example:5000", "ns", "model", "latest"),
        )

    def test_defaults(self) -> None:
        """What is left out is filled in."""
        full = ModelName("registry.ollama.ai", "library", "llama3", "latest")
        for short in (
            "llama3",
            "llama3:latest",
            "library/llama3",
            "registry.ollama.ai/library/llama3",
            "https://registry.ollama.ai/library/llama3:latest",
        ):
            self.assertEqual(parse(short), full)

    def test_capitals(self) -> None:
        """Capitals make no difference, nor do blanks around a name."""
        self.assertEqual(parse(" Qwen3-Coder:30B\n"), parse("qwen3-coder:30b"))

    def test_tags_differ(self) -> None:
        """Another tag is another model."""
        self.assertEqual(len({parse("llama3:8b"), parse("llama3:70b"), parse("llama3")}), 3)

    def test_written_but_empty(self) -> None:
        """A part that is written but empty is not filled in: Ollama refuses such a name."""
        for broken in ("llama3:", "/llama3", "/library/llama3", ":8b", ""):
            self.assertNotIn(parse(broken), {parse("llama3"), parse("llama3:8b")})

    def test_local(self) -> None:
        """``:local`` says where to run a model, not which."""
        self.assertEqual(parse("llama3:8b:local"), parse("llama3:8b"))
        self.assertEqual(parse("llama3:LOCAL"), parse("llama3"))

    def test_cloud(self) -> None:
        """``:cloud`` names what a node lists with ``cloud`` in its tag."""
        self.assertEqual(parse("gpt-oss:20b:cloud"), parse("gpt-oss:20b-cloud"))
        self.assertEqual(
            parse("glm:cloud"), ModelName("registry.ollama.ai", "library", "glm", "cloud")
        )
        self.assertNotEqual(parse("gpt-oss:20b:cloud"), parse("gpt-oss:20b"))

    def test_too_long(self) -> None:
        """A name longer than any is nobody's, whatever it begins with."""
        for end in ("", "x", ":latest"):
            self.assertNotEqual(parse("llama3" + " " * LONGEST_NAME + end), parse("llama3"))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is some name, the same however often it is read."""
        self.assertEqual(parse(text), parse(f" {text.lower()}"))

    @given(part, part, part, part)
    def test_written_out(self, host: str, namespace: str, model: str, tag: str) -> None:
        """A name that is written out in full is what it says, in small letters."""
        if tag.lower() in ("local", "cloud"):
            return
        self.assertEqual(
            parse(f"{host}/{namespace}/{model}:{tag}"),
            ModelName(host.lower(), namespace.lower(), model.lower(), tag.lower()),
        )


class SizeTests(SynchronousTestCase):
    """The rules, in their order."""

    sizes = ModelSizes(
        patterns={"mix": 47.0, "mixtral": 46.0, "Tiny": 1.0},
        mapping={"known": 3.0, "known:Special": 4.0, "Coder:30b": 99.0},
        default=7.0,
    )

    def found(self, name: str) -> SizeFound:
        return size_of(name, self.sizes)

    def test_tag(self) -> None:
        """A number in the tag comes first, before what the operator says."""
        self.assertEqual(self.found("llama3-8b:70b-instruct"), SizeFound(70.0, "tag", "70b"))
        self.assertEqual(self.found("coder:30b"), SizeFound(30.0, "tag", "30b"))

    def test_spellings(self) -> None:
        """Capitals, dashes and underlines do not matter."""
        for tag in ("30B", "30-b", "30_b", "30 b", "30 - b", "q4-30b-instruct"):
            self.assertEqual(self.found(f"m:{tag}").size_b, 30.0)

    def test_fractions(self) -> None:
        """A fraction is read whole, not from its point on."""
        self.assertEqual(self.found("qwen2.5:1.5b"), SizeFound(1.5, "tag", "1.5b"))
        self.assertEqual(self.found("qwen2.5-0.5b").size_b, 0.5)

    def test_no_size(self) -> None:
        """A number of millions, or one in front of a longer word, is no size."""
        for name in ("smollm2:135m", "m:8bit", "m:b"):
            self.assertEqual(self.found(name), SizeFound(7.0, "default"))

    def test_name(self) -> None:
        """Then a number in the rest of the name."""
        self.assertEqual(self.found("mixtral-13b:latest"), SizeFound(13.0, "name", "13b"))
        self.assertEqual(self.found("host:80/ns/m-3b"), SizeFound(3.0, "name", "3b"))

    def test_mapping(self) -> None:
        """Then the operator's mapping, by the whole name and by the name without its tag."""
        self.assertEqual(self.found("known:special"), SizeFound(4.0, "mapping", "known:special"))
        self.assertEqual(self.found("KNOWN:other"), SizeFound(3.0, "mapping", "known"))

    def test_patterns(self) -> None:
        """Then the largest of the operator's patterns that the name contains."""
        self.assertEqual(self.found("mixtral:latest"), SizeFound(47.0, "pattern", "mix"))
        self.assertEqual(self.found("my-tiny"), SizeFound(1.0, "pattern", "Tiny"))

    def test_default(self) -> None:
        """Then the default."""
        self.assertEqual(self.found("other"), SizeFound(7.0, "default"))

    def test_too_long(self) -> None:
        """A name longer than any is not searched."""
        self.assertEqual(self.found("x" * LONGEST_NAME + ":8b"), SizeFound(7.0, "default"))

    def test_hostile(self) -> None:
        """No name that somebody makes up takes long to search."""
        half = LONGEST_NAME // 2
        hostile = ["1" * LONGEST_NAME, "1" * half + " " * half, ("1" + " " * 20) * 28, "1." * half]
        took = []
        for _ in range(3):
            began = perf_counter()
            for name in hostile:
                self.found(name)
            took.append(perf_counter() - began)
        self.assertLess(min(took), 0.02)


class NodeModelsTests(SynchronousTestCase):
    """What a node has, from what it says."""

    def test_has(self) -> None:
        """A node has the models it lists, by any spelling of their names."""
        listed = NodeModels.from_lists([{"name": "Llama3:8b"}, {"name": "phi3:latest"}], [])
        asked = ("llama3:8b", "library/phi3", "llama3", "llama3:70b")
        self.assertEqual([listed.has(parse(each)) for each in asked], [True, True, False, False])

    def test_loaded(self) -> None:
        """It has in memory what it lists as running."""
        listed = NodeModels.from_lists([{"name": "a"}, {"name": "b"}], [{"name": "b:latest"}])
        self.assertEqual([listed.is_loaded(each) for each in ("a", "B")], [False, True])

    def test_names(self) -> None:
        """Names are kept as the node writes them."""
        listed = NodeModels.from_lists([{"model": "Ab:1"}, {"name": "c"}], None)
        self.assertEqual((listed.names, listed.loaded_names), (("Ab:1", "c"), ()))

    @given(
        st.lists(
            st.none()
            | st.text()
            | st.dictionaries(
                st.sampled_from(["name", "model"]), st.none() | st.integers() | st.text()
            )
        )
    )
    def test_junk(self, tags: list[Any]) -> None:
        """What is no model is passed over."""
        for name in NodeModels.from_lists(tags, tags).names:
            self.assertIsInstance(name, str)


def _nested(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(["id", "aliases", "meta", "status", "max_model_len", "n_ctx", "value"])
    return st.lists(of, max_size=3) | st.dictionaries(keys, of, max_size=4)


class OpenAIModelsTests(SynchronousTestCase):
    """What another server lists at ``/v1/models``."""

    def test_exact(self) -> None:
        """Its names count to the letter."""
        known = NodeModels.from_openai([{"id": "Qwen/Qwen3-8B"}, {"id": "x:latest"}])
        self.assertEqual(known.names, ("Qwen/Qwen3-8B", "x:latest"))
        found = [known.has(parse(each)) for each in ("Qwen/Qwen3-8B", "qwen/qwen3-8b", "x")]
        self.assertEqual(found, [True, False, False])

    def test_aliases(self) -> None:
        """llama.cpp's server tells by which other names it knows a model."""
        known = NodeModels.from_openai([{"id": "a", "aliases": ["a", "b", 5]}])
        self.assertEqual((known.names, known.has(parse("b"))), (("a",), True))

    def test_loaded(self) -> None:
        """What is in memory is known only where the server tells, with the context it keeps."""
        known = NodeModels.from_openai(
            [
                {"id": "llama.cpp", "meta": {"n_ctx": 2048}},
                {"id": "vllm", "max_model_len": 4096},
                {"id": "router-1", "status": {"value": "loaded"}},
                {"id": "router-2", "status": {"value": "unloaded"}, "meta": {}},
                {"id": "lmstudio"},
            ]
        )
        self.assertEqual(known.loaded_names, ("llama.cpp", "vllm", "router-1"))
        self.assertEqual(list(known.contexts.values()), [2048, 4096, None])

    @given(st.lists(st.recursive(st.none() | st.text() | st.integers(), _nested, max_leaves=8)))
    def test_junk(self, data: list[Any]) -> None:
        """What is no model is passed over."""
        names = NodeModels.from_openai([*data, {"id": "m"}]).names
        self.assertIn("m", names)
