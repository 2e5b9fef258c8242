"""What Ollama says of itself, read with care."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request

from ollama_twisted.exporter.api import ApiWatch
from ollama_twisted.exporter.settings import Watched
from ollama_twisted.exporter.view import ApiView
from ollama_twisted.web.asking import Asker
from ollama_twisted.web.loaded import Model, read_models
from ollama_twisted.web.pages import JsonResource

PS = {
    "models": [
        {
            "name": "llama3.2:3b",
            "model": "llama3.2:3b",
            "size": 3_000_000_000,
            "size_vram": 2_000_000_000,
            "expires_at": "2026-11-24T10:05:00.123456789+02:00",
        }
    ]
}


class ModelTests(SynchronousTestCase):
    """Answers of ``/api/ps``."""

    def test_read(self) -> None:
        """
        Go's date, with its nine digits, is a date.
        """
        (model,) = read_models(PS) or ()
        self.assertEqual(
            (model.name, model.size, model.vram), ("llama3.2:3b", 3 * 10**9, 2 * 10**9)
        )
        self.assertAlmostEqual(model.expires or 0, 1795507500.123456, places=3)

    def test_stays(self) -> None:
        """
        A model that never leaves has no end; centuries ahead, or the year 1, mean the same.
        """
        for date in ("2318-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "soon", None, 7):
            (model,) = read_models({"models": [{"name": "m", "expires_at": date}]}) or ()
            self.assertEqual(model, Model("m", None, None, None))

    def test_none(self) -> None:
        """
        No model in memory is no model, however it is said; another document is no answer.
        """
        self.assertEqual(read_models({"models": []}), ())
        self.assertEqual(read_models({"models": None}), ())
        for junk in ({}, [], "x", None, {"models": 3}):
            self.assertEqual(read_models(junk), None)

    def test_twice(self) -> None:
        """
        A name that is listed twice makes one series, or Prometheus would refuse the page.
        """
        listed = [{"name": "m", "size": 1}, {"name": "m", "size": 2}]
        self.assertEqual(len(read_models({"models": listed}) or ()), 1)

    _json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "model", "size", "size_vram", "expires_at", "x"]), inner
            )
        ),
        max_leaves=10,
    )

    @given(st.lists(_json, max_size=4))
    def test_junk(self, listed: list[Any]) -> None:
        """
        Junk is left out, and never raises.
        """
        for each in read_models({"models": listed}) or ():
            self.assertIsInstance(each.name, str)


class WatchTests(SynchronousTestCase):
    """Asking."""

    def look(self, version: Any, ps: Any) -> ApiView:
        """Ask an Ollama that gives these answers; a number is a status."""

        def page(answer: Any) -> JsonResource:
            def document(request: Request) -> Any:
                if isinstance(answer, int):
                    request.setResponseCode(answer)
                return answer

            return JsonResource(document)

        root, api = Resource(), Resource()
        api.putChild(b"version", page(version))
        api.putChild(b"ps", page(ps))
        root.putChild(b"api", api)
        agent = RequestTraversalAgent(root)
        watch = ApiWatch(Asker(agent, Clock(), "t"), "127.0.0.1", [Watched("n", 11434)])
        looking = Deferred.fromCoroutine(watch.look())
        agent.flush()
        for _ in range(5):
            agent.flush()
        self.successResultOf(looking)
        return watch.views["n"]

    def test_up(self) -> None:
        """
        An Ollama that answers is up, with its version and what it has in memory.
        """
        view = self.look({"version": "0.12.0"}, PS)
        self.assertEqual((view.up, view.version, len(view.models or ())), (True, "0.12.0", 1))

    def test_down(self) -> None:
        """
        One that answers with an error is down, and it is said why.
        """
        view = self.look(500, PS)
        self.assertEqual((view.up, view.error), (False, "answered 500"))

    def test_somebody_else(self) -> None:
        """
        Another server on that port is not an Ollama.
        """
        self.assertEqual(self.look({"hello": 1}, {}).up, False)

    def test_no_list(self) -> None:
        """
        Without a list of models it is up all the same, and what it has loaded not known.
        """
        self.assertEqual(self.look({"version": "1"}, 404), ApiView(True, "1", None))
