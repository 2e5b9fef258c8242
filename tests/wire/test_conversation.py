"""How a conversation begins, and the options that load a model again."""

from __future__ import annotations

import json
import mmap
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.conversation import Hints, hints

SYSTEM = {"role": "system", "content": "be short"}
USER = {"role": "user", "content": "hello"}


def of(**said: Any) -> Hints:
    """The hints of a body."""
    return hints(json.dumps({"model": "m", **said}).encode())


class PrefixTests(SynchronousTestCase):
    """A number that stays the same while a conversation goes on."""

    @given(st.lists(st.sampled_from(["user", "assistant", "tool"]), max_size=5), st.text())
    def test_goes_on(self, roles: list[str], text: str) -> None:
        """What follows the first message of the user makes no difference."""
        first = of(messages=[SYSTEM, USER])
        later = [{"role": role, "content": text} for role in roles]
        self.assertEqual(of(messages=[SYSTEM, USER, *later]), first)
        self.assertIsNotNone(first.prefix)

    def test_others(self) -> None:
        """Another begin is another conversation, in each protocol's words."""
        found = [
            of(messages=[SYSTEM, USER]),
            of(messages=[USER]),
            of(system="be short", messages=[USER]),
            of(instructions="be long", input="hello"),
            of(instructions="be short", input="hello"),
            of(input=[USER, SYSTEM]),
            of(prompt="once"),
            of(system="be short", prompt="once"),
        ]
        self.assertEqual(len({each.prefix for each in found} - {None}), 7)
        # The same words are the same conversation, whichever protocol they come in.
        self.assertEqual(of(input=[USER]), of(messages=[USER]))

    def test_none(self) -> None:
        """What is no conversation, or no JSON, gives no hints."""
        bodies = [b"", b"{", b"[]", b'{"messages": 5}', b'{"messages": [5]}', b"\xff"]
        bodies += [b'{"input": ["a", "b"]}', b'{"input": [1, 2]}', b'{"options": {"num_ctx": "x"}}']
        self.assertEqual([hints(body) for body in bodies], [Hints()] * len(bodies))

    @given(st.binary(max_size=100))
    def test_any(self, body: bytes) -> None:
        """Nothing makes it fail."""
        hints(body)

    def test_crowded(self) -> None:
        """A body of a million parts is not looked at."""
        body = b'{"messages": [' + b"{}," * 10**6 + b"{}]}"
        self.assertEqual(hints(body), Hints())

    def test_mapped(self) -> None:
        """Nothing of a mapped file is held on to."""
        body = json.dumps({"messages": [USER]}).encode()
        mapped = mmap.mmap(-1, len(body))
        mapped.write(body)
        self.assertEqual(hints(mapped), of(messages=[USER]))
        mapped.close()


class OptionsTests(SynchronousTestCase):
    """The options that a model is loaded with."""

    def test_named(self) -> None:
        """Those that are said, in one order; others, and what leaves it to Ollama, are not told."""
        said = {"use_mmap": True, "num_ctx": 8192, "temperature": 1, "num_gpu": -1}
        self.assertEqual(of(options=said).options, (("num_ctx", 8192), ("use_mmap", 1)))
        self.assertEqual(of().options, ())
