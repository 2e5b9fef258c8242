"""Programs of the tests that run in a network of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any
from unittest import SkipTest

from tests import parts
from tests.live.child import ROOT


def apart(module: str) -> Any:
    """Run a module in a network of its own, and take what it prints."""
    unshare, _ = parts.executable("unshare"), parts.executable("ss")
    if os.geteuid() != 0 and not parts.in_ci():
        raise SkipTest("only root can make a network of its own, and become somebody else in it")
    done = subprocess.run(
        [unshare, "-n", sys.executable, "-m", module],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
    )
    if done.returncode:
        raise AssertionError(f"{module} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
