"""The results as one page that needs nothing else: a plot and the tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color: #1a1a1a; background: #fff }
h2 { margin-top: 2rem } td, th { padding: .2rem .8rem; text-align: right }
th:first-child, td:first-child { text-align: left } table { border-collapse: collapse }
tr + tr { border-top: 1px solid #8884 } svg { width: 100%; height: auto }
svg text { font-size: 13px; fill: currentColor } .bar { fill: #4477aa } .part { fill: #88bbdd }
.span { stroke: currentColor; stroke-width: 1.5 } .note { opacity: .75 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } }
"""
_LEFT, _WIDTH, _ROW = 230, 560, 26


class Bar(NamedTuple):
    """One line of a plot; ``part`` of the line above it."""

    label: str
    value: float
    told: str
    span: tuple[float, float] | None = None
    part: bool = False


def page(told: dict[str, Any]) -> str:
    """The whole page."""
    passes, paces = [], []
    for model in told["models"]:
        value = model["pass_at"].get("1") or model["rate"] or 0.0
        span = tuple(model["pass_at_1_interval_95"])
        passes.append(Bar(model["model"], value, f"{value:.1%}", (span[0], span[1])))
        paces.append(_pace(model["model"], model, False))
        for name, share in model["nodes"].items():
            rate = share["rate"] or 0.0
            told_rate = f"{rate:.1%} of {share['samples']}"
            passes.append(Bar(name, rate, told_rate, part=True))
            paces.append(_pace(name, share, True))
    recipe = ", ".join(f"{name} {value}" for name, value in told["recipe"].items())
    state = "" if told["complete"] else f" Not complete: {told['samples']} of {told['wanted']}."
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>HumanEval</title>'
        f"<style>{_STYLE}</style>\n<h1>HumanEval</h1>\n"
        f'<p class="note">{told["problems"]["count"]} problems, {told["samples_per_problem"]} '
        f"samples each, asked at {escape(told['base_url'])} with {escape(recipe)}.{state}</p>\n"
        f"<h2>Pass rate (pass@1, with its 95 % interval), and by node</h2>\n{plot(passes, 1.0)}\n"
        f"<h2>Tokens a second of one answer, by model and node</h2>\n{plot(paces)}\n"
        f"<h2>Models</h2>\n{_table(told)}\n</html>\n"
    )


def plot(bars: Sequence[Bar], most: float | None = None) -> str:
    """Horizontal bars."""
    most = most or max((each.value for each in bars), default=0.0) or 1.0
    height = _ROW * len(bars) + 6
    lines = [f'<svg viewBox="0 0 {_LEFT + _WIDTH + 120} {height}" role="img">']
    for number, each in enumerate(bars):
        y = number * _ROW
        width = _WIDTH * min(each.value / most, 1.0)
        end = width
        kind = "part" if each.part else "bar"
        lines.append(
            f'<text x="{_LEFT - 8}" y="{y + 18}" text-anchor="end">{escape(each.label[-32:])}'
            f'</text><rect class="{kind}" x="{_LEFT}" y="{y + 5}" width="{width:.1f}" height="17"/>'
        )
        if each.span:
            low, high = (_LEFT + _WIDTH * edge / most for edge in each.span)
            end = max(end, high - _LEFT)
            lines.append(
                f'<path class="span" d="M{low:.1f} {y + 13.5}H{high:.1f}M{low:.1f} {y + 9}v9'
                f'M{high:.1f} {y + 9}v9"/>'
            )
        lines.append(f'<text x="{_LEFT + end + 8:.1f}" y="{y + 18}">{escape(each.told)}</text>')
    return "".join(lines) + "</svg>"


def _pace(label: str, share: dict[str, Any], part: bool) -> Bar:
    value = share["tokens_per_second"] or 0.0
    return Bar(label, value, f"{value:.1f}" if value else "not told", part=part)


def _table(told: dict[str, Any]) -> str:
    ks = sorted({int(k) for each in told["models"] for k in each["pass_at"]})
    head = ["model", *(f"pass@{k}" for k in ks), "samples", "right", "tokens", "not right because"]
    rows = []
    for each in told["models"]:
        passes = [each["pass_at"].get(str(k)) for k in ks]
        why = ", ".join(f"{n} {w}" for w, n in each["reasons"].items() if w != "passed")
        if each["cut_by_num_predict"]:
            why += f" ({each['cut_by_num_predict']} answers cut by num_predict)"
        cells = [each["model"], *("" if one is None else f"{one:.4f}" for one in passes)]
        rows.append([*cells, each["samples"], each["passed"], each["tokens"], why])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{each}</th>' for each in head)}</tr>{body}</table>"
