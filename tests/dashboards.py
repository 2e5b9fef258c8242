"""The dashboard that we ship, taken apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ollama_twisted.resources import shipped

FILE = shipped("config", "grafana-dashboard.json")

#: What Grafana puts in the place of its variables; ``.+`` is what "All" means.
_VARIABLES = {
    "$__rate_interval": "1m",
    "$job": ".+",
    "$instance": ".+",
    "$node": ".+",
    "$model": ".+",
}


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    read = json.loads(FILE.read_text(encoding="utf-8"))
    assert isinstance(read, dict)
    return read


def panels() -> list[dict[str, Any]]:
    """Its panels, without the headings of rows."""
    return [each for each in dashboard()["panels"] if each["type"] != "row"]


def variables() -> dict[str, dict[str, Any]]:
    """Its variables, by name."""
    return {each["name"]: each for each in dashboard()["templating"]["list"]}


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression as it is written, with the title of its panel."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def filled(expression: str) -> str:
    """The expression as Prometheus gets it, with "All" chosen everywhere."""
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def metrics(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    return set(re.findall(r"\bollama_\w+", expression))
