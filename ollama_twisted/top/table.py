"""A table without lines, as all of them are here."""

from __future__ import annotations

from rich.table import Table


def bare_table(width: int | None) -> Table:
    """One as wide as this; as wide as it is, for ``None``."""
    return Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
        expand=width is not None,
        width=width,
    )
