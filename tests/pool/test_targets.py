"""The nodes that a change of models is for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import Address, ModelSizes, NodeConfig, SizeRange
from ollama_twisted.config.targets import Targets
from ollama_twisted.pool.models import NodeModels
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.targets import LISTED, NoTarget, chosen, managed, named
from ollama_twisted.services import Kind
from tests.pool.nodes import failed

SIZES = ModelSizes()


def node(name: str, *models: str, kind: Kind = Kind.OLLAMA, **config: object) -> Node:
    """A healthy node that has told its models."""
    made = Node(NodeConfig(name, (Address("http", name, 1),), kind=kind, **config))  # type: ignore
    made.health.passed()
    made.models = NodeModels.from_lists([{"name": each} for each in models], None)
    return made


def names(nodes: list[Node]) -> str:
    """The names of these nodes, in their order."""
    return "".join(each.name for each in nodes)


class ChosenTests(SynchronousTestCase):
    """So many of them."""

    def test_order(self) -> None:
        """Who has the model, then who has fewest, then who is least busy."""
        nodes = [node("a", "x", "y"), node("b", "x"), node("c", "x"), node("d", "m", "x", "y")]
        nodes[1].in_flight = 3
        first, others = chosen(2, nodes, "m", SIZES)
        self.assertEqual((names(first), names(others)), ("dc", "ba"))

    def test_sizes(self) -> None:
        """A model goes where its size fits, or where it is already."""
        small = (SizeRange(0, 10),)
        nodes = [node("a", ranges=small), node("b"), node("c", "m:70b", ranges=small)]
        first, others = chosen(1, nodes, "m:70b", SIZES)
        self.assertEqual((names(first), names(others)), ("c", "b"))

    def test_able(self) -> None:
        """Not to those that are down, draining, disabled, another's or of another kind."""
        nodes = [node(name) for name in "abcdef"]
        failed(nodes[0])
        nodes[1].draining = True
        nodes[2] = node("c", enabled=False)
        nodes[3] = node("d", kind=Kind.EXTERNAL)
        nodes[4] = node("e", kind=Kind.WHISPER)
        self.assertEqual(names(chosen(1, nodes, None, SIZES)[0]), "f")
        error = self.assertRaises(NoTarget, chosen, 2, nodes, None, SIZES)
        self.assertEqual(str(error), "2 nodes are wanted, and 1 could do it (f)")

    @given(some.lists(some.integers(0, 3), min_size=1, max_size=6), some.data())
    def test_never_one_with_more(self, loads: list[int], data: some.DataObject) -> None:
        """Nobody is chosen before one that has fewer models, and nobody twice."""
        nodes = [node(f"n{i}", *(f"m{j}" for j in range(n))) for i, n in enumerate(loads)]
        count = data.draw(some.integers(1, len(nodes)))
        first, others = chosen(count, nodes, "new", SIZES)
        self.assertEqual({id(each) for each in first + others}, {id(each) for each in nodes})
        held = [len(each.models.names) for each in first + others if each.models is not None]
        self.assertEqual((len(first), held), (count, sorted(held)))


class NamedTests(SynchronousTestCase):
    """Those that are named."""

    def setUp(self) -> None:
        self.nodes = {
            "a": node("a", labels={"zone": "attic"}),
            "b": node("b", kind=Kind.EXTERNAL, labels={"zone": "attic"}),
            "c": node("c", labels={"zone": "cellar"}),
        }

    def test_order(self) -> None:
        """They come in the pool's order, each once."""
        targets = Targets(names=("c", "a"), labels=(("zone", "attic"),))
        self.assertEqual(names(named(targets, self.nodes)), "ac")

    def test_external(self) -> None:
        """A label does not mean someone else's node, its name does."""
        self.assertEqual(names(named(Targets(labels=(("zone", "attic"),)), self.nodes)), "a")
        self.assertEqual(names(named(Targets(names=("b",)), self.nodes)), "b")
        self.assertEqual(names(managed(self.nodes.values())), "ac")

    def test_many_known(self) -> None:
        """Of very many nodes not all are listed in a message."""
        nodes = {f"n{i}": node(f"n{i}") for i in range(LISTED + 7)}
        error = self.assertRaises(NoTarget, named, Targets(names=("x",)), nodes)
        self.assertTrue(str(error).endswith("n49 and 7 more"), str(error))
