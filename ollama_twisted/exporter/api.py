"""What the Ollamas here say of themselves, asked time and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from ollama_twisted.exporter.settings import Watched
from ollama_twisted.exporter.view import ApiView, Model
from ollama_twisted.web.asking import Asker, Unanswered

#: Seconds within which an answer must be here.
PATIENCE = 5.0

#: More models than this nobody has in memory at once.
MOST_MODELS = 100


def read_models(answer: Any) -> tuple[Model, ...] | None:
    """The models in an answer of ``/api/ps``; ``None`` if it is not one."""
    listed = answer.get("models") if isinstance(answer, Mapping) else None
    if listed is None and isinstance(answer, Mapping) and "models" in answer:
        return ()
    if not isinstance(listed, list):
        return None
    models = {each.name: each for each in map(_read_model, listed) if each is not None}
    return tuple(models.values())[:MOST_MODELS]


def _read_model(entry: Any) -> Model | None:
    if not isinstance(entry, Mapping):
        return None
    name = entry.get("name") or entry.get("model")
    if not isinstance(name, str) or not name:
        return None
    return Model(name, _size(entry.get("size")), _size(entry.get("size_vram")), _expiry(entry))


def _size(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and value >= 0 else None


def _expiry(entry: Mapping[str, Any]) -> float | None:
    text = entry.get("expires_at")
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(_readable(text))
        # A model that stays has a date some centuries ahead, or the year 1.
        return moment.timestamp() if 1970 < moment.year < 2200 else None
    except (ValueError, OverflowError, OSError):
        return None


def _readable(text: str) -> str:
    """Go's date, with nine digits and a Z, as Python 3.10 reads it."""
    text = text.replace("Z", "+00:00")
    head, dot, rest = text.partition(".")
    if not dot:
        return text
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{head}.{digits[:6]:0<6}{rest[len(digits) :]}"


class ApiWatch:
    """The newest answers of every Ollama here."""

    def __init__(self, asker: Asker, host: str, watched: Iterable[Watched]) -> None:
        self._asker = asker
        host = f"[{host}]" if ":" in host else host
        self._urls = {each.name: f"http://{host}:{each.port}" for each in watched}
        self.views: dict[str, ApiView] = {}

    _log = Logger()

    async def look(self) -> None:
        """Ask them all, at once."""
        asking = [Deferred.fromCoroutine(self._ask(name)) for name in self._urls]
        await gatherResults(asking)

    async def _ask(self, name: str) -> None:
        view = await self._asked(self._urls[name])
        known = self.views.get(name)
        if known is None or known.up != view.up:
            state = f"up, version {view.version}" if view.up else f"down: {view.error}"
            self._log.info("{name} is {state}", name=name, state=state)
        self.views[name] = view

    async def _asked(self, url: str) -> ApiView:
        try:
            told = await self._asker.json(f"{url}/api/version", PATIENCE)
        except Unanswered as error:
            return ApiView(False, error=str(error))
        version = told.get("version") if isinstance(told, Mapping) else None
        if not isinstance(version, str):
            return ApiView(False, error="what answers is not Ollama")
        try:
            models = read_models(await self._asker.json(f"{url}/api/ps", PATIENCE))
        except Unanswered:
            models = None
        return ApiView(True, version[:100], models)
