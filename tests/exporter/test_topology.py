"""The topology as a document, its changes, and Grafana's view of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.exporter import nodegraph
from ollama_twisted.exporter.settings import Watched
from tests.exporter.world import (
    NODE2,
    NOTHING,
    ROUTER,
    UP,
    World,
    connections,
    snapshot,
    traffic,
)


def by_id(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same, by their ids."""
    return {each["id"]: each for each in items}


class DocumentTests(SynchronousTestCase):
    """What ``/api/topology`` tells."""

    def test_document(self) -> None:
        """
        Nodes and links have what a page needs to draw them.
        """
        world = World(ROUTER, NODE2)
        world.said.views["node1"] = UP
        world.exporter.looked(snapshot(connections(_10_0_0_5=2, _127_0_0_1=1)))
        document = world.exporter.topology.document
        self.assertEqual(
            {name: document[name] for name in ("schema", "seq", "time", "node", "bytes")},
            {
                "schema": 1,
                "seq": 1,
                "time": "1970-01-01T00:16:40Z",
                "node": "node1",
                "bytes": {"method": "ss_events", "quality": "exact"},
            },
        )
        nodes = by_id(document["nodes"])
        self.assertEqual(
            {name: each["kind"] for name, each in nodes.items()},
            {"node1": "node", "router": "router", "local": "client"},
        )
        self.assertEqual(nodes["node1"]["states"], {"established": 3, "listen": 1})
        self.assertEqual(nodes["node1"]["models"], ["llama3.2:3b"])
        self.assertEqual(
            document["links"][0],
            {
                "id": "node1->router",
                "source": "node1",
                "target": "router",
                "connections": 2,
                "sent_bytes_per_second": None,
                "recv_bytes_per_second": None,
                "rtt_seconds": 0.001,
            },
        )

    def test_idle_router(self) -> None:
        """
        A router stays drawn while it is idle; a client is gone when it has gone.
        """
        world = World(ROUTER, NODE2)
        world.exporter.looked(snapshot(connections()))
        self.assertEqual(list(by_id(world.exporter.topology.document["links"])), ["node1->router"])

    def test_rates(self) -> None:
        """
        A node's pace is what has gone over the wire since the last look.
        """
        world = World()
        seen = connections()
        world.exporter.looked(snapshot(seen, time=1000, traffic={11434: traffic(100, 10)}))
        node = world.exporter.topology.document["nodes"][0]
        self.assertEqual(node["sent_bytes_per_second"], None)
        world.exporter.looked(snapshot(seen, time=1002, traffic={11434: traffic(2100, 30)}))
        node = world.exporter.topology.document["nodes"][0]
        self.assertEqual((node["sent_bytes_per_second"], node["recv_bytes_per_second"]), (1000, 10))

    def test_link_rates(self) -> None:
        """
        So is a link's, whoever else is connected.
        """
        world = World(ROUTER)
        seen = connections(_10_0_0_5=1, _127_0_0_1=1)
        for time, sent in ((1000, 0), (1002, 400)):
            peers = {"10.0.0.5": (sent, 20), "127.0.0.1": (7 * sent, 5), "": (9, 9)}
            carried = {11434: traffic(8 * sent, 25, peers=peers)}
            world.exporter.looked(snapshot(seen, time=time, traffic=carried))
        links = by_id(world.exporter.topology.document["links"])
        rates = {name: each["sent_bytes_per_second"] for name, each in links.items()}
        self.assertEqual(rates, {"node1->router": 200, "node1->local": 1400})
        self.assertEqual(links["node1->router"]["recv_bytes_per_second"], 0)

    def test_not_known(self) -> None:
        """
        When nothing could be measured nothing is shown as if it were.
        """
        world = World(ROUTER)
        world.exporter.looked(snapshot(connections(_10_0_0_5=2)))
        world.exporter.looked(NOTHING)
        document = world.exporter.topology.document
        self.assertEqual(document["links"], [])
        self.assertEqual(document["nodes"][0]["connections"], None)

    def test_no_addresses(self) -> None:
        """
        No stranger's address is told.
        """
        world = World(ROUTER)
        world.exporter.looked(snapshot(connections(_203_0_113_7=1)))
        self.assertNotIn("203.0.113.7", str(world.exporter.topology.document))


class DeltaTests(SynchronousTestCase):
    """What has changed."""

    def test_unchanged(self) -> None:
        """
        Nothing new is no news, and keeps its number.
        """
        world = World(ROUTER)
        for time in (1000, 1002):
            world.exporter.looked(snapshot(connections(), time=time))
        number = world.exporter.topology.number
        self.assertEqual(world.exporter.topology.update(world.view), None)
        self.assertEqual(world.exporter.topology.number, number)

    def test_changed(self) -> None:
        """
        Only what differs is told, and the names of what is gone.
        """
        world = World(ROUTER)
        topology, told = world.exporter.topology, []
        for peers in ({"_10_0_0_5": 1, "_127_0_0_1": 1}, {"_10_0_0_5": 1}):
            world.exporter.looked(snapshot(connections(**peers)))
            told.append(topology.number)
        self.assertEqual(told, [1, 2])
        world.exporter.looked(snapshot(connections(_10_0_0_5=2, _1_2_3_4=1)))
        world.exporter.snapshot = snapshot(connections(_10_0_0_5=2))
        world.exporter._counts = {11434: {"router": 2, "local": 0, "other": 0}}
        delta = topology.update(world.view) or {}
        self.assertEqual(delta["removed"], {"nodes": ["other"], "links": ["node1->other"]})
        self.assertEqual(list(by_id(delta["nodes"])), ["node1"])
        self.assertEqual(delta["links"], [])

    @given(
        st.lists(
            st.dictionaries(
                st.sampled_from(["_10_0_0_5", "_10_0_0_6", "_127_0_0_1", "_1_2_3_4"]),
                st.integers(0, 3),
            ),
            max_size=8,
        )
    )
    def test_followed(self, looks: list[dict[str, int]]) -> None:
        """
        Who follows the deltas from the first snapshot on knows the same as who asks anew; every
        link has both its ends.
        """
        world = World(ROUTER, NODE2, watched=(Watched("a", 1), Watched("b", 2)))
        topology = world.exporter.topology
        nodes, links, number = {}, {}, 0
        for time, peers in enumerate(looks):
            world.exporter.snapshot = snapshot(connections(1, **peers), time=1000 + time)
            world.exporter._counts = {
                1: world.exporter.peers.count(world.exporter.snapshot.connections[1].peers)
            }
            delta = topology.update(world.view)
            if delta is not None:
                self.assertEqual(delta["seq"], number + 1)
                number += 1
                for items, name in ((nodes, "nodes"), (links, "links")):
                    items.update(by_id(delta[name]))
                    for gone in delta["removed"][name]:
                        del items[gone]
            self.assertEqual(nodes, by_id(topology.document["nodes"]))
            self.assertEqual(links, by_id(topology.document["links"]))
            for link in links.values():
                self.assertTrue({link["source"], link["target"]} <= nodes.keys())
                self.assertGreaterEqual(link["connections"], 0)


class NodeGraphTests(SynchronousTestCase):
    """Grafana's node graph panel."""

    def test_fields(self) -> None:
        """
        Every field of the data is announced, with its type, and the other way round.
        """
        world = World(ROUTER)
        world.exporter.looked(snapshot(connections(_10_0_0_5=1)))
        data, fields = nodegraph.data(world.exporter.topology.document), nodegraph.fields()
        for kind in ("nodes", "edges"):
            types = {each["field_name"]: each["type"] for each in fields[f"{kind}_fields"]}
            for item in data[kind]:
                self.assertEqual(list(item), list(types))
                for name, value in item.items():
                    wanted = str if types[name] == "string" else (int, float)
                    self.assertIsInstance(value, wanted, name)

    def test_arcs(self) -> None:
        """
        The arcs of a node sum to one.
        """
        world = World(ROUTER)
        world.exporter.looked(snapshot(connections()))
        for node in nodegraph.data(world.exporter.topology.document)["nodes"]:
            self.assertEqual(node["arc__up"] + node["arc__down"], 1)
