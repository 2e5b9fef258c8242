"""
The table of routes in docs/API.md, written from the one that the gateway goes by.

``python -m tests.routes_document`` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from ollama_twisted.services import OFFERS, Kind
from ollama_twisted.wire.routes import TABLE, ModelIn, Route, Streams, find

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "API.md"
BEGIN, END = "<!-- routes -->\n", "<!-- end of routes -->\n"
MERGED = {"tags", "ps", "version", "v1_models", "v1_model"}

_STREAMS = {Streams.NEVER: "", Streams.DEFAULT_ON: "yes", Streams.DEFAULT_OFF: "no"}


def table() -> str:
    """The table, as Markdown."""
    lines = [
        "| method | path | model in | streams | errors in | asked | of kind | `operation` |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for methods, path, route in TABLE:
        found = find(methods.split()[0], path)
        kinds = ", ".join(kind.value for kind in Kind if found.service in OFFERS[kind])
        model = "" if route.model_in is ModelIn.NONE else route.model_in.value
        shown = path.decode().replace("/:", "/…")
        cells = (methods.decode().replace(" ", ", "), f"`{shown}`", model, _STREAMS[route.streams])
        more = (found.dialect.value, asked(route), kinds, f"`{route.operation}`")
        lines.append(f"| {' | '.join((*cells, *more))} |")
    return "\n".join(lines) + "\n"


def asked(route: Route) -> str:
    """Whom the gateway asks."""
    if route.operation in MERGED:
        return "all (HEAD: one node)"
    how = "one node" if route.repeatable else "once"
    if route.many:
        how = "by what it is about"
    return f"{how}, guarded" if route.manages else how


def current(text: str) -> str:
    """The document with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(current(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
