"""The results of a run, told: a table for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from ollama_twisted.humaneval.tally import Tally


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which a run was made: without them its number says little."""

    version: str
    base_url: str
    recipe: dict[str, Any]
    problems: str
    problem_count: int
    samples: int
    ks: tuple[int, ...]
    concurrency: int
    sandbox: str
    wanted: int
    """Samples in all, over all models."""
    seconds: float
    """Of this run alone, not of those before it that it went on with."""
    asked: int
    """Samples that this run has had."""


def summary(tally: Tally, under: Conditions, unanswered: Sequence[str]) -> dict[str, Any]:
    """Everything, as JSON."""
    return {
        "version": under.version,
        "base_url": under.base_url,
        "recipe": under.recipe,
        "problems": {"digest": under.problems, "count": under.problem_count},
        "samples_per_problem": under.samples,
        "concurrency": under.concurrency,
        "sandbox": under.sandbox,
        "complete": tally.samples >= under.wanted,
        "samples": tally.samples,
        "wanted": under.wanted,
        "this_run": {"samples": under.asked, "seconds": round(under.seconds, 3)},
        "unanswered": list(unanswered),
        "models": [_model(tally, name, under.ks) for name in ranking(tally)],
    }


def ranking(tally: Tally) -> list[str]:
    """The models, best first."""
    return sorted(tally.models, key=lambda name: (-(tally.pass_at(name, 1) or 0.0), name))


def _model(tally: Tally, name: str, ks: Sequence[int]) -> dict[str, Any]:
    low, high = tally.pass_at_1_interval(name)
    return {
        "model": name,
        "problems": tally.problems(name),
        "pass_at": {str(k): value for k in ks if (value := tally.pass_at(name, k)) is not None},
        "pass_at_1_interval_95": [low, high],
        **tally.models[name].as_json(),
        "unsolved": tally.unsolved(name),
        "nodes": {
            node: share.as_json()
            for (model, node), share in sorted(tally.nodes.items())
            if model == name
        },
    }


def table(told: dict[str, Any]) -> Table:
    """For the terminal."""
    ks = sorted({int(k) for each in told["models"] for k in each["pass_at"]})
    made = Table(title=None if told["complete"] else "not complete", title_style="yellow")
    made.add_column("model")
    for name in [*(f"pass@{k}" for k in ks), "95 %", "samples", "tokens", "tokens/s", "nodes"]:
        made.add_column(
            name, justify="right" if name != "nodes" else "left", no_wrap=name != "nodes"
        )
    for each in told["models"]:
        low, high = each["pass_at_1_interval_95"]
        nodes = "  ".join(
            f"{name} {share['samples'] / each['samples']:.0%}"
            for name, share in each["nodes"].items()
        )
        made.add_row(
            each["model"],
            *(_share(each["pass_at"].get(str(k))) for k in ks),
            f"{low:.3f}-{high:.3f}",
            str(each["samples"]),
            str(each["tokens"]),
            _pace(each["tokens_per_second"]),
            nodes,
        )
    return made


def as_csv(told: dict[str, Any]) -> str:
    """One line for each model, then one for each of its nodes."""
    ks = sorted({int(k) for each in told["models"] for k in each["pass_at"]})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["rank", "model", "node", *(f"pass@{k}" for k in ks), "samples", "passed"]
    writer.writerow([*names, "tokens", "tokens_per_second", "cut_by_num_predict"])
    for rank, each in enumerate(told["models"], 1):
        parts = [("", each, [_share(each["pass_at"].get(str(k))) for k in ks])]
        parts += [(node, share, [""] * len(ks)) for node, share in each["nodes"].items()]
        for node, share, passes in parts:
            counts = [share["samples"], share["passed"], share["tokens"]]
            pace, cut = _pace(share["tokens_per_second"]), share["cut_by_num_predict"]
            writer.writerow([rank, each["model"], node, *passes, *counts, pace, cut])
    return text.getvalue()


def write(path: Path, text: str) -> None:
    """Put a file in its place, whole or not at all; raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _pace(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
