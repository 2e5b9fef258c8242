"""Reading a server's events, and keeping its document current."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.top import document
from ollama_twisted.top.document import MOST_EVENTS, Document, EventReader
from ollama_twisted.web.events import event

STREAM = (
    b"retry: 3000\n\n"
    + event("snapshot", 1, {"seq": 1, "title": "größer"})
    + b": still here\n\n"
    + b"data: one\r\ndata: two\r\n\r\n"
    + event("delta", 2, {"seq": 2})
)
TOLD = [
    ("snapshot", '{"seq":1,"title":"größer"}'),
    ("message", "one\ntwo"),
    ("delta", '{"seq":2}'),
]


def node(name: str, **more: Any) -> dict[str, Any]:
    """A node as it is told."""
    return {"id": name, "kind": "node", "title": name, **more}


class ReaderTests(SynchronousTestCase):
    """``text/event-stream``."""

    def read(self, *pieces: bytes) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        reader = EventReader(lambda name, data: found.append((name, data)))
        for piece in pieces:
            reader.feed(piece)
        return found

    def test_whole(self) -> None:
        """
        Each event has its name and its data; comments and other fields are no events.
        """
        self.assertEqual(self.read(STREAM), TOLD)

    @given(st.lists(st.integers(0, len(STREAM)), max_size=6))
    def test_cut(self, cuts: list[int]) -> None:
        """
        Split anywhere, in a letter too, it reads the same.
        """
        places = [0, *sorted(cuts), len(STREAM)]
        pieces = [STREAM[a:b] for a, b in pairwise(places)]
        self.assertEqual(self.read(*pieces), TOLD)

    def test_unfinished(self) -> None:
        """
        What has not ended is not told.
        """
        self.assertEqual(self.read(b"event: delta\ndata: {}\n"), [])

    def test_endless(self) -> None:
        """
        A line without an end is refused before it fills the memory.
        """
        self.patch(document, "MAX_LINE", 1000)
        self.assertRaises(ValueError, self.read, b"x" * 1001)


class DocumentTests(SynchronousTestCase):
    """Snapshots and deltas."""

    def setUp(self) -> None:
        self.document = Document()
        self.hear(
            "snapshot",
            seq=5,
            role="gateway",
            gateway={"in_flight": 1},
            nodes=[node("a"), node("b"), {"id": "model:m", "kind": "model"}],
            links=[{"id": "gateway->a"}],
            events=[{"seq": 1}],
        )

    def hear(self, name: str, **told: Any) -> None:
        self.document.hear(name, json.dumps(told))

    def test_snapshot(self) -> None:
        """
        A snapshot is all there is to know; what was known before is forgotten.
        """
        self.hear("snapshot", seq=1, nodes=[node("c")])
        self.assertEqual((list(self.document.nodes), self.document.gateway), (["c"], {}))
        self.assertEqual((self.document.links, self.document.events), ({}, []))

    def test_delta(self) -> None:
        """
        A delta changes what it names, and leaves the rest.
        """
        self.hear(
            "delta",
            seq=6,
            nodes=[node("b", in_flight=2), node("c")],
            removed={"nodes": ["a"], "links": ["gateway->a"]},
            events=[{"seq": 2}],
        )
        self.assertEqual([each["id"] for each in self.document.servers], ["b", "c"])
        self.assertEqual(self.document.nodes["b"]["in_flight"], 2)
        self.assertEqual((self.document.links, self.document.gateway), ({}, {"in_flight": 1}))
        self.assertEqual([each["seq"] for each in self.document.events], [1, 2])

    def test_old(self) -> None:
        """
        A delta that is older than what is known changes nothing.
        """
        self.hear("delta", seq=5, removed={"nodes": ["a"]})
        self.assertIn("a", self.document.nodes)

    def test_servers(self) -> None:
        """
        Models, clients and the gateway are no nodes that answer.
        """
        self.assertEqual([each["id"] for each in self.document.servers], ["a", "b"])

    def test_bounded(self) -> None:
        """
        Of events only the last are kept.
        """
        self.hear("delta", seq=6, events=[{"seq": number} for number in range(500)])
        self.assertEqual(len(self.document.events), MOST_EVENTS)
        self.assertEqual(self.document.events[-1], {"seq": 499})

    @given(
        st.sampled_from(["snapshot", "delta", "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["seq", "nodes", "links", "gateway", "removed", "events", "id"]
                    ),
                    inner,
                    max_size=5,
                )
            ),
        ),
    )
    def test_anything(self, name: str, told: Any) -> None:
        """
        Whatever a server says, what is not of the expected form is passed over.
        """
        self.document.hear(name, json.dumps(told))
        self.document.hear(name, "{")
        self.assertIsInstance(self.document.servers, list)
