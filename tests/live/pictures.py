"""
Pictures of the dashboard, drawn from what a real Prometheus answers to its expressions.

``python -m tests.live.pictures`` starts three simulated nodes, a gateway, an exporter and a
Prometheus, makes traffic for a minute, and writes one picture a row into ``docs/pictures``.
They show what the panels show, not how Grafana draws it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.dashboards import dashboard, filled
from tests.live.exporters import RunningExporter
from tests.live.gateways import RunningGateway
from tests.live.prometheis import RunningPrometheus
from tests.live.simulated import SimulatedNode
from tests.parts import ROOT

SECONDS = 75
UNIT, LINE = 50, 26  # of the dashboard's grid, in pixels
COLOURS = ("#3274d9", "#e0752d", "#299c46", "#a352cc", "#c4162a", "#0f8f8f", "#8f6b00", "#555555")
CHATS = {"smollm2:135m": 0.25, "llama3.2:3b": 0.4, "qwen3:8b": 0.9}


class Series(NamedTuple):
    """One line of a panel."""

    legend: str
    labels: dict[str, str]
    points: list[tuple[float, float]]


class Panel(NamedTuple):
    """One panel with what Prometheus had to say."""

    title: str
    kind: str
    unit: str
    place: dict[str, int]
    series: list[Series]


def shown(value: float, unit: str) -> str:
    """A number with its unit, as short as people like it."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    scaled, prefix = value, ""
    for prefix in ("", "k", "M", "G"):
        if abs(scaled) < 1000 or prefix == "G":
            break
        scaled /= 1000
    suffix = {"s": " s", "Bps": "B/s", "bytes": "B", "reqps": "/s", "cps": "/s"}.get(unit, "")
    return f"{scaled:.3g} {prefix}{suffix}".strip()


def lines(panel: Panel, width: int, height: int) -> Iterator[str]:
    """A time series: axes, lines, and a legend of at most four."""
    points = [point for each in panel.series for point in each.points]
    top = max((value for _, value in points), default=1.0) * 1.1 or 1.0
    began, ended = min(points)[0], max(points)[0]
    left, low = 62, height - 42
    for share in (0.0, 0.5, 1.0):
        y = low - share * (low - 34)
        yield f'<path d="M{left} {y:.0f}H{width - 12}" stroke="#e4e7eb"/>'
        yield (
            f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end" class="q">'
            f"{escape(shown(top * share, panel.unit))}</text>"
        )
    for number, each in enumerate(panel.series):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(
            f"{left + (at - began) / max(1.0, ended - began) * (width - left - 12):.1f},"
            f"{low - value / top * (low - 34):.1f}"
            for at, value in each.points
        )
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        if number < 4:
            x, y = 14 + number % 2 * (width // 2 - 10), height - 24 + number // 2 * 16
            yield f'<path d="M{x} {y - 4}h12" stroke="{colour}" stroke-width="3"/>'
            room = max(8, width // 2 // 7 - 5)
            yield f'<text x="{x + 17}" y="{y}" class="q">{escape(each.legend[:room])}</text>'


def number(panel: Panel, width: int, height: int) -> Iterator[str]:
    """A single number."""
    value = panel.series[0].points[-1][1]
    yield (
        f'<text x="{width // 2}" y="{height // 2 + 20}" text-anchor="middle" class="n">'
        f"{escape(shown(value, panel.unit))}</text>"
    )


def bars(panel: Panel, width: int, height: int) -> Iterator[str]:
    """A state timeline: green while it holds, red while it does not."""
    room = (height - 44) / max(1, len(panel.series))
    for row, each in enumerate(panel.series):
        y, began, ended = 34 + row * room, each.points[0][0], each.points[-1][0]
        step = (width - 150) / max(1.0, ended - began)
        yield f'<text x="12" y="{y + room / 2 + 4:.0f}" class="q">{escape(each.legend[:20])}</text>'
        for at, value in each.points:
            colour = "#299c46" if value else "#c4162a"
            yield (
                f'<rect x="{138 + (at - began) * step:.1f}" y="{y + 3:.1f}" fill="{colour}"'
                f' width="{step + 0.5:.1f}" height="{room - 8:.1f}"/>'
            )


def graph(panel: Panel, width: int, height: int) -> Iterator[str]:
    """A node graph: sources on the left, targets on the right."""
    edges = [each for each in panel.series if "source" in each.labels]
    places = {}
    for end, x in (("source", width // 4), ("target", 3 * width // 4)):
        names = sorted({each.labels[end] for each in edges})
        for row, name in enumerate(names, 1):
            places[name] = (x, row * height // (len(names) + 1) + 10)
    for each in edges:
        (x, y), (to_x, to_y) = places[each.labels["source"]], places[each.labels["target"]]
        yield f'<path d="M{x} {y}L{to_x} {to_y}" stroke="#98a3b3" stroke-width="2"/>'
        yield (
            f'<text x="{(x + 2 * to_x) // 3}" y="{(y + 2 * to_y) // 3 - 6}" class="q">'
            f"{each.points[-1][1]:g}</text>"
        )
    for name, (x, y) in places.items():
        yield f'<circle cx="{x}" cy="{y}" r="24" fill="#fff" stroke="#299c46" stroke-width="4"/>'
        yield f'<text x="{x}" y="{y + 42}" text-anchor="middle">{escape(name)}</text>'


DRAW = {"timeseries": lines, "stat": number, "state-timeline": bars, "nodeGraph": graph}


def draw(panels: list[Panel]) -> str:
    """One row of the dashboard."""
    first = min(each.place["y"] for each in panels)
    tall = max(each.place["y"] + each.place["h"] for each in panels) - first
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * UNIT} {tall * LINE}">',
        "<style>text{font:13px sans-serif;fill:#1d232b}.q{font-size:11px;fill:#5b6675}"
        ".n{font-size:30px}.t{font-weight:bold}</style>",
        '<rect width="100%" height="100%" fill="#f4f5f7"/>',
    ]
    for panel in panels:
        at = panel.place
        width, height = at["w"] * UNIT - 8, at["h"] * LINE - 8
        x, y = at["x"] * UNIT + 4, (at["y"] - first) * LINE + 4
        parts.append(f'<g transform="translate({x} {y})">')
        box = f'width="{width}" height="{height}" rx="3" fill="#fff" stroke="#d5dbe3"'
        parts.append(f"<rect {box}/>")
        parts.append(f'<text x="10" y="20" class="t">{escape(panel.title)}</text>')
        if any(each.points for each in panel.series):
            parts.extend(DRAW[panel.kind](panel, width, height))
        else:
            parts.append(f'<text x="10" y="{height // 2}" class="q">nothing in this minute</text>')
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def asked(prometheus: RunningPrometheus, panel: dict[str, Any], end: float) -> Panel:
    """A panel with the answers to its expressions."""
    series = []
    for target in panel["targets"]:
        expression = filled(target["expr"]).replace("[1m]", "[6s]")
        query = {"query": expression, "start": end - 60, "end": end, "step": 1}
        _, body = prometheus._get("/api/v1/query_range?" + urlencode(query))
        for each in json.loads(body)["data"]["result"]:
            legend = target["legendFormat"].replace("__auto", panel["title"])
            for name, value in each["metric"].items():
                legend = legend.replace("{{" + name + "}}", value)
            points = [(float(at), float(value)) for at, value in each["values"]]
            points = [point for point in points if point[1] == point[1]]
            if points:
                series.append(Series(legend, each["metric"], points))
    kind, unit = panel["type"], panel["fieldConfig"]["defaults"]["unit"]
    return Panel(panel["title"], kind, unit, panel["gridPos"], series)


def traffic(gateway: RunningGateway, model: str, pause: float, until: float) -> None:
    """Somebody who asks a model the same thing again and again."""
    chat = {"model": model, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
    while time.monotonic() < until:
        gateway.lines("/api/chat", chat)
        time.sleep(pause)


def main() -> None:
    """Draw them all."""
    options = [word for name in CHATS for word in ("--model", name)]
    pace = {"gpu-1": "180", "gpu-2": "120", "laptop": "60"}
    nodes = {
        name: SimulatedNode(*options, "--tokens-per-second", each, "--load-time", "0.4")
        for name, each in pace.items()
    }
    ports = {name: each.port for name, each in nodes.items()}
    gateway = RunningGateway(ports, "--strategy", "least_connections", node={"max_in_flight": 2})
    exporter = RunningExporter(ports, "--routers", "gateway=127.0.0.1").until_measured()
    gateway.until_healthy(*nodes)
    prometheus = RunningPrometheus(gateway.port, exporter.port)
    try:
        until = time.monotonic() + SECONDS
        crowd = [
            threading.Thread(target=traffic, args=(gateway, model, pause, until))
            for model, pause in CHATS.items()
            for _ in range(3)
        ]
        for each in crowd:
            each.start()
        for each in crowd:
            each.join()
        end, rows = time.time() - 1, dict[str, list[Panel]]()
        for panel in dashboard()["panels"]:
            if panel["type"] == "row":
                row = rows.setdefault(panel["title"].lower().replace(" ", "-"), [])
            else:
                row.append(asked(prometheus, panel, end))
        folder = ROOT / "docs" / "pictures"
        folder.mkdir(exist_ok=True)
        for name, panels in rows.items():
            (folder / f"{name}.svg").write_text(draw(panels), encoding="utf-8")
    finally:
        for server in (prometheus, exporter, gateway, *nodes.values()):
            server.stop()


if __name__ == "__main__":
    main()
