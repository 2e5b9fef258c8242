"""What must be there before anything is measured: the C programs, and libraries for contenders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
BUILD = BENCH / "build"
NODE = BUILD / "node"
STREAMLOAD = BUILD / "streamload"


def build_programs() -> None:
    """Compile what is older than its source."""
    BUILD.mkdir(exist_ok=True)
    for program in (NODE, STREAMLOAD):
        source = BENCH / f"{program.name}.c"
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)]
            subprocess.run(command, check=True)


def contender_python() -> str:
    """The interpreter of a virtual environment that holds ``requirements.txt``, made if need be."""
    home = BUILD / "venv"
    python = home / "bin" / "python"
    requirements = BENCH / "requirements.txt"
    stamp = home / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        install = [str(python), "-m", "pip", "install", "-qq", "-r", str(requirements)]
        subprocess.run(install, check=True)
        stamp.write_text(requirements.read_text())
    return str(python)
