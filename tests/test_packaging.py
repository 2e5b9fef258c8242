"""The wheel, as a stranger gets it: installed into an empty environment, used from elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
PROGRAMS = ("ollama-exporter", "ollama-gateway", "ollama-simulator")

# What an operator's own configuration might hold, which is nobody else's business.
SECRET = "not-to-be-shipped"

IMPORT_ALL = """
import importlib, pkgutil, ollama_twisted
for each in pkgutil.walk_packages(ollama_twisted.__path__, "ollama_twisted."):
    importlib.import_module(each.name)
"""

FIND_SHIPPED = """
from ollama_twisted.resources import shipped
for folder in ("config", "static"):
    print(shipped(folder), *sorted(each.name for each in shipped(folder).iterdir()), sep="|")
"""


def run(*command: str | Path, cwd: str | Path, **extra: str) -> str:
    """What a command prints; it must succeed, and hears nothing of this checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **extra},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@cache
def workshop() -> Path:
    """A folder for all that this module builds, under trial's own."""
    return Path(tempfile.mkdtemp(prefix="packaging-", dir=os.getcwd()))


@cache
def wheel() -> Path:
    """
    The wheel, built once, from a copy.

    A copy, because what lies around in a checkout that has been worked in (an
    old ``build/lib``, say) would get into the wheel, and the other way round.
    """
    source = workshop() / "source"
    leave = ("_trial_temp*", ".*", "build", "dist", "*.egg-info", "__pycache__", "bench")
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*leave))
    (source / "config" / "node_config.json").write_text(SECRET)
    (source / "config" / ".env").write_text(SECRET)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    run(*pip, "--wheel-dir", workshop(), source, cwd=workshop())
    (built,) = workshop().glob("*.whl")
    return built


def interpreter(version: str) -> str:
    """
    A Python of that version, on the PATH or among pyenv's.

    Looking is not enough: pyenv puts names on the PATH behind which there is nothing.
    """
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [*pyenv.glob(f"versions/{version}.*/bin/python{version}")]
    if found := shutil.which(f"python{version}"):
        candidates.insert(0, Path(found))
    for each in candidates:
        try:
            run(each, "-c", "import venv", cwd=workshop())
        except (OSError, AssertionError):
            continue
        return str(each)
    raise SkipTest(f"there is no Python {version} here")


class WheelTests(SynchronousTestCase):
    """What is in it, and what is not."""

    def names(self) -> set[str]:
        with zipfile.ZipFile(wheel()) as archive:
            return set(archive.namelist())

    def test_modules(self) -> None:
        """
        Every module of the checkout is in the wheel, so no package was forgotten in setup.cfg.
        """
        ours = [*ROOT.glob("ollama_twisted/**/*.py"), *ROOT.glob("twisted/**/*.py")]
        self.assertEqual({str(each.relative_to(ROOT)) for each in ours} - self.names(), set())

    def test_shipped(self) -> None:
        """
        Everything under ``static`` is in the wheel, and of ``config`` what setup.cfg names.
        """
        setup = ConfigParser()
        setup.read(ROOT / "setup.cfg")
        named = setup["options.package_data"]["ollama_twisted.shipped.config"].split()
        static = [each.relative_to(ROOT) for each in (ROOT / "static").rglob("*") if each.is_file()]
        self.assertEqual(
            {each for each in self.names() if each.startswith("ollama_twisted/shipped/")},
            {f"ollama_twisted/shipped/config/{each}" for each in named}
            | {f"ollama_twisted/shipped/{each}" for each in static},
        )

    def test_sample_files_exist(self) -> None:
        """
        Whatever lies in ``config`` under version control is shipped.
        """
        setup = ConfigParser()
        setup.read(ROOT / "setup.cfg")
        named = setup["options.package_data"]["ollama_twisted.shipped.config"].split()
        files = [each.relative_to(ROOT / "config") for each in (ROOT / "config").rglob("*.*")]
        there = {str(each) for each in files if not each.name.startswith(".")}
        self.assertEqual(there - {"node_config.json"}, set(named))

    def test_nothing_private(self) -> None:
        """
        The operator's own configuration, which may hold keys, stays where it is.
        """
        with zipfile.ZipFile(wheel()) as archive:
            leaks = [each for each in archive.namelist() if SECRET.encode() in archive.read(each)]
        self.assertEqual(leaks, [])

    def test_nothing_foreign(self) -> None:
        """
        Nothing is put outside the package but the plugin, and Twisted's folders stay Twisted's.
        """
        places = {each.split("/")[0] for each in self.names() if ".dist-info/" not in each}
        self.assertEqual(places, {"ollama_twisted", "twisted"})
        self.assertEqual(
            {each for each in self.names() if each.startswith("twisted/")},
            {"twisted/plugins/ollama_twisted_plugins.py"},
        )

    def test_licence(self) -> None:
        """
        The licence travels with the code.
        """
        self.assertTrue(any(each.endswith("/LICENSE") for each in self.names()))


class InstalledTests(SynchronousTestCase):
    """On each Python that is supported and can be found here."""

    def check(self, version: str) -> None:
        """Install, then use it from a folder that is not the checkout."""
        python = interpreter(version)
        place = workshop() / version
        elsewhere = workshop() / f"{version}-elsewhere"
        elsewhere.mkdir()
        run(python, "-m", "venv", "--without-pip", place, cwd=elsewhere)
        programs = place / ("Scripts" if os.name == "nt" else "bin")
        pip = (sys.executable, "-m", "pip", "--python", programs / "python")
        run(*pip, "install", "--quiet", "--no-compile", wheel(), cwd=elsewhere)
        run(*pip, "check", cwd=elsewhere)

        offered = run(programs / "twistd", "--help", cwd=elsewhere)
        for program in PROGRAMS:
            self.assertIn(f"    {program} ", offered)
            self.assertIn("Options:", run(programs / "twistd", program, "--help", cwd=elsewhere))

        self.assertIn("--models", run(programs / "ollama-humaneval", "--help", cwd=elsewhere))
        self.assertIn("--once", run(programs / "ollama-gateway-top", "--help", cwd=elsewhere))

        run(programs / "python", "-W", "error::SyntaxWarning", "-c", IMPORT_ALL, cwd=elsewhere)

        # Folders of the same names in the working directory must not be taken for ours.
        for folder in ("config", "static"):
            (elsewhere / folder).mkdir()
        for line in run(programs / "python", "-c", FIND_SHIPPED, cwd=elsewhere).splitlines():
            folder, *names = line.split("|")
            self.assertTrue(Path(folder).is_relative_to(place), folder)
            self.assertTrue(names, f"nothing was shipped in {folder}")


def _test(version: str) -> Callable[[InstalledTests], None]:
    def test(self: InstalledTests) -> None:
        self.check(version)

    test.__doc__ = f"On Python {version} a wheel brings all programs and all they need."
    return test


for _version in VERSIONS:
    setattr(InstalledTests, f"test_python{_version.replace('.', '_')}", _test(_version))


class CheckoutTests(SynchronousTestCase):
    """Without being installed."""

    def test_shipped(self) -> None:
        """
        In a checkout the same files are found where they are edited.
        """
        found = run(sys.executable, "-c", FIND_SHIPPED, cwd=workshop(), PYTHONPATH=str(ROOT))
        folders = [line.split("|")[0] for line in found.splitlines()]
        self.assertEqual(folders, [str(ROOT / "config"), str(ROOT / "static")])

    def test_plugins(self) -> None:
        """
        ``python -m twisted`` in a checkout offers all programs.
        """
        offered = run(sys.executable, "-m", "twisted", "--help", cwd=ROOT)
        for program in PROGRAMS:
            self.assertIn(f"    {program} ", offered)
