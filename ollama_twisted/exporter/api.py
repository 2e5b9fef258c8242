"""What the Ollamas here say of themselves, asked time and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from ollama_twisted.exporter.settings import Watched
from ollama_twisted.exporter.view import ApiView
from ollama_twisted.web.asking import Asker, Unanswered
from ollama_twisted.web.loaded import read_models

#: Seconds within which an answer must be here.
PATIENCE = 5.0


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
