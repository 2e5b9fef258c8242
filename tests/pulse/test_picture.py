"""Snapshots, and what leads from one to the next."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.pulse.events import KEPT
from ollama_twisted.pulse.picture import Picture
from ollama_twisted.pulse.tally import Tallies
from tests.pulse.views import date, knows, node, record, view


def plainly(document: Any) -> Any:
    """A document as a reader has it."""
    return json.loads(msgspec.json.encode(document))


class Reader:
    """Somebody who follows the deltas, as ``docs/API.md`` says."""

    def __init__(self, snapshot: Any) -> None:
        self.seq = snapshot["seq"]
        self.gateway = snapshot["gateway"]
        self.events = snapshot["events"]
        self.nodes = {each["id"]: each for each in snapshot["nodes"]}
        self.links = {each["id"]: each for each in snapshot["links"]}

    def hear(self, delta: Any) -> None:
        self.seq = delta["seq"]
        self.gateway = delta.get("gateway", self.gateway)
        self.events = (self.events + delta.get("events", []))[-KEPT:]
        for known, name in ((self.nodes, "nodes"), (self.links, "links")):
            known.update({each["id"]: each for each in delta[name]})
            for gone in delta["removed"][name]:
                del known[gone]


class PictureTests(SynchronousTestCase):
    """What is told of a gateway."""

    def setUp(self) -> None:
        self.tallies = Tallies(date)
        self.picture = Picture(self.tallies)

    def test_first(self) -> None:
        """
        The first delta says everything, for nothing was known.
        """
        delta = self.picture.draw(view(node("a")))
        assert delta is not None
        self.assertEqual((delta.seq, delta.gateway), (1, self.picture.snapshot().gateway))
        self.assertEqual([each.id for each in delta.nodes], ["clients", "gateway", "a"])

    def test_unchanged(self) -> None:
        """
        As long as nothing changes, nothing is told, whatever the time.
        """
        here = node("a")
        self.picture.draw(view(here))
        self.assertEqual(self.picture.draw(view(here, now=99.0)), None)
        self.assertEqual(self.picture.number, 1)

    def test_changed(self) -> None:
        """
        Only what differs is told.
        """
        a, b = node("a"), node("b")
        self.picture.draw(view(a, b))
        a.in_flight = 1
        delta = self.picture.draw(view(a, b))
        assert delta is not None
        self.assertEqual([each.id for each in delta.nodes], ["gateway", "a"])
        self.assertEqual([each.id for each in delta.links], ["clients->gateway", "gateway->a"])

    def test_models(self) -> None:
        """
        A model is there while a node has it in memory.
        """
        a, b = (knows(node(name), "m", loaded=("m",)) for name in "ab")
        self.picture.draw(view(a, b))
        models = {each.id: each for each in self.picture.snapshot().nodes}
        self.assertEqual(getattr(models["model:m"], "nodes", None), 2)
        delta = self.picture.draw(view(knows(a, "m"), knows(b, "m")))
        assert delta is not None
        self.assertEqual(delta.removed.nodes, ["model:m"])
        self.assertEqual(delta.removed.links, ["a->model:m", "b->model:m"])

    def test_said(self) -> None:
        """
        What cannot be seen on the nodes is told like the rest.
        """
        self.picture.draw(view())
        self.picture.say("now", "reloaded", None, "the configuration was read again")
        delta = plainly(self.picture.draw(view()))
        self.assertEqual([each["kind"] for each in delta["events"]], ["reloaded"])
        self.assertNotIn("gateway", delta)

    def test_nobody_looks(self) -> None:
        """
        What happens while nobody looks is in the next snapshot; no more than fits in there.
        """
        a = node("a")
        for number in range(2 * KEPT):
            a.draining = number % 2 == 0
            self.picture.look(view(a))
        delta = self.picture.draw(view(a))
        assert delta is not None and not isinstance(delta.events, msgspec.UnsetType)
        self.assertEqual(delta.events, self.picture.snapshot().events)
        self.assertEqual(len(delta.events), KEPT)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["work", "rest", "down", "up", "drain", "load", "fail", "come", "go", "look"]
                ),
                st.sampled_from("abc"),
                st.booleans(),
            ),
            max_size=60,
        )
    )
    def test_followed(self, happenings: list[tuple[str, str, bool]]) -> None:
        """
        Who follows the deltas knows what the next snapshot says, whatever happens in between;
        every link has both its ends.
        """
        tallies = Tallies(date)
        picture = Picture(tallies)
        nodes = {name: node(name) for name in "ab"}
        picture.draw(view(*nodes.values()))
        reader = Reader(plainly(picture.snapshot()))
        for now, (what, name, drawn) in enumerate(happenings):
            here = nodes.get(name)
            if what == "come":
                nodes.setdefault(name, node(name))
            elif what == "fail":
                tallies.count(record(node=name, failure="reset", detail="gone"))
            elif here is not None:
                if what == "go":
                    del nodes[name]
                elif what == "load":
                    knows(here, "m", "n", loaded=("m", "n")[: now % 3])
                elif what == "drain":
                    here.draining = not here.draining
                elif what in ("up", "down"):
                    here.health.passed() if what == "up" else here.health.failed(0.0)
                    here.breaker.failed(1, float(now), unreachable=True)
                else:
                    here.in_flight = int(what == "work")
            shown = view(*nodes.values(), now=float(now), waiting=now % 4)
            if not drawn:
                picture.look(shown)
                continue
            number, delta = picture.number, picture.draw(shown)
            if delta is not None:
                self.assertEqual(delta.seq, number + 1)
                reader.hear(plainly(delta))
            snapshot = plainly(picture.snapshot())
            self.assertEqual(vars(reader), vars(Reader(snapshot)))
            for link in reader.links.values():
                self.assertLessEqual({link["source"], link["target"]}, reader.nodes.keys())
