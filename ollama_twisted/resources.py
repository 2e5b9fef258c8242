"""Where the files that are shipped with the package lie: pages and sample configuration."""

from __future__ import annotations

from pathlib import Path

_package = Path(__file__).resolve().parent


def shipped(folder: str, name: str = "") -> Path:
    """
    The path of one shipped file, or of its whole folder, ``config`` or ``static``.

    In an installed package both folders lie inside it, under ``shipped``; in a
    checkout they lie beside it.  The working directory is never looked at.
    """
    installed = _package / "shipped"
    root = installed if installed.is_dir() else _package.parent
    return root / folder / name
