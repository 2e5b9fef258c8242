"""What is drawn of a document: on a terminal of any size, or once for a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ollama_twisted.top.document import Document, Item
from ollama_twisted.top.models import models_in, table_of
from ollama_twisted.top.table import bare_table
from ollama_twisted.top.words import UNKNOWN, bars, clock, duration, known, number, plain

#: Each state has a sign, as colours alone tell not everybody apart; the second is for
#: terminals that know no others than ASCII.
_SIGNS = {
    "healthy": ("●", "*", "green"),
    "down": ("■", "#", "bold red"),
    "ejected": ("▲", "!", "bold red"),
    "draining": ("◐", "~", "yellow"),
    "disabled": ("○", "o", "dim"),
}
_EVENTS = {
    "up": "green",
    "readmitted": "green",
    "resumed": "green",
    "down": "bold red",
    "ejected": "bold red",
    "failure": "red",
    "draining": "yellow",
}

#: A column is left out where the terminal is narrower.
_COLUMNS: tuple[tuple[str, int, bool], ...] = (
    ("NODE", 0, False),
    ("STATE", 0, False),
    ("FLIGHT", 0, True),
    ("REQ/S", 64, True),
    ("TOK/S", 40, True),
    ("FIRST", 56, True),
    ("FAILED", 88, True),
    ("IN MEMORY", 74, False),
)

#: Where models and events have no room beside the nodes.
_LOW = 12


@dataclass(frozen=True, slots=True)
class Link:
    """How we are connected: ``live``, ``stale`` or ``disconnected``, for how long, and why."""

    url: str
    state: str = "live"
    seconds: float = 0.0
    why: str = ""


def state_of(node: Item) -> str:
    """A node's state in a word; an exporter only tells whether its Ollama is up."""
    if isinstance(state := node.get("state"), str):
        return plain(state)
    up = node.get("up")
    return "healthy" if up is True else "down" if up is False else "unknown"


def screen(
    document: Document,
    link: Link,
    width: int,
    height: int,
    paces: Sequence[Any] = (),
    ascii_only: bool = False,
) -> Group:
    """
    All of it, in so many columns and lines.

    ``paces`` are the tokens per second of the last looks, oldest first.
    """
    head: list[RenderableType] = [
        _title(document, link, width),
        *_wrapped(_numbers(document, () if ascii_only else paces), width)[: max(1, height - 8)],
    ]
    if notice := document.gateway.get("notice"):
        head.append(_cut(Text(plain(notice), "yellow"), width))
    room = height - len(head) - 2
    servers = _by_need(document.servers, room - 1)
    body: list[RenderableType] = [Text(""), _nodes(servers, width, ascii_only)]
    left = len(document.servers) - len(servers)
    if left > 0:
        body.append(Text(f"and {left} more", "dim"))
    room -= len(servers) + (left > 0)
    models = models_in(document)
    if models and room >= _LOW // 2:
        shown = models[: max(2, room // 3)]
        body += [Text(""), table_of(shown, width)]
        room -= len(shown) + 2
    if document.events and room > 2:
        body += [Text(""), Text("EVENTS", "dim")]
        body += [_cut(_event(each), width) for each in document.events[: -(room - 1) : -1]]
    return Group(*head, *body)


def once(document: Document, url: str) -> Group:
    """The same for a script: everything, as wide as it is, and no signs."""
    lines: list[RenderableType] = [
        Text("  ".join(each.plain for each in _numbers(document, ()))),
        Text(""),
        _nodes(document.servers, None, True),
    ]
    if models := models_in(document):
        lines += [Text(""), table_of(models, None)]
    return Group(Text(f"{_name(document)} {plain(url)}"), *lines)


def _name(document: Document) -> str:
    version = document.gateway.get("version")
    return f"ollama-{plain(document.role) or 'gateway'}{f' {plain(version)}' if version else ''}"


def _title(document: Document, link: Link, width: int) -> Text:
    state = Text(link.state, {"live": "green", "stale": "yellow"}.get(link.state, "bold red"))
    if link.state != "live":
        state.append(f" for {duration(max(1, round(link.seconds)))}")
    if link.why:
        state.append(f": {plain(link.why)}")
    name = Text(_name(document), "bold")
    whole = Text("  ").join([name, Text(plain(link.url), "dim"), state, Text("q ends", "dim")])
    if whole.cell_len > width:
        # What matters more than where this is.
        whole = Text("  ").join([name, state])
    return _cut(whole, width)


def _numbers(document: Document, paces: Sequence[Any]) -> list[Text]:
    """The gateway in numbers, each with what it is."""
    gateway, servers = document.gateway, document.servers
    asked = [each for each in servers if state_of(each) != "disabled"]
    healthy = sum(state_of(each) == "healthy" for each in asked)
    style = "bold red" if healthy < len(asked) else "bold"
    found = [_number(f"{healthy}/{len(asked)}", "healthy", style)]
    if not gateway:
        connections = [each.get("connections") for each in servers]
        total = sum(each for each in connections if known(each))
        return [*found, _number(number(total), "connections")]
    tokens = _number(number(gateway.get("tokens_per_second")), "tokens/s")
    if paces:
        tokens.append(" ").append(bars(paces), "cyan")
    waiting, failing = gateway.get("waiting"), gateway.get("failures_per_second")
    return [
        *found,
        _number(number(gateway.get("requests_per_second")), "requests/s"),
        tokens,
        _number(duration(gateway.get("first_token_seconds")), "first token"),
        _number(number(gateway.get("in_flight")), "in flight"),
        _number(number(waiting), "in line", "yellow" if waiting else "bold"),
        _number(number(failing), "failures/s", "bold red" if failing else "bold"),
        _number(number(gateway.get("clients")), "clients"),
    ]  # fmt: skip


def _number(value: str, name: str, style: str = "bold") -> Text:
    return Text(value, style).append(f" {name}", "not bold default")


def _wrapped(words: Iterable[Text], width: int) -> list[Text]:
    """The words in lines, none of them broken."""
    lines: list[Text] = []
    for word in words:
        if lines and lines[-1].cell_len + 3 + word.cell_len <= width:
            lines[-1].append("   ").append_text(word)
        else:
            lines.append(Text().append_text(word))
    return [_cut(line, width) for line in lines]


def _cut(text: Text, width: int) -> Text:
    text.no_wrap = True
    text.truncate(width, overflow="ellipsis")
    return text


def _by_need(servers: list[Item], room: int) -> list[Item]:
    """As many as there is room for: where there is too little, those first that are not well."""
    if len(servers) <= room:
        return servers
    well = [state_of(each) == "healthy" for each in servers]
    order = sorted(range(len(servers)), key=lambda index: (well[index], index))
    return [servers[index] for index in sorted(order[: max(1, room - 1)])]


def _nodes(servers: list[Item], width: int | None, ascii_only: bool) -> Table:
    columns = [each for each in _COLUMNS if width is None or width >= each[1]]
    table = bare_table(width)
    for index, (title, _, is_number) in enumerate(columns):
        table.add_column(
            title,
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=len(title) if index < 2 or is_number else None,
            ratio=1 if title == "IN MEMORY" and width is not None else None,
        )
    for node in servers:
        cells = _cells(node, ascii_only, width is not None)
        table.add_row(*(cells[title] for title, _, _ in columns))
    return table


def _cells(node: Item, ascii_only: bool, signs: bool) -> dict[str, Text]:
    state = state_of(node)
    sign, simple, style = _SIGNS.get(state, ("?", "?", "default"))
    text = f"{simple if ascii_only else sign} {state}" if signs else state
    loaded = [plain(name) for name in _loaded_names(node)]
    why = plain(node.get("error") or "")
    flight, most = number(node.get("in_flight", node.get("connections"))), node.get("max_in_flight")
    failed = node.get("failed_requests")
    return {
        "NODE": Text(plain(node.get("title") or node["id"])),
        "STATE": Text(text, style),
        "FLIGHT": Text(f"{flight}/{number(most)}" if known(most) else flight),
        "REQ/S": Text(number(node.get("requests_per_second"))),
        "TOK/S": Text(number(node.get("tokens_per_second"))),
        "FIRST": Text(duration(node.get("first_token_seconds"))),
        "FAILED": Text(number(failed), "red" if failed else "default"),
        "IN MEMORY": Text(why, "red") if why else Text(", ".join(loaded) or UNKNOWN),
    }


def _loaded_names(node: Item) -> list[str]:
    """A node's models in memory; an exporter tells their names alone."""
    loaded = node.get("loaded", node.get("models") if "up" in node else None)
    if not isinstance(loaded, list):
        return []
    return [str(each.get("name")) if isinstance(each, dict) else str(each) for each in loaded]


def _event(event: Item) -> Text:
    kind = plain(event.get("kind") or "")
    words = plain(event.get("text") or f"{event.get('node') or ''} {kind}".strip())
    return Text(clock(event.get("time")), "dim").append(f"  {words}", _EVENTS.get(kind, "default"))
