"""The official Python client's own test suite, as ``make client`` has set it up."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests import parts

VERSION = "0.6.3"
TESTS = 115

_here = Path(__file__).resolve().parent
_python = parts.ROOT / ".venv-client" / "bin" / "python"
_sources = parts.ROOT / "build" / "client" / f"ollama-{VERSION}"


def command() -> list[str]:
    """What runs the suite; the calling test is skipped, or in CI fails, if it is not set up."""
    parts.file(_python, "the official client's suite")
    parts.file(_sources / "tests", "the official client's suite")
    options = ["-q", "-p", "no:cacheprovider", "-p", "gwredirect"]
    return [str(_python), "-m", "pytest", *options, "tests"]


def directory() -> str:
    """Where it must be run."""
    return str(_sources)


def environment(gateway: str = "", mock: str = "", models: str = "dummy") -> dict[str, str]:
    """
    The environment that sends it through a gateway, or with no argument past any.

    ``gateway`` is a URL; ``mock`` the host:port of that gateway's only node,
    where the suite will listen as soon as it runs.
    """
    return {
        **os.environ,
        "GW_URL": gateway,
        "GW_MOCK": mock,
        "GW_MODELS": models,
        "PYTHONPATH": os.pathsep.join([str(_sources), str(_here)]),
    }


def run(gateway: str = "", mock: str = "", models: str = "dummy") -> str:
    """Run the suite in a child process, wait for its end, and give back what it printed."""
    done = subprocess.run(
        command(),
        cwd=directory(),
        env=environment(gateway, mock, models),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.stdout


def passed(output: str) -> int:
    """How many of its tests passed; 0 if any did not."""
    found = re.search(r"^(\d+) passed in ", output, re.MULTILINE)
    return int(found[1]) if found else 0
