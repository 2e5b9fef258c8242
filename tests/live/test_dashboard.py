"""The dashboard, judged by Grafana's own types."""

from __future__ import annotations

import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.dashboards import FILE

# JSON has no enums: an enum stands for its values.
TYPES = """
import type { Dashboard } from "@grafana/schema";

type Plain<T> =
  T extends string ? `${T}`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer Item)[] ? Plain<Item>[]
  : T extends object ? { [Key in keyof T]: Plain<T[Key]> }
  : T;

export const dashboard: Plain<Dashboard> = """


class TypeTests(SynchronousTestCase):
    """What tsc says of the dashboard as a value of Grafana's type ``Dashboard``."""

    def compiled(self, dashboard: str) -> tuple[int, str]:
        """The exit code of tsc, and what it printed."""
        compiler = parts.executable("tsc")
        # Beside node_modules, where the types are looked for.
        folder = parts.ROOT / "build" / "grafana"
        source = folder / f"{Path(self.mktemp()).name}.ts"
        source.write_text(TYPES + dashboard, encoding="utf-8")
        self.addCleanup(source.unlink)
        done = subprocess.run(
            [
                compiler,
                *("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"),
                *("--module", "esnext", "--moduleResolution", "bundler", str(source)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout

    def test_dashboard(self) -> None:
        """
        It has no key that Grafana does not know, and no value of another type.
        """
        self.assertEqual(self.compiled(FILE.read_text(encoding="utf-8")), (0, ""))

    def test_judged(self) -> None:
        """
        A misspelt key would be found.
        """
        text = FILE.read_text(encoding="utf-8").replace('"graphTooltip"', '"graphTooltips"')
        code, said = self.compiled(text)
        self.assertNotEqual(code, 0)
        self.assertIn("graphTooltips", said)
