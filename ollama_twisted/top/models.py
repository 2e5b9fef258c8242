"""The models in memory: where they are, and what they do."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from ollama_twisted.top.document import Document, Item
from ollama_twisted.top.table import bare_table
from ollama_twisted.top.words import UNKNOWN, duration, known, number, plain, size

#: Where there is room for what a model does.
_WIDE = 64


@dataclass(slots=True)
class Model:
    """A model: who has it, what the gateway tells of its use, what all its copies take."""

    nodes: list[str]
    use: Item
    bytes: float = 0.0


def models_in(document: Document) -> list[tuple[str, Model]]:
    """The models in memory, those first that most nodes hold."""
    found: dict[str, Model] = {}
    for node in document.servers:
        loaded = node.get("loaded")
        for each in loaded if isinstance(loaded, list) else ():
            if not isinstance(each, dict):
                continue
            name = plain(each.get("name"))
            use = document.nodes.get(f"model:{each.get('name')}", {})
            model = found.setdefault(name, Model([], use))
            model.nodes.append(plain(node.get("title") or node["id"]))
            takes = each.get("vram_bytes") or each.get("size_bytes")
            model.bytes += takes if known(takes) else 0.0
    return sorted(found.items(), key=lambda each: (-len(each[1].nodes), each[0]))


def table_of(models: list[tuple[str, Model]], width: int | None) -> Table:
    """What each takes, what it does, and where it is."""
    table = bare_table(width)
    table.add_column("MODEL", no_wrap=True, overflow="ellipsis")
    table.add_column("MEMORY", no_wrap=True, justify="right", overflow="ellipsis")
    wide = width is None or width >= _WIDE
    for title in ("FLIGHT", "TOK/S", "FIRST") if wide else ():
        table.add_column(title, no_wrap=True, justify="right", overflow="ellipsis")
    table.add_column("ON", no_wrap=True, overflow="ellipsis", ratio=1 if width else None)
    for name, model in models:
        takes = size(model.bytes) if model.bytes else UNKNOWN
        use = [
            number(model.use.get("in_flight")),
            number(model.use.get("tokens_per_second")),
            duration(model.use.get("first_token_seconds")),
        ]
        table.add_row(
            Text(name), Text(takes), *map(Text, use if wide else ()), Text(", ".join(model.nodes))
        )
    return table
