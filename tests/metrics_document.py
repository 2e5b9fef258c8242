"""
The tables of ``docs/METRICS.md``, made from the metrics themselves.

``python -m tests.metrics_document`` writes them into the document anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import Metric

from ollama_twisted.exporter.collector import ExporterCollector
from ollama_twisted.gauges import NodeView, PoolView
from ollama_twisted.metrics import GatewayMetrics
from tests.exporter.world import World
from tests.parts import ROOT

DOCUMENT = ROOT / "docs" / "METRICS.md"
_TABLE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def exporter() -> list[Metric]:
    """Every family that an exporter may publish."""
    collector = ExporterCollector(World().exporter.view, lambda: 0.0, {})
    return [*collector.collect()]


def gateway() -> list[Metric]:
    """Every family that a gateway may publish."""
    node = NodeView("n", True, True, False, 1.0, 0, 0)
    return [*GatewayMetrics(lambda: PoolView((node,), 0, 0, 0), "").collect()]


def name_of(family: Metric) -> str:
    """The name of its series, as one asks for it."""
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    return family.name + suffix


def labels_of(family: Metric) -> list[str]:
    """The labels of its series."""
    labels = list(getattr(family, "_labelnames", ()))
    if family.type == "info":
        labels += sorted({name for each in family.samples for name in each.labels} - {*labels})
    return labels


#: Labels of info metrics that only a running program fills in.
INFO = {
    "ollama_bytes_source_info": ["method", "quality"],
    "ollama_version_info": ["version"],
    "ollama_node_info": [],
    "ollama_exporter_build_info": ["version", "python", "twisted", "platform"],
}


def table(families: Iterable[Metric]) -> str:
    """One row for each family."""
    rows = ["| name | type | labels | is |", "|---|---|---|---|"]
    for family in families:
        labels = list(dict.fromkeys([*labels_of(family), *INFO.get(name_of(family), [])]))
        marked = ", ".join(f"`{each}`" for each in labels)
        rows.append(f"| `{name_of(family)}` | {family.type} | {marked} | {family.documentation} |")
    return "\n".join(rows) + "\n"


def current(document: str) -> str:
    """The document with its tables made anew."""
    tables = {"exporter": table(exporter()), "gateway": table(gateway())}
    return _TABLE.sub(lambda found: found[1] + tables[found[2]] + found[3], document)


def write(path: Path = DOCUMENT) -> None:
    """Bring the document up to date."""
    path.write_text(current(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
