"""An exporter's settings as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ollama_twisted.exporter.settings import Settings


def describe(settings: Settings) -> str:
    """What an exporter with these settings would do."""
    console = Console(file=StringIO(), width=118, color_system=None, emoji=False)
    watched = _table("Ollama on this machine", "node", "port", "its API")
    for each in settings.watched:
        _row(watched, each.name, str(each.port), f"http://{settings.ollama_host}:{each.port}")
    console.print(watched)
    if settings.peers:
        peers = _table("Who may be connected", "name", "as", "from")
        for peer in settings.peers:
            _row(peers, peer.name, "router" if peer.router else "node", ", ".join(peer.hosts))
        console.print(peers)
    table = _table("Exporter", "setting", "value")
    estimate = "nothing: no byte counters where bytes cannot be measured"
    if settings.estimate is not None:
        estimate = "{} sent, {} received".format(*settings.estimate)
    for name, value in {
        "listens on": _lines(settings.listen),
        "looks every": f"{settings.interval:g} s",
        "origins that may read it": _lines(settings.origins),
        "names it answers to": _lines((*settings.allowed_hosts, "addresses", "local names")),
        "bytes per connection": estimate,
    }.items():
        _row(table, name, value)
    console.print(table)
    for warning in settings.warnings:
        console.print(Text(f"warning: {warning}"))
    output: StringIO = console.file  # type: ignore[assignment]
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _lines(values: Iterable[str]) -> str:
    return "\n".join(values) or "none"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.ASCII2)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    # As Text, because what an operator wrote is not markup.
    table.add_row(*(Text(cell) for cell in cells))
