"""What an exporter is told, and by whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.errors import ConfigError
from ollama_twisted.exporter.settings import VARIABLES, Peer, Settings, Watched, read
from ollama_twisted.exporter.table import describe
from ollama_twisted.exporter.tap import Options


class SettingsTests(SynchronousTestCase):
    """In a folder of its own, where nothing is."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def read(self, environ: dict[str, str] | None = None, **options: Any) -> Settings:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        return read(named, environ or {}, self.folder)

    def faults(self, environ: dict[str, str] | None = None, **options: Any) -> tuple[str, ...]:
        return self.assertRaises(ConfigError, self.read, environ, **options).faults

    def test_nothing(self) -> None:
        """
        Told nothing, it watches the usual port and is seen from this machine alone.
        """
        self.assertEqual(self.read(), Settings())
        self.assertEqual(self.read().watched, (Watched("node1", 11434),))
        self.assertEqual(self.read().listen, ("tcp:9101:interface=127.0.0.1",))

    def test_precedence(self) -> None:
        """
        The environment wins over ``.env``, and an option over both.
        """
        (self.folder / ".env").write_text("NODE_NAME=one\nOLLAMA_PORT=1\nEXPORTER_PORT=11\n")
        settings = self.read({"OLLAMA_PORT": "2", "EXPORTER_PORT": "22"}, port="33")
        self.assertEqual(settings.watched, (Watched("one", 2),))
        self.assertEqual(settings.listen, ("tcp:33:interface=127.0.0.1",))

    def test_several(self) -> None:
        """
        Several Ollamas each have a name, made up if none is given.
        """
        watched = self.read(ollama_port="1, 2").watched
        self.assertEqual(watched, (Watched("node1", 1), Watched("node2", 2)))
        watched = self.read(ollama_port="1,2", node_name="gpu,cpu").watched
        self.assertEqual(watched, (Watched("gpu", 1), Watched("cpu", 2)))

    def test_every_fault(self) -> None:
        """
        Every fault is told at once, with the setting it is in.
        """
        faults = self.faults(
            {"OLLAMA_PORT": "1,2", "NODE_NAME": "a", "EXPORTER_INTERVAL": "often"},
            port="70000",
            origins="null",
            routers="router",
            bytes_per_connection="many",
        )
        sources = [each.partition(":")[0] for each in faults]
        self.assertEqual(
            sorted(sources),
            [
                "--bytes-per-connection",
                "--origins",
                "--port",
                "--routers",
                "EXPORTER_INTERVAL",
                "NODE_NAME",
            ],
        )

    def test_peers(self) -> None:
        """
        A peer may have several addresses; the names of the rest are taken.
        """
        settings = self.read({"EXPORTER_PEERS": "b=10.0.0.9"}, routers="r=10.0.0.5,r=fd00::5")
        self.assertEqual(
            settings.peers,
            (Peer("r", True, ("10.0.0.5", "fd00::5")), Peer("b", False, ("10.0.0.9",))),
        )
        self.assertIn("local", self.faults(peers="local=10.0.0.5")[0])

    def test_gateways_nodes(self) -> None:
        """
        Where the gateway's configuration is, its nodes are known by name as well.
        """
        (self.folder / "config").mkdir()
        file = self.folder / "config" / "node_config.json"
        file.write_text(json.dumps({"nodes": [{"name": "gpu", "hosts": ["10.0.0.1", "gpu.lan"]}]}))
        self.assertEqual(self.read().peers, (Peer("gpu", False, ("10.0.0.1", "gpu.lan")),))

    def test_gateways_fault(self) -> None:
        """
        What is wrong with the gateway's configuration is said, and stops nobody from measuring.
        """
        (self.folder / "config").mkdir()
        (self.folder / "config" / "node_config.json").write_text("{")
        (warning,) = self.read().warnings
        self.assertIn("node_config.json", warning)

    def test_unknown_variable(self) -> None:
        """
        A variable that is spelt wrong is pointed out, with the nearest right one.
        """
        (warning,) = self.read({"EXPORTER_ORIGIN": "x"}).warnings
        self.assertIn("exporter_origins", warning.lower())

    def test_ipv6(self) -> None:
        """
        An IPv6 address to listen on needs no quoting by the operator.
        """
        self.assertEqual(self.read(host="::1").listen, (r"tcp:9101:interface=\:\:1",))

    def test_listen(self) -> None:
        """
        Endpoints say all there is to say of listening.
        """
        self.assertEqual(self.read(listen=["unix:/run/x"]).listen, ("unix:/run/x",))
        self.assertIn("--port", self.faults(listen=["unix:/run/x"], port="1")[0])

    def test_options(self) -> None:
        """
        Each variable has its option, and the options say which.
        """
        offered = {name: text for name, _, _, text, *_ in Options.optParameters}
        self.assertEqual(set(VARIABLES.values()), set(offered))
        for variable, option in VARIABLES.items():
            self.assertIn(variable, offered[option])

    def test_described(self) -> None:
        """
        What would be used is shown in full.
        """
        shown = describe(self.read(routers="r=[x]", origins="https://a.example"))
        for each in ("node1", "11434", "[x]", "https://a.example", "9101"):
            self.assertIn(each, shown)

    @given(st.dictionaries(st.sampled_from(sorted(VARIABLES)), st.text(max_size=30), max_size=4))
    def test_junk(self, environ: dict[str, str]) -> None:
        """
        Junk makes a list of faults, and nothing else.
        """
        try:
            self.assertIsInstance(self.read(environ), Settings)
        except ConfigError as error:
            self.assertTrue(error.faults)
