"""Tests for what an operator may say."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.humaneval.prompt import Mode
from ollama_twisted.humaneval.settings import Settings, read


class SettingsTests(SynchronousTestCase):
    """The command line and the environment."""

    def refused(self, *arguments: str) -> str:
        said = io.StringIO()
        with redirect_stderr(said):
            self.assertEqual(self.assertRaises(SystemExit, read, arguments, {}).code, 2)
        return said.getvalue()

    def test_usual(self) -> None:
        """Only a model must be named; the rest is as the original has it."""
        found = read(["--model", "m"], {})
        self.assertEqual(
            (found.models, found.base_url, found.recipe.timeout, found.recipe.seed, found.ks),
            (("m",), "http://127.0.0.1:11435", 8.0, 42, (1, 10, 100)),
        )
        self.assertTrue(found.resume)

    def test_environment(self) -> None:
        """The environment stands in for options, and they win."""
        environ = {
            "OLLAMA_BASE_URL": "gpu:11434/",
            "OLLAMA_MODEL": "m",
            "OLLAMA_TEMPERATURE": "0.5",
            "OLLAMA_TOP_P": "0.9",
            "OLLAMA_SEED": "7",
            "OLLAMA_TIMEOUT": "3",
            "OLLAMA_NUM_PREDICT": "50",
        }
        found = read([], environ)
        recipe = found.recipe
        self.assertEqual((found.base_url, found.models), ("http://gpu:11434", ("m",)))
        self.assertEqual((recipe.temperature, recipe.top_p, recipe.seed), (0.5, 0.9, 7))
        self.assertEqual((recipe.timeout, recipe.num_predict), (3.0, 50))
        self.assertEqual(read(["--seed", "8"], environ).recipe.seed, 8)

    def test_models(self) -> None:
        """Several are compared, each once; those that were said replace the environment's."""
        self.assertEqual(read(["--models", "a, b,a"], {"OLLAMA_MODEL": "c"}).models, ("a", "b"))
        self.assertEqual(read(["--model", "a", "--models", "b"], {}).models, ("a", "b"))

    def test_mode(self) -> None:
        """Asked as an assistant unless otherwise said, never both."""
        modes = [read(["--model", "m", *each], {}).recipe.mode for each in ([], ["--completion"])]
        self.assertEqual(modes, [Mode.CHAT, Mode.COMPLETION])
        self.assertIn("not allowed", self.refused("--model", "m", "--chat", "--completion"))

    def test_refused(self) -> None:
        """What cannot be is refused by name."""
        for arguments, told in (
            ([], "--model"),
            (["--model", ","], "--model"),
            (["--model", "m", "--base-url", "ftp://x"], "--base-url"),
            (["--model", "m", "--limit", "0"], "--limit"),
            (["--model", "m", "--temperature", "nan"], "--temperature"),
            (["--model", "m", "--k", "0"], "--k"),
            (["--model", "m", "--out", "a.csv", "--csv", "./a.csv"], "same file"),
            (["--model", "m", "--out", "a.csv"], "same file"),
        ):
            self.assertIn(told, self.refused(*arguments))

    def test_warnings(self) -> None:
        """What will not do what was meant is told."""
        found: Settings = read(["--model", "m", "--num-samples", "3", "--keep-last-def"], {})
        self.assertEqual(len(found.warnings), 2)
