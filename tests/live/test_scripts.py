"""What the pages' scripts have in common, in a real browser."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.browser import browser
from tests.live.test_pages import shared

DASH = "\N{EN DASH}"


class ScriptTests(SynchronousTestCase):
    """The modules, as a page of a gateway has them."""

    def setUp(self) -> None:
        self.page = browser().open(shared().gateway.url).until_live()

    def all(self, module: str, name: str, cases: dict[Any, str]) -> None:
        """Whether a function makes of each case what it should."""
        asked = json.dumps([*cases])
        self.assertEqual(
            self.page.module(module, f"{asked}.map((each) => it.{name}(each))"), [*cases.values()]
        )

    def test_format(self) -> None:
        """
        Numbers are as people read them; what is not known is a dash.
        """
        self.all(
            "format.js",
            "number",
            {
                0: "0", 7: "7", 0.416: "0.42", 38.06: "38.1", 212.4: "212", 1234: "1,234",
                12_540: "12.5k", 3_000_000: "3M", None: DASH, "7": DASH,
            },
        )  # fmt: skip
        self.all(
            "format.js",
            "bytes",
            {12: "12 B", 1500: "1.5 kB", 815e6: "815 MB", 4.7e9: "4.7 GB", None: DASH},
        )
        self.all(
            "format.js",
            "duration",
            {
                0.2314: "231 ms", 0.9999: "1 s", 3.21: "3.2 s", 42.4: "42 s", 90: "1 min 30 s",
                3600: "1 h", 5400: "1 h 30 min", 200_000: "2 d 7 h", None: DASH,
            },
        )  # fmt: skip

    def test_reader(self) -> None:
        """
        Server-sent events are read the same wherever they are cut.
        """
        stream = (
            "retry: 1500\n\nevent: snapshot\nid: 1\ndata: {}\n\n: still here\n\n"
            "data: one\r\ndata: two\r\n\r\nevent: cut\ndata: x"
        )
        told = ["retry 1500", "snapshot {}", "message one\ntwo"]
        read = (
            "(() => { const text = %s; const all = [];"
            " for (let cut = 0; cut <= text.length; cut++) {"
            "  const found = [];"
            "  const reader = new it.EventReader("
            "   (name, data) => found.push(`${name} ${data}`),"
            "   (time) => found.push(`retry ${time}`));"
            "  reader.feed(text.slice(0, cut)); reader.feed(text.slice(cut));"
            "  all.push(JSON.stringify(found)); }"
            " return [...new Set(all)]; })()"
        )
        found = self.page.module("live.js", read % json.dumps(stream))
        self.assertEqual([json.loads(each) for each in found], [told])

    def test_document(self) -> None:
        """
        A delta changes what it names; an older one nothing; a snapshot takes the place of all.
        """
        kept = (
            "(() => { const kept = it.nothing(); const changes = [];"
            " changes.push(it.replace(kept, {seq: 5, nodes: [{id: 'a'}, {id: 'b'}],"
            "  links: [{id: 'l'}], gateway: {x: 1}, events: [{seq: 1}]}));"
            " changes.push(it.update(kept, {seq: 6, nodes: [{id: 'b', n: 2}, {id: 'c'}],"
            "  removed: {nodes: ['a'], links: ['l']}, events: [{seq: 2}], newer: true}));"
            " changes.push(it.update(kept, {seq: 6, removed: {nodes: ['b']}}));"
            " const then = [[...kept.nodes.keys()], kept.nodes.get('b').n, kept.links.size,"
            "  kept.gateway.x, kept.events.length, kept.newer];"
            " changes.push(it.replace(kept, {seq: 1, nodes: [{id: 'c'}]}));"
            " return {then, changes, now: [[...kept.nodes.keys()], kept.gateway, kept.seq]}; })()"
        )
        found = self.page.module("live.js", kept)
        self.assertEqual(found["then"], [["b", "c"], 2, 0, 1, 2, True])
        self.assertEqual(found["now"], [["c"], None, 1])
        first, second, third, last = found["changes"]
        self.assertEqual((first["snapshot"], first["nodes"]), (True, ["a", "b"]))
        self.assertEqual(
            second,
            {
                "snapshot": False,
                "nodes": ["b", "c"],
                "links": [],
                "removed": {"nodes": ["a"], "links": ["l"]},
                "events": [{"seq": 2}],
            },
        )
        self.assertEqual((third, last["removed"]["nodes"]), (None, ["b"]))

    def test_sparkline(self) -> None:
        """
        A line has a gap where nothing is known, and does not fall over strange values.
        """
        drawn = "it.path([1, 2, null, 4, NaN, 3], 50, 22, 4).split('M').length - 1"
        self.assertEqual(self.page.module("format.js", drawn), 3)
        self.assertEqual(self.page.module("format.js", "it.path([], 50, 22, 0)"), "")
        empty = "it.sparkline([null, 0]).querySelector('.line').getAttribute('d').includes('NaN')"
        self.assertFalse(self.page.module("format.js", empty))

    def test_keep(self) -> None:
        """
        Children that stay are the same ones, in the new order; others come and go.
        """
        kept = (
            "(() => { const parent = document.createElement('ul'); parent.append('old');"
            " parent.append(document.createElement('li'));"
            " const make = (item) => { const child = it.el('li', {});"
            "  child.update = (each) => it.say(child, each.text); return child; };"
            " const show = (...items) => it.keep(parent, items, (each) => each.id, make);"
            " show({id: 1, text: 'a'}, {id: 2, text: 'b'}, {id: 3, text: 'c'});"
            " const second = parent.children[1];"
            " show({id: 3, text: 'C'}, {id: 2, text: 'B'}, {id: 4, text: 'd'});"
            " return [[...parent.children].map((each) => each.textContent),"
            "  parent.children[1] === second]; })()"
        )
        self.assertEqual(self.page.module("dom.js", kept), [["C", "B", "d"], True])
