"""Requests to let a model go, told from those to generate."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.routes import find
from ollama_twisted.wire.unloading import LONGEST, unloads

GENERATE, CHAT = find(b"POST", b"/api/generate"), find(b"POST", b"/api/chat")


def generate(**said: Any) -> bool:
    """Does a generate that says this let its model go?"""
    return unloads(GENERATE, json.dumps({"model": "m", **said}).encode())


class UnloadTests(SynchronousTestCase):
    """What is one."""

    def test_nothing(self) -> None:
        """Every way to say nothing that Ollama reads as nothing."""
        for nothing in (0, 0.0, "0", "0s", "-0", "+0m", "0h0m0.00s", "0.s", ".0ms", "00s"):
            self.assertTrue(generate(keep_alive=nothing), nothing)

    def test_something(self) -> None:
        """What is some time, or none that Ollama would read, is not."""
        for time in (1, -1, 0.5, "5m", "0s1ms", "", "0 s", "s", "0x", None, False, True, [], "0m5"):
            self.assertFalse(generate(keep_alive=time), time)

    def test_words(self) -> None:
        """With something to be generated it is a request like others."""
        self.assertFalse(generate(keep_alive=0, prompt="hi"))
        self.assertTrue(generate(keep_alive=0, prompt=""))
        chat = {"keep_alive": 0, "messages": [{"role": "user", "content": "hi"}]}
        self.assertFalse(unloads(CHAT, json.dumps(chat).encode()))
        for messages in ([], None):
            self.assertTrue(unloads(CHAT, json.dumps({**chat, "messages": messages}).encode()))

    def test_others(self) -> None:
        """Only the two routes know it; nothing is made of bodies that are long or no JSON."""
        for path in (b"/api/embed", b"/v1/chat/completions"):
            self.assertFalse(unloads(find(b"POST", path), b'{"model":"m","keep_alive":0}'))
        for body in (b"", b"keep_alive", b"[]", b'{"keep_alive":0}' + b" " * LONGEST):
            self.assertFalse(unloads(GENERATE, body))
