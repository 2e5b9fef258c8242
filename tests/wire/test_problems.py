"""What went wrong, said in three protocols."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.problems import body, in_stream
from ollama_twisted.wire.routes import Dialect

MESSAGE = 'no "node"\nat all: \u00fc'


class ProblemTests(SynchronousTestCase):
    """Errors as the clients of each protocol expect them."""

    def test_ollama(self) -> None:
        """Ollama says it in one word."""
        self.assertEqual(json.loads(body(Dialect.OLLAMA, 503, MESSAGE)), {"error": MESSAGE})

    def test_openai(self) -> None:
        """OpenAI's protocol has a type for it, as Ollama fills it in."""
        for status, kind in (
            (400, "invalid_request_error"),
            (404, "not_found_error"),
            (503, "api_error"),
        ):
            self.assertEqual(
                json.loads(body(Dialect.OPENAI, status, MESSAGE)),
                {"error": {"message": MESSAGE, "type": kind, "param": None, "code": None}},
            )

    def test_anthropic(self) -> None:
        """Anthropic's protocol has a type for the whole as well."""
        for status, kind in (
            (503, "overloaded_error"),
            (502, "api_error"),
            (404, "not_found_error"),
        ):
            self.assertEqual(
                json.loads(body(Dialect.ANTHROPIC, status, MESSAGE)),
                {"type": "error", "error": {"type": kind, "message": MESSAGE}},
            )

    def test_line(self) -> None:
        """In a stream of Ollama's, it is one line."""
        self.assertEqual(in_stream(Dialect.OLLAMA, "a\nb"), b'{"error": "a\\nb"}\n')

    def test_events(self) -> None:
        """In a stream of events, it is one event."""
        self.assertEqual(
            in_stream(Dialect.OPENAI, "a\nb"),
            b'data: {"error": {"message": "a\\nb", "type": "api_error", '
            b'"param": null, "code": null}}\n\n',
        )
        self.assertEqual(
            in_stream(Dialect.ANTHROPIC, "a\nb"),
            b'event: error\ndata: {"type": "error", '
            b'"error": {"type": "api_error", "message": "a\\nb"}}\n\n',
        )
