"""Tests for finding the program in an answer, on the shapes that answers really have."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval.extract import program

PROMPT = '''import math


def helper(x):
    return x + 1


def add(a, b):
    """ Add two numbers.
    >>> add(1, 2)
    3
    """
'''
WHOLE = "def add(a, b):\n    return a + b\n"

# What a model said, each of which stands for a function that adds.
RIGHT = {
    "fenced": f"```python\n{WHOLE}```",
    "fenced, nothing said of what": f"```\n{WHOLE}```",
    "prose around it": f"Sure! Here it is:\n\n```python\n{WHOLE}```\n\nIt adds `a` and `b`.",
    "fence not closed": f"```python\n{WHOLE}",
    "fence with tildes": f"~~~python\n{WHOLE}~~~",
    "fence in a list": "1. So:\n   ```python\n   def add(a, b):\n       return a + b\n   ```",
    "windows": f"```python\r\n{WHOLE}```".replace("\n", "\r\n"),
    "bare": WHOLE,
    "bare, prose before": f"Here is the function.\n\n{WHOLE}",
    "bare, prose after": f"{WHOLE}\nThis function adds two numbers, that's all.",
    "bare with an import": f"import os\n\n{WHOLE}",
    "whole prompt again": f"```python\n{PROMPT}    return a + b\n```",
    "body only, fenced": "```python\n    return a + b\n```",
    "body only, fenced, not indented": "```python\nreturn a + b\n```",
    "body only": "    return a + b",
    "body only, first line stripped": "return a + b",
    "body of several lines, first stripped": "c = a\n    c += b\n    return c",
    "body of several lines, none indented": "c = a\nif c == a:\n    c += b\nreturn c",
    "thinking": f"<think>def add(a, b): return 0\n```python\ndef add(a, b):\n    return 0\n```"
    f"</think>\n```python\n{WHOLE}```",
    "thinking that is not closed": "<think>hm",
    "helper before": f"```python\ndef two(a, b):\n    return a + b\n\n{WHOLE}```",
    "helper after": "```python\ndef add(a, b):\n    return plus(a, b)\n\n"
    "def plus(a, b):\n    return a + b\n```",
    "helper in another block": "First:\n```python\ndef plus(a, b):\n    return a + b\n```\nThen:\n"
    "```python\ndef add(a, b):\n    return plus(a, b)\n```",
    "import in another block": "```python\nimport operator\n```\nand\n"
    "```python\ndef add(a, b):\n    return operator.add(a, b)\n```",
    "import": "```python\nfrom operator import add as plus\n"
    "def add(a, b):\n    return plus(a, b)\n```",
    "constant": "```python\nZERO = 0\n\ndef add(a, b):\n    return a + b + ZERO\n```",
    "annotations": "```python\nfrom __future__ import annotations\n\n"
    "def add(a: Unknown, b: int) -> int:\n    return a + b\n```",
    "what the prompt imports": "```python\ndef add(a, b):\n    return math.floor(a + b)\n```",
    "what the prompt defines": "```python\ndef add(a, b):\n    return helper(a + b) - 1\n```",
    "shown at work": f"```python\n{WHOLE}\nprint(add(1, 'x'))\n```",
    "tested, wrongly": f"```python\n{WHOLE}\nassert add(1, 1) == 3\n```",
    "asks somebody": f"```python\n{WHOLE}\nx = int(input())\nprint(add(x, x))\n```",
    "main": f"```python\n{WHOLE}\nif __name__ == '__main__':\n    add()\n```",
    "result kept": f"```python\n{WHOLE}\nresult = add(1, 'x')\n```",
    "example in another block": f"```python\n{WHOLE}```\nUsage:\n```python\nadd(1, 'x')\n```",
    "question first": f"You asked:\n```python\n{PROMPT}```\nAnswer:\n```python\n{WHOLE}```",
    "stub first": f"```python\ndef add(a, b):\n    ...\n```\n```python\n{WHOLE}```",
    "shell first": f"```bash\npip install adding\n```\n```python\n{WHOLE}```",
    "decorated": "```python\nimport functools\n\n@functools.lru_cache(None)\n" + WHOLE + "```",
    "wrapped later": f"```python\nimport functools\n{WHOLE}\n"
    "add = functools.lru_cache(None)(add)\n```",
    "recursion limit": f"```python\nimport sys\nsys.setrecursionlimit(5000)\n{WHOLE}```",
    "docstring": '```python\ndef add(a, b):\n    """Adds.\n\n    >>> add(1, 1)\n    2\n'
    '    """\n    return a + b\n```',
}
NOTHING = {"thinking that is not closed"}


class ShapeTests(SynchronousTestCase):
    """Every shape."""

    def run_it(self, text: str) -> Any:
        scope: dict[str, Any] = {}
        exec(text, scope)
        return scope["add"]

    def test_shapes(self) -> None:
        """However it is put, the function is found, with what it needs and without the rest."""
        failed = {}
        for name, raw in RIGHT.items():
            if name in NOTHING:
                continue
            found = program(PROMPT, "add", raw)
            try:
                self.assertEqual(self.run_it(found)(2, 3), 5)
            except Exception as error:
                failed[name] = f"{error!r} in\n{found}"
        self.assertEqual(failed, {}, "\n\n".join(failed.values()))

    def test_no_code(self) -> None:
        """An answer without code is no solution, and no fault of ours."""
        for raw in ("", "I cannot help with that.", "<think>hm", "```python\n```", "```"):
            found = program(PROMPT, "add", raw)
            with contextlib.suppress(SyntaxError):
                self.assertIsNone(self.run_it(found)(2, 3))

    def test_other_name(self) -> None:
        """A function of another name is not the one that was asked for."""
        found = program(PROMPT, "add", "```python\ndef plus(a, b):\n    return a + b\n```")
        self.assertIsNone(self.run_it(found)(2, 3))

    def test_continued(self) -> None:
        """A continuation is put behind the prompt as it is, up to where something else begins."""
        for raw in (
            "    return a + b\n",
            "    return a + b\n\ndef other(:\n",
            "    return a + b\n\n# Tests\nassert False",
            "    return a + b\nprint(add(1, 'x'))",
        ):
            found = program(PROMPT, "add", raw, continues=True)
            self.assertTrue(found.startswith(PROMPT))
            self.assertEqual(self.run_it(found)(2, 3), 5)
        self.assertEqual(
            program(PROMPT, "add", "    return a\n", continues=True), PROMPT + "    return a\n"
        )

    def test_continued_whole(self) -> None:
        """One that begins again is taken as a whole."""
        for raw in (WHOLE, f"\n```python\n{WHOLE}```"):
            self.assertEqual(self.run_it(program(PROMPT, "add", raw, continues=True))(2, 3), 5)

    def test_cut(self) -> None:
        """Of one that was cut the lines that are whole are kept, and wrong is what they are."""
        found = program(PROMPT, "add", "```python\ndef add(a, b):\n    c = a\n    return (c +")
        self.assertIsNone(self.run_it(found)(2, 3))

    @given(st.text(max_size=300), st.booleans())
    def test_anything(self, raw: str, continues: bool) -> None:
        """Whatever is said makes some text."""
        self.assertIsInstance(program(PROMPT, "add", raw, continues), str)

    @given(st.lists(st.sampled_from(["```", "def add(a, b):", "\n", "    ", "x", "return", '"""'])))
    def test_anything_like_code(self, parts: list[str]) -> None:
        """Also if it looks like code."""
        self.assertIsInstance(program(PROMPT, "add", "".join(parts)), str)
