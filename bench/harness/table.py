"""
Results as tables: medians over the rounds, and ratios taken within each round.

Neighbours disturb a round as a whole, so a ratio of two contenders in the same
round says more than a ratio of their medians.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column: where its figure stands in a result (a dotted path), how many decimals.

    ``relative``: also as a ratio to the yardstick; ``added``: less what a
    client of the node itself sees, which stands in brackets.
    """

    title: str
    path: str
    decimals: int = 1
    relative: bool = False
    added: bool = False

    def of(self, result: Result) -> float:
        value: Any = result
        for key in self.path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return float(value) if isinstance(value, int | float) else math.nan


_REQUESTS = (
    Column("CPU us/request", "cpu_us", relative=True),
    Column("requests/s", "requests_s", 0),
    Column("p50 us", "p50_us", 0),
    Column("p99 us", "p99_us", 0),
    Column("cores", "cores", 2),
    Column("others", "others", 2),
)
_STREAMS = (
    Column("CPU us/chunk", "cpu_us", relative=True),
    Column("chunks/s", "chunks_s", 0),
    Column("added p50 us", "chunk_us.p50", 0, added=True),
    Column("added p99 us", "chunk_us.p99", 0, added=True),
    Column("first byte p50 us", "ttfb_us.p50", 0, added=True),
    Column("first byte p99 us", "ttfb_us.p99", 0, added=True),
    Column("cores", "cores", 2),
    Column("others", "others", 2),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "get": _REQUESTS,
    "post": _REQUESTS,
    "bigpost": _REQUESTS,
    "single": (
        Column("added p50 us", "p50_us", 0, added=True),
        Column("added p99 us", "p99_us", 0, added=True),
        Column("CPU us/request", "cpu_us", relative=True),
        Column("others", "others", 2),
    ),
    "stream": _STREAMS,
    "stream30k": _STREAMS,
    "idle": (
        Column("kB/stream", "kb_per_stream", relative=True),
        Column("streams", "active", 0),
        Column("MB before", "before_mb"),
        Column("MB with them", "after_mb"),
    ),
    "embed": (
        Column("CPU us/MB", "cpu_us_mb", 0, relative=True),
        Column("MB/s", "mb_s", 0),
        Column("p50 us", "p50_us", 0),
        Column("p99 us", "p99_us", 0),
        Column("cores", "cores", 2),
        Column("others", "others", 2),
    ),
    "flood": (
        Column("growth MB", "growth_mb", 1),
        Column("MB before", "before_mb"),
        Column("drained in s", "drain_s", 2),
        Column("MB/s", "drain_mb_s", 0),
        Column("CPU us/MB", "cpu_us_mb", 0, relative=True),
    ),
    "leave": tuple(
        Column(f"{title} {figure}", f"{kind}.{figure.replace(' ', '_')}", decimals)
        for kind, title in (
            ("in_stream", "in the stream"),
            ("waiting", "waiting"),
            ("pipelined", "40 KB behind"),
        )
        for figure, decimals in (("p50 ms", 2), ("p99 ms", 2), ("missed", 0))
    ),
}


SUMMARY: tuple[tuple[str, Column], ...] = (
    ("get", Column("GET us", "cpu_us", relative=True)),
    ("post", Column("POST 4 KB us", "cpu_us", relative=True)),
    ("bigpost", Column("POST 150 KB us", "cpu_us", relative=True)),
    ("stream", Column("chunk us", "cpu_us", relative=True)),
    ("embed", Column("answers us/MB", "cpu_us_mb", 0, relative=True)),
    ("idle", Column("kB/stream", "kb_per_stream")),
    ("flood", Column("flood MB", "growth_mb")),
    ("leave", Column("leave ms", "in_stream.p50_ms", 2)),
)


class Results:
    """The lines of one or more runs, by test, contender and round."""

    def __init__(self, lines: Iterable[Result]) -> None:
        self.conditions: list[Result] = []
        self._found: dict[str, dict[str, dict[int, Result]]] = {}
        for line in lines:
            if "conditions" in line:
                self.conditions.append(line["conditions"])
            else:
                by_name = self._found.setdefault(line["test"], {})
                by_name.setdefault(line["contender"], {})[self._round(line)] = line

    def _round(self, line: Result) -> int:
        """Rounds of a second run do not mix with those of the first."""
        return len(self.conditions) * 1000 + int(line["round"])

    @property
    def tests(self) -> list[str]:
        return list(self._found)

    def rounds(self, test: str, contender: str) -> dict[int, Result]:
        return self._found.get(test, {}).get(contender, {})

    def contenders(self, test: str) -> list[str]:
        return list(self._found[test])

    def errors(self, test: str, contender: str) -> list[str]:
        return [error for line in self.rounds(test, contender).values() for error in line["errors"]]

    def typical(self, test: str, contender: str, column: Column) -> float:
        """The median over the rounds; ``nan`` when there is none."""
        rounds = self.rounds(test, contender)
        if not column.added or contender == "direct":
            return _median(column.of(line) for line in rounds.values())
        direct = self.rounds(test, "direct")
        return _median(
            column.of(line) - column.of(direct[number])
            for number, line in rounds.items()
            if number in direct
        )

    def ratio(self, test: str, contender: str, against: str, column: Column) -> float:
        """The median over the rounds of contender / yardstick within one round."""
        others = self.rounds(test, against)
        return _median(
            column.of(line) / (column.of(others[number]) or math.nan)
            for number, line in self.rounds(test, contender).items()
            if number in others
        )


def _median(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return median(known) if known else math.nan


def read_results(path: Path) -> Results:
    return Results(json.loads(line) for line in path.read_text().splitlines() if line.strip())


def render(results: Results, against: str = "nginx") -> str:
    """All tables, as Markdown that reads well as plain text."""
    tables = [_render_test(results, test, against) for test in results.tests]
    if any(test in results.tests for test, _ in SUMMARY):
        tables.append(render_summary(results, against))
    return "\n\n".join(tables)


def render_summary(results: Results, against: str = "nginx") -> str:
    """
    One row a contender: the main figure of each test, with its ratio to the yardstick.

    Times are CPU time, but for ``leave``.
    """
    columns = [(test, column) for test, column in SUMMARY if test in results.tests]
    names = dict.fromkeys(name for test in results.tests for name in results.contenders(test))
    titles = [f"summary (/ {against})", *(column.title for _, column in columns)]
    rows = [
        [name, *(_summary_cell(results, test, name, against, column) for test, column in columns)]
        for name in names
    ]
    return _markdown([titles, *rows])


def _summary_cell(results: Results, test: str, name: str, against: str, column: Column) -> str:
    cell = _number(results.typical(test, name, column), column.decimals)
    ratio = results.ratio(test, name, against, column)
    if column.relative and name not in ("direct", against) and not math.isnan(ratio):
        cell += f" ({ratio:.2f})"
    return f"{cell} !" if results.errors(test, name) else cell


def _render_test(results: Results, test: str, against: str) -> str:
    columns = COLUMNS[test]
    titles = [test, *_titles(columns, against), "rounds"]
    rows = [
        [name, *_cells(results, test, name, against), str(len(results.rounds(test, name)))]
        for name in results.contenders(test)
    ]
    failures = [
        f"! {name}, {test}: {error}"
        for name in results.contenders(test)
        for error in results.errors(test, name)
    ]
    table = _markdown([titles, *rows])
    return "\n".join([table, "", *failures]) if failures else table


def _titles(columns: Sequence[Column], against: str) -> list[str]:
    titles = []
    for column in columns:
        titles.append(column.title)
        if column.relative:
            titles.append(f"/ {against}")
    return titles


def _cells(results: Results, test: str, name: str, against: str) -> list[str]:
    cells = []
    for column in COLUMNS[test]:
        cell = _number(results.typical(test, name, column), column.decimals)
        cells.append(f"({cell})" if column.added and name == "direct" else cell)
        if column.relative:
            ratio = math.nan if name == "direct" else results.ratio(test, name, against, column)
            cells.append(_number(ratio, 2))
    if results.errors(test, name):
        cells[0] += " !"
    return cells


def _number(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{decimals}f}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *rest = widths
    rule = "|".join(["", "-" * (first + 2), *("-" * (width + 1) + ":" for width in rest), ""])
    lines = [
        "| " + " | ".join([row[0].ljust(first), *map(str.rjust, row[1:], rest)]) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], rule, *lines[1:]])
