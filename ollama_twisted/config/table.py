"""The configuration as tables for people, with every secret left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ollama_twisted.config.resolved import Address, Config, NodeConfig, SizeRange
from ollama_twisted.services import Kind

_WIDTH = 118
_BESIDE_ADDRESSES = 75


def describe(config: Config) -> str:
    """What a gateway with this configuration would do."""
    widest = max(len(_url(each)) for node in config.nodes for each in node.addresses)
    width = max(_WIDTH, widest + _BESIDE_ADDRESSES)
    console = Console(file=StringIO(), width=width, color_system=None, emoji=False)
    console.print(_nodes(config.nodes))
    console.print(_limits(config.nodes))
    console.print(_settings(config))
    for warning in config.warnings:
        console.print(Text(f"warning: {warning}"))
    output: StringIO = console.file  # type: ignore[assignment]
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _nodes(nodes: Iterable[NodeConfig]) -> Table:
    table = _table(
        "Nodes", "name", "where", "weight", "sizes", "in flight", "headers", "description"
    )
    # An address that is broken in two cannot be copied.
    table.columns[1].no_wrap = True
    for node in nodes:
        people = [node.description, *(f"{key}: {value}" for key, value in node.labels.items())]
        if node.memory_gb is not None:
            people.append(f"{node.memory_gb:g} GB")
        _row(
            table,
            "\n".join([node.name, *_remarks(node)]),
            "\n".join(_url(each) for each in node.addresses),
            f"{node.weight:g}",
            "\n".join(_size(each) for each in node.ranges) or "any",
            "no limit" if node.max_in_flight is None else f"{node.max_in_flight}",
            "\n".join(name for name, _ in node.headers),
            "\n".join(filter(None, people)),
        )
    return table


def _limits(nodes: Iterable[NodeConfig]) -> Table:
    """One row for all nodes that have the same."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for node in nodes:
        parts = (node.health, node.breaker, node.timeouts, node.connections)
        cells = tuple("\n".join(_lines(asdict(part))) for part in parts)
        alike.setdefault(cells, []).append(node.name)
    table = _table("Limits, times in seconds", "health", "breaker", "timeouts", "connections")
    table.add_column("of", overflow="fold")
    for cells, names in alike.items():
        _row(table, *cells, "\n".join(names))
    return table


def _settings(config: Config) -> Table:
    table = _table("Gateway", "setting", "value", lines=False)
    settings = {
        "from": config.source,
        "strategy": config.strategy,
        **asdict(config.gateway),
        "manage_keys": f"{len(config.gateway.manage_keys)}, not shown",
        **{f"line.{name}": value for name, value in asdict(config.line).items()},
        "default_model_size_b": config.sizes.default,
        "model_name_patterns": len(config.sizes.patterns),
        "model_name_mapping": len(config.sizes.mapping),
    }
    for name, value in settings.items():
        _row(table, name, _said(value))
    return table


def _url(address: Address) -> str:
    return f"{address.scheme}://{address.authority}{address.path}"


def _remarks(node: NodeConfig) -> Iterable[str]:
    if node.kind is not Kind.OLLAMA:
        yield f"({node.kind.value})"
    if node.lacks:
        yield f"(without {', '.join(sorted(each.value for each in node.lacks))})"
    if not node.enabled:
        yield "(disabled)"


def _lines(values: dict[str, object]) -> Iterable[str]:
    return (f"{name} {_said(value)}" for name, value in values.items())


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return "\n".join(value) or "none"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _size(of: SizeRange) -> str:
    return f"from {of.min_b:g}b" if of.max_b is None else f"{of.min_b:g}b to {of.max_b:g}b"


def _table(title: str, *columns: str, lines: bool = True) -> Table:
    table = Table(title=title, title_justify="left", box=box.ASCII2, show_lines=lines)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    # As Text, because what an operator wrote is not markup.
    table.add_row(*(Text(cell) for cell in cells))
