"""What is drawn of a document, at any size."""

from __future__ import annotations

from io import StringIO
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.top.document import Document
from ollama_twisted.top.screen import Link, once, screen

URL = "http://127.0.0.1:11435"


def node(name: str, **more: Any) -> dict[str, Any]:
    """A node as it is told."""
    return {
        "id": name, "kind": "node", "title": name, "state": "healthy", "error": "", "in_flight": 3,
        "max_in_flight": 8, "tokens_per_second": 92.1, "requests_per_second": 2.1,
        "first_token_seconds": 0.2, "failed_requests": 0, "loaded": [], **more,
    }  # fmt: skip


def told(*nodes: dict[str, Any], **gateway: Any) -> Document:
    """What a gateway with these nodes tells."""
    document = Document()
    document.replace(
        {
            "seq": 1,
            "role": "gateway",
            "gateway": {
                "version": "1.2", "tokens_per_second": 212.0, "requests_per_second": 5.3,
                "first_token_seconds": 0.231, "in_flight": 10, "waiting": 0, "clients": 7,
                "failures_per_second": 0, **gateway,
            },
            "nodes": [
                *nodes,
                {"id": "gateway", "kind": "gateway", "title": "gateway"},
                {
                    "id": "model:llama3:8b", "kind": "model",
                    "in_flight": 2, "tokens_per_second": 9.5,
                },
            ],
            "events": [
                {"seq": number, "time": "2026-11-26T01:02:03Z", "kind": kind, "text": text}
                for number, (kind, text) in enumerate(
                    [("up", "a is up"), ("down", "b is down: refused")]
                )
            ],
        }
    )  # fmt: skip
    return document


LOADED = [{"name": "llama3:8b", "vram_bytes": 5_000_000_000}]
POOL = (node("a", loaded=LOADED), node("b", state="down", error="connection refused"))


class ScreenCase(SynchronousTestCase):
    """What is drawn, as lines of text."""

    def lines(self, drawn: RenderableType, width: int = 200) -> list[str]:
        file = StringIO()
        Console(file=file, width=width, color_system=None).print(drawn, crop=False)
        return [line.rstrip() for line in file.getvalue().splitlines()]

    def drawn(
        self,
        document: Document,
        width: int = 120,
        height: int = 30,
        link: Link | None = None,
        **more: Any,
    ) -> str:
        return "\n".join(
            self.lines(screen(document, link or Link(URL), width, height, **more), width)
        )


class ScreenTests(ScreenCase):
    """On a terminal."""

    def test_all(self) -> None:
        """
        It shows the gateway, each node, the models in memory and the events, newest first.
        """
        text = self.drawn(told(*POOL, notice="these are demo nodes"), paces=(1, 2, None, 4))
        for said in (
            "ollama-gateway 1.2  http://127.0.0.1:11435  live",
            "1/2 healthy   5.3 requests/s   212 tokens/s ▃▅ █   231 ms first token   10 in flight",
            "these are demo nodes",
            "a     ● healthy     3/8    2.1   92.1  200 ms       0  llama3:8b",
            "b     ■ down        3/8",
            "connection refused",
            "llama3:8b    5 GB       2    9.5      -  a",
        ):
            self.assertIn(said, text)
        self.assertLess(text.index("b is down: refused"), text.index("a is up"))

    def test_link(self) -> None:
        """
        Above all it says whether what is shown is so, since when not, and why.
        """
        link = Link(URL, "disconnected", 12.3, "connection refused")
        self.assertIn("disconnected for 12 s: connection refused", self.drawn(told(), link=link))

    def test_narrow(self) -> None:
        """
        The narrower, the fewer columns; node, state and requests in flight stay.
        """
        heads = {
            width: next(
                line.split()
                for line in self.drawn(told(*POOL), width=width).splitlines()
                if line.startswith("NODE")
            )
            for width in (100, 76, 60, 30)
        }
        self.assertEqual(len(heads[100]), 9)  # "IN MEMORY" are two words
        self.assertEqual(heads[76][3:], ["REQ/S", "TOK/S", "FIRST", "IN", "MEMORY"])
        self.assertEqual(heads[60], ["NODE", "STATE", "FLIGHT", "TOK/S", "FIRST"])
        self.assertEqual(heads[30], ["NODE", "STATE", "FLIGHT"])

    @settings(max_examples=60)
    @given(st.integers(28, 140), st.integers(10, 50), st.integers(0, 40))
    def test_fits(self, width: int, height: int, count: int) -> None:
        """
        However many nodes there are, nothing is wider or higher than the terminal.
        """
        nodes = (node(f"node-{number}", loaded=LOADED) for number in range(count))
        lines = self.drawn(told(*nodes), width, height, paces=(1,) * 20).splitlines()
        self.assertLessEqual(len(lines), height, lines)
        self.assertLessEqual(max(map(cell_len, lines)), width, lines)

    def test_many(self) -> None:
        """
        Where not all nodes have room, those that are not well are shown, and how many are not.
        """
        nodes = [node(f"n{number}") for number in range(30)]
        nodes[20] = node("sick", state="ejected")
        text = self.drawn(told(*nodes), height=16)
        self.assertIn("sick", text)
        self.assertRegex(text, r"and \d+ more")

    def test_foreign(self) -> None:
        """
        A name cannot make the terminal obey it.
        """
        text = self.drawn(told(node("a\x1b[2J[bold]", loaded=[{"name": "\x07m"}])))
        self.assertIn("a?[2J[bold]", text)
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\x07", text)

    def test_ascii(self) -> None:
        """
        A terminal that knows ASCII alone is sent nothing else.
        """
        text = self.drawn(told(*POOL), paces=(1, 2), ascii_only=True)
        self.assertTrue(text.isascii())
        self.assertIn("# down", text)

    def test_unknown(self) -> None:
        """
        A newer server may say what we do not know, and leave out what we do.
        """
        document = Document()
        document.replace({"seq": 1, "nodes": [{"id": "x", "kind": "node", "state": "resting"}]})
        self.assertIn("? resting", self.drawn(document))

    def test_exporter(self) -> None:
        """
        An exporter's Ollamas are shown with their connections.
        """
        document = Document()
        ollama = {"id": "node1", "kind": "node", "title": "node1", "up": True, "connections": 4}
        document.replace({"seq": 1, "nodes": [{**ollama, "models": ["llama3:8b"]}]})
        text = self.drawn(document)
        self.assertIn("1/1 healthy   4 connections", text)
        self.assertRegex(text, r"node1 +● healthy +4 .*llama3:8b")


class OnceTests(ScreenCase):
    """For scripts."""

    def test_whole(self) -> None:
        """
        Every column is there, nothing is cut, and there are no signs.
        """
        names = [{"name": f"model-{number}:latest"} for number in range(20)]
        lines = self.lines(once(told(node("a", loaded=names)), URL), 10_000)
        self.assertEqual(lines[0], f"ollama-gateway 1.2 {URL}")
        self.assertEqual(
            lines[3].split(),
            ["NODE", "STATE", "FLIGHT", "REQ/S", "TOK/S", "FIRST", "FAILED", "IN", "MEMORY"],
        )
        self.assertTrue(lines[4].startswith("a     healthy"))
        self.assertIn("model-19:latest", lines[4])
        self.assertTrue(all(line.isascii() for line in lines))
