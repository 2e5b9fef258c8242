"""Which nodes may serve a request, and why the others may not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import ModelSizes, SizeRange
from ollama_twisted.pool.eligibility import Reason, Refusal, Want, eligible, fits
from ollama_twisted.pool.node import Node
from ollama_twisted.services import OFFERS, SINCE, Kind, Service
from tests.pool.nodes import failed, models, node, openai_models


def reasons(nodes: list[Node], model: str | None) -> dict[str, Reason | None]:
    """Why each node may not serve the model."""
    return {
        each.name: refusal.reason if refusal is not None else None
        for each, refusal in eligible(nodes, Want(model), ModelSizes())
    }


def having(name: str, *listed: str) -> Node:
    """A node that has these models."""
    found = node(name)
    found.models = models(*listed)
    return found


class ModelTests(SynchronousTestCase):
    """Nodes that have the model, and nodes that have not."""

    def test_has(self) -> None:
        """A request goes to the nodes that have its model, by exact name and tag."""
        nodes = [having("a", "m:8b"), having("b", "m:70b"), having("c", "M:8B", "x")]
        self.assertEqual(reasons(nodes, "m:8b"), {"a": None, "b": Reason.ABSENT, "c": None})

    def test_nobody(self) -> None:
        """A model that nobody has goes to all that may serve its size."""
        nodes = [having("a", "x"), having("b"), node("c", ranges=(SizeRange(0, 10),))]
        nodes[2].models = models()
        self.assertEqual(reasons(nodes, "m:70b"), {"a": None, "b": None, "c": Reason.SIZE})

    def test_not_told(self) -> None:
        """A node that has not told its models may have it."""
        nodes = [having("a", "x"), node("b")]
        self.assertEqual(reasons(nodes, "m"), {"a": Reason.ABSENT, "b": None})

    def test_failed(self) -> None:
        """A model whose only node is down is not sent to nodes that cannot find it."""
        nodes = [failed(having("a", "m")), having("b", "x")]
        self.assertEqual(reasons(nodes, "m"), {"a": Reason.UNHEALTHY, "b": Reason.ABSENT})

    def test_down_and_silent(self) -> None:
        """A node that went down before it told its models hides no other."""
        nodes = [failed(node("a")), having("b", "x")]
        self.assertEqual(reasons(nodes, "m"), {"a": Reason.UNHEALTHY, "b": None})

    def test_out_of_range(self) -> None:
        """A node that may not serve a size does not count as having models of it."""
        nodes = [node("a", ranges=(SizeRange(0, 10),)), having("b", "x")]
        nodes[0].models = models("m:70b")
        self.assertEqual(reasons(nodes, "m:70b"), {"a": Reason.SIZE, "b": None})

    def test_any(self) -> None:
        """A request without a model goes to any node."""
        nodes = [having("a", "x"), node("b", ranges=(SizeRange(0, 1),))]
        self.assertEqual(reasons(nodes, None), {"a": None, "b": None})


class StateTests(SynchronousTestCase):
    """Nodes that may serve nothing at all."""

    def test_reasons(self) -> None:
        """Disabled, draining and unhealthy nodes are told apart."""
        draining = node("b")
        draining.draining = True
        nodes = [node("a", enabled=False), draining, failed(node("c")), node("d")]
        self.assertEqual(
            reasons(nodes, "m"),
            {"a": Reason.DISABLED, "b": Reason.DRAINING, "c": Reason.UNHEALTHY, "d": None},
        )

    def test_words(self) -> None:
        """Each reason is told in words that an operator understands."""
        silent = failed(node("c"))
        silent.last_check_error = "connection refused"
        nodes = [
            node("b", ranges=(SizeRange(0, 8),)),
            silent,
            having("d", "x"),
            having("e", "m:70b"),
        ]
        told = [str(refusal) for _, refusal in eligible(nodes, Want("m:70b"), ModelSizes())]
        self.assertEqual(
            told,
            [
                "70B is outside its size ranges",
                "down (connection refused)",
                "it does not have the model",
                "None",
            ],
        )


class KindTests(SynchronousTestCase):
    """Nodes that can answer a request at all, and nodes that cannot."""

    def setUp(self) -> None:
        self.ollama = having("a", "m")
        self.llama = node("b", kind=Kind.OPENAI)
        self.whisper = node("c", kind=Kind.WHISPER)
        self.cloud = node("d", kind=Kind.EXTERNAL)
        self.nodes = [self.ollama, self.llama, self.whisper, self.cloud]

    def asked(self, service: Service, model: str | None = None) -> str:
        """Who may be asked."""
        judged = eligible(self.nodes, Want(model, service=service), ModelSizes())
        return "".join(each.name for each, refusal in judged if refusal is None)

    def test_services(self) -> None:
        """Each service is offered by the kinds that have it."""
        self.assertEqual(
            {each.value: self.asked(each, "m") for each in Service},
            {
                "native": "ad",
                "manage": "ad",
                "openai": "abd",
                "responses": "abd",
                "messages": "abd",
                "models": "abcd",
                "transcriptions": "acd",
                "audio": "c",
            },
        )

    def test_words(self) -> None:
        """The reason names the kind and what was asked for."""
        want = Want(path="/api/chat")
        told = [str(refusal) for _, refusal in eligible(self.nodes, want, ModelSizes())]
        self.assertEqual(
            told,
            [
                "None",
                "an openai node has no /api/chat",
                "a whisper node has no /api/chat",
                "None",
            ],
        )

    def test_other_kind_has_it(self) -> None:
        """A model that only a node of another kind has is not looked for on the wrong nodes."""
        self.cloud.models = models()
        self.llama.models = openai_models("gguf")
        self.assertEqual(self.asked(Service.NATIVE, "gguf"), "")
        self.assertEqual(self.asked(Service.OPENAI, "gguf"), "b")

    def test_brought(self) -> None:
        """But it can be pulled to an Ollama."""
        self.cloud.models = models()
        self.llama.models = openai_models("gguf")
        self.assertEqual(self.asked(Service.MANAGE, "gguf"), "ad")

    def test_exact(self) -> None:
        """A server that is no Ollama has models by exactly the names that it lists."""
        self.nodes = [self.llama]
        self.llama.models = openai_models("Qwen/Qwen3-8B", "b:latest")
        other = having("a", "x")
        for name, has in {"Qwen/Qwen3-8B": True, "qwen/qwen3-8b": False, "b": False}.items():
            self.nodes = [self.llama, other]
            self.assertEqual(self.asked(Service.OPENAI, name), "b" if has else "a", name)

    def test_nobody(self) -> None:
        """A text model that nobody has is asked for where that is told, else of anybody."""
        self.nodes = [self.ollama, self.llama]
        self.llama.models = openai_models("gguf")
        self.assertEqual(self.asked(Service.OPENAI, "x"), "a")
        failed(self.ollama)
        self.assertEqual(self.asked(Service.OPENAI, "x"), "")
        self.nodes = [self.llama]
        self.assertEqual(self.asked(Service.OPENAI, "x"), "b")

    def test_whisper(self) -> None:
        """A speech model that nobody lists is asked for at a speech server; one that is, there."""
        self.nodes = [self.ollama, self.whisper]
        self.whisper.models = openai_models("Systran/faster-whisper-tiny.en")
        self.assertEqual(self.asked(Service.TRANSCRIPTIONS, "whisper-1"), "c")
        self.ollama.models = models("gemma4:e4b")
        self.assertEqual(self.asked(Service.TRANSCRIPTIONS, "gemma4:e4b"), "a")

    def test_no_model(self) -> None:
        """A recording that names no model is taken by a speech server, if there is one."""
        self.nodes = [self.ollama, self.whisper]
        self.assertEqual(self.asked(Service.TRANSCRIPTIONS, None), "c")
        self.assertEqual(self.asked(Service.NATIVE, None), "a")
        failed(self.whisper)
        self.assertEqual(self.asked(Service.TRANSCRIPTIONS, None), "")
        self.nodes = [self.ollama]
        self.assertEqual(self.asked(Service.TRANSCRIPTIONS, None), "a")


class CapabilityTests(SynchronousTestCase):
    """What a node lacks that others of its kind have."""

    def refusal(self, found: Node, service: Service, path: str = "") -> Refusal | None:
        ((_, refusal),) = eligible([found], Want(service=service, path=path), ModelSizes())
        return refusal

    def test_versions(self) -> None:
        """What came with a later version of Ollama is not asked of an earlier one."""
        found = node()
        for version, lacks in {
            "0.12.0": {Service.RESPONSES, Service.MESSAGES, Service.TRANSCRIPTIONS},
            "0.13.3": {Service.MESSAGES, Service.TRANSCRIPTIONS},
            "v0.14.0": {Service.TRANSCRIPTIONS},
            "0.20.0-rc0": set(),
            "1.0.0": set(),
            "0.0.0": set(),
            "unheard of": set(),
        }.items():
            found.is_of(version)
            refused = {each for each in SINCE if self.refusal(found, each) is not None}
            self.assertEqual(refused, lacks, version)

    def test_untold(self) -> None:
        """Of one that has not told its version anything is asked; other kinds have none."""
        self.assertIsNone(self.refusal(node(), Service.MESSAGES))
        llama = node(kind=Kind.OPENAI)
        llama.is_of("0.1.0")
        self.assertIsNone(self.refusal(llama, Service.MESSAGES))

    def test_version_words(self) -> None:
        """The reason says which version would do."""
        found = node()
        found.is_of("0.12.6")
        refusal = self.refusal(found, Service.MESSAGES, "/v1/messages")
        assert refusal is not None
        self.assertEqual(refusal.reason, Reason.VERSION)
        self.assertEqual(str(refusal), "Ollama 0.12.6 has no /v1/messages, which came with 0.14.0")

    def test_configured(self) -> None:
        """What the operator says that it lacks is not asked of it."""
        found = node(kind=Kind.OPENAI, lacks=frozenset({Service.RESPONSES}))
        self.assertIsNone(self.refusal(found, Service.MESSAGES))
        refusal = self.refusal(found, Service.RESPONSES, "/v1/responses")
        assert refusal is not None
        self.assertEqual(refusal.reason, Reason.KIND)
        self.assertEqual(str(refusal), "it has no /v1/responses, as configured")


class RangeTests(SynchronousTestCase):
    """Sizes within ranges."""

    def test_ends(self) -> None:
        """Both ends belong to a range."""
        sizes = (7.9, 8.0, 70.0, 70.1)
        inside = [fits(SizeRange(8, 70), each) for each in sizes]
        self.assertEqual(inside, [False, True, True, False])

    def test_open(self) -> None:
        """A range without an upper end has none."""
        self.assertEqual(fits(SizeRange(8, None), 1000.0), True)

    def test_several(self) -> None:
        """One range that fits is enough."""
        several = node("a", ranges=(SizeRange(1, 2), SizeRange(60, None)))
        found = {size: reasons([several], f"m:{size}b")["a"] for size in (1, 7, 70)}
        self.assertEqual(found, {1: None, 7: Reason.SIZE, 70: None})


class AnyNodesTests(SynchronousTestCase):
    """Whatever is known of the nodes."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(Kind), st.none() | st.sets(st.sampled_from("abc")), st.booleans()
            ),
            max_size=6,
        ),
        st.sampled_from(Service),
        st.none() | st.sampled_from("abcd"),
    )
    def test_kinds(
        self,
        known: list[tuple[Kind, set[str] | None, bool]],
        service: Service,
        model: str | None,
    ) -> None:
        """Nobody is asked for what its kind cannot answer; each other has a reason of its own."""
        nodes = []
        for index, (kind, listed, healthy) in enumerate(known):
            each = node(str(index), kind=kind)
            ollama = Service.NATIVE in OFFERS[kind]
            if listed is not None:
                each.models = (models if ollama else openai_models)(*listed)
            nodes.append(each if healthy else failed(each))
        for each, refusal in eligible(nodes, Want(model, service=service), ModelSizes()):
            offered = service in OFFERS[each.config.kind]
            self.assertEqual(offered, refusal is None or refusal.reason is not Reason.KIND)

    @given(
        st.lists(
            st.tuples(
                st.booleans(),
                st.booleans(),
                st.none() | st.sets(st.sampled_from("abc")),
                st.booleans(),
            ),
            max_size=5,
        ),
        st.none() | st.sampled_from("abcd"),
    )
    def test_rules(
        self, known: list[tuple[bool, bool, set[str] | None, bool]], model: str | None
    ) -> None:
        """Only nodes that serve are chosen, and only such that may have the model if any may."""
        nodes, may_have, lost = [], set(), False
        for index, (enabled, healthy, listed, fitting) in enumerate(known):
            each = node(str(index), enabled=enabled, ranges=(SizeRange(7 if fitting else 8),))
            if listed is not None:
                each.models = models(*listed)
            if not healthy:
                failed(each)
            nodes.append(each)
            serves = enabled and healthy and (fitting or model is None)
            if serves and (model is None or listed is None or model in listed):
                may_have.add(str(index))
            if enabled and not healthy and fitting and listed is not None and model in listed:
                lost = True
        chosen = {name for name, reason in reasons(nodes, model).items() if reason is None}
        if may_have or lost:
            self.assertEqual(chosen, may_have)
        else:
            serving = {
                str(index)
                for index, (enabled, healthy, _, fitting) in enumerate(known)
                if enabled and healthy and (fitting or model is None)
            }
            self.assertEqual(chosen, serving)
