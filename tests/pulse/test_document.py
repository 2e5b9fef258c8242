"""A gateway as nodes and links."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pulse import shape
from ollama_twisted.pulse.document import LONGEST_NAME, MOST_MODELS, Drawing, state_of
from ollama_twisted.pulse.shape import Copy, Link, Loaded, Server
from ollama_twisted.pulse.view import Rates, Use
from ollama_twisted.services import Kind
from ollama_twisted.web.loaded import Model
from tests import live_document
from tests.pool.nodes import failed
from tests.pulse.views import MODEL, knows, node, view


class DocumentTests(SynchronousTestCase):
    """``docs/API.md``."""

    def test_current(self) -> None:
        """
        Its tables are of what is sent; ``python -m tests.live_document`` writes them.
        """
        text = live_document.DOCUMENT.read_text(encoding="utf-8")
        self.assertEqual(text, live_document.current(text))

    def test_complete(self) -> None:
        """
        Everything that is sent is described in there.
        """
        for kind in live_document.KINDS:
            for line in live_document.tables().splitlines():
                self.assertNotIn("|  |", line)
            self.assertTrue(kind.__doc__, kind)


class StateTests(SynchronousTestCase):
    """How a node is, in a word."""

    def test_states(self) -> None:
        """
        What the operator wants stands above what checks and requests have shown.
        """
        here = node()
        self.assertEqual(state_of(here, 0.0), "healthy")
        here.breaker.failed(here.breaker.admitted(0), 0.0, unreachable=True)
        self.assertEqual((state_of(here, 1.0), state_of(here, 9.0)), ("ejected", "healthy"))
        failed(here)
        self.assertEqual(state_of(here, 1.0), "down")
        here.draining = True
        self.assertEqual(state_of(here, 1.0), "draining")
        self.assertEqual(state_of(node(enabled=False), 0.0), "disabled")


class DrawingTests(SynchronousTestCase):
    """Nodes and links."""

    def test_server(self) -> None:
        """
        A node is told as configured and as seen.
        """
        here = knows(node(weight=2.0, max_in_flight=4, labels={"room": "1"}), "n", "m:1b")
        here.visits = 2
        here.version, here.in_flight, here.total_requests, here.failed_requests = "0.12", 1, 3, 2
        shown = view(here)
        seen = shown.nodes[0]._replace(loaded=(MODEL,), rates=Rates(1.5, 20.0, 800.0, 0.25))
        shown = replace(shown, nodes=(seen,))
        nodes, links = Drawing().draw(shown)
        self.assertEqual(
            nodes["a"],
            Server(
                id="a",
                kind="node",
                title="a",
                type="ollama",
                state="healthy",
                error="",
                version="0.12",
                url="http://a.test:11434",
                weight=2.0,
                in_flight=1,
                transfers=2,
                max_in_flight=4,
                total_requests=3,
                failed_requests=2,
                requests_per_second=1.5,
                tokens_per_second=20.0,
                first_token_seconds=0.25,
                bytes_per_second=800.0,
                models=("m:1b", "n"),
                loaded=(Loaded("m:1b", 100, 80, 4096, "2027-01-15T08:00:00Z"),),
                failures=(),
                labels={"room": "1"},
            ),
        )
        self.assertEqual(
            links["gateway->a"], Link("gateway->a", "gateway", "a", 1, 1.5, 20.0, 800.0)
        )
        self.assertEqual(links["a->model:m:1b"], Copy("a->model:m:1b", "a", "model:m:1b", 80))

    def test_asked(self) -> None:
        """
        A model in memory is told with how much it is asked for.
        """
        here = knows(node(), "m", "n", loaded=("m", "n"))
        use = Use(2, Rates(1.5, 20.0, first_token=0.25))
        told, _ = Drawing().draw(view(here, models={"m": use}))
        self.assertEqual(
            [told["model:m"], told["model:n"]],
            [
                shape.Model("model:m", "model", "m", 1, 2, 1.5, 20.0, 0.25),
                shape.Model("model:n", "model", "n", 1, 0, None, None, None),
            ],
        )

    def test_external(self) -> None:
        """
        A provider is told from a node.
        """
        told = Drawing().draw(view(node(kind=Kind.EXTERNAL)))[0]["a"]
        assert isinstance(told, Server)
        self.assertEqual((told.kind, told.type), ("external", "external"))

    def test_waiting(self) -> None:
        """
        Whoever waits is on the way between the clients and the gateway.
        """
        here = node()
        here.in_flight = 2
        link = Drawing().draw(view(here, waiting=3))[1]["clients->gateway"]
        assert isinstance(link, Link)
        self.assertEqual(link.in_flight, 5)

    def test_bounded(self) -> None:
        """
        A node may name what it wants: what is told of it stays bounded.
        """
        names = tuple(f"{number:04}" + "x" * 500 for number in range(2000))
        told = Drawing().draw(view(knows(node(), *names)))[0]["a"]
        assert isinstance(told, Server)
        self.assertEqual((len(told.models), len(told.models[0])), (MOST_MODELS, LONGEST_NAME))

    def test_said_twice(self) -> None:
        """
        A model is there once, however its node tells it; half a character can be sent.
        """
        shown = view(node())
        twice = (Model("m\ud800", 1, 1, None), Model("m\ud800", 2, None, None))
        shown = replace(shown, nodes=(shown.nodes[0]._replace(loaded=twice),))
        told, _ = Drawing().draw(shown)
        self.assertEqual([*told], ["clients", "gateway", "a", "model:m?"])
