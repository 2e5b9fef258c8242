"""What the pages are made of, read as text: what no page may do."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.parts import ROOT

STATIC = ROOT / "static"

#: Other people's code is what it is; none of it sees what outsiders have named.
FILES = [each for each in sorted(STATIC.rglob("*.*")) if "vendor" not in each.parts]


def of(*suffixes: str) -> list[tuple[str, str]]:
    """Our own files of these kinds, with their text."""
    return [
        (str(each.relative_to(STATIC)), each.read_text(encoding="utf-8"))
        for each in FILES
        if each.suffix in suffixes
    ]


class StaticTests(SynchronousTestCase):
    """Scripts, templates and styles."""

    def test_no_html(self) -> None:
        """
        No script takes a text for HTML, or for a script: names come from outsiders.
        """
        unsafe = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\("
        self.assertEqual([name for name, text in of(".js") if re.search(unsafe, text)], [])

    def test_nothing_foreign(self) -> None:
        """
        Nothing is loaded from elsewhere: the pages work where there is no Internet.
        """
        names = r"https?://(?!www\.w3\.org/|twistedmatrix\.com/ns/)[^\s\"'`]*"
        found = {name: re.findall(names, text) for name, text in of(".js", ".html", ".css", ".svg")}
        self.assertEqual({name: each for name, each in found.items() if each}, {})

    def test_imports(self) -> None:
        """
        Each module that is imported is there, under the name that it is imported by.
        """
        missing = [
            (name, path)
            for name, text in of(".js")
            for path in re.findall(
                r"^(?:import|export)\b[^;]*?[\"'](/static/[^\"']+)[\"']", text, re.M
            )
            if not (ROOT / path[1:]).is_file()
        ]
        self.assertEqual(missing, [])

    def test_used(self) -> None:
        """
        No file lies there that nobody asks for.
        """
        text = "".join(text for _, text in of(".js", ".html", ".css"))
        text += "".join(
            each.read_text(encoding="utf-8") for each in (ROOT / "ollama_twisted").rglob("*.py")
        )
        unused = [each.name for each in FILES if each.name not in text]
        self.assertEqual(unused, [])

    def test_seen(self) -> None:
        """
        The above looks at something.
        """
        self.assertIn(Path("live.js"), [each.relative_to(STATIC) for each in FILES])
