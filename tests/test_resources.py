"""Tests for finding shipped files."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.resources import shipped


class ShippedTests(SynchronousTestCase):
    """Where they are, in both ways of having the package."""

    def test_file(self) -> None:
        """
        A file is found by its folder and its name.
        """
        self.assertTrue(shipped("static", "style.css").is_file())

    def test_working_directory(self) -> None:
        """
        The working directory does not matter.
        """
        before = shipped("config")
        here = os.getcwd()
        os.mkdir("config")
        self.addCleanup(os.chdir, here)
        os.chdir(Path(here).anchor)
        self.assertEqual(shipped("config"), before)
        self.assertTrue(before.is_absolute())
