"""Files, ``.env``, the environment, the command line: which of them wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.load import load
from ollama_twisted.config.resolved import LOCAL_NODE, Config
from ollama_twisted.errors import ConfigError


class LoadCase(SynchronousTestCase):
    """A working directory for each test."""

    def setUp(self) -> None:
        self.cwd = Path(self.mktemp()).absolute()
        self.cwd.mkdir(parents=True)

    def write(self, path: str, *names: str, **settings: Any) -> str:
        """A configuration file with these nodes; its path."""
        file = self.cwd / path
        file.parent.mkdir(parents=True, exist_ok=True)
        nodes = [{"name": name, "hosts": ["gpu"]} for name in names]
        file.write_text(json.dumps({"nodes": nodes, **settings} if nodes else settings))
        return path

    def dotenv(self, text: str) -> None:
        (self.cwd / ".env").write_text(text, encoding="utf-8")

    def load(self, *, env: dict[str, str] | None = None, **options: Any) -> Config:
        """The configuration; an option's ``_`` stands for ``-``."""
        named = {name.replace("_", "-"): value for name, value in options.items()}
        return load(named, env or {}, self.cwd)

    def faults(self, **kwargs: Any) -> tuple[str, ...]:
        error = self.assertRaises(ConfigError, self.load, **kwargs)
        faults: tuple[str, ...] = error.faults
        return faults


class FileTests(LoadCase):
    """Which file is read."""

    def test_none(self) -> None:
        """Without a file the Ollama on this machine is the only node."""
        self.assertEqual(
            self.load(),
            Config((LOCAL_NODE,), source="defaults, without a file", is_default=True),
        )

    def test_usual(self) -> None:
        """``config/node_config.json`` needs no naming."""
        self.write("config/node_config.json", "usual")
        found = self.load()
        self.assertEqual(
            (found.nodes[0].name, found.source, found.is_default),
            ("usual", "config/node_config.json", False),
        )

    def test_precedence(self) -> None:
        """The command line wins over the environment, the environment over ``.env``."""
        for name in ("option", "environment", "dotenv", "config/node_config"):
            self.write(f"{name}.json", name)
        self.dotenv("NODE_CONFIG_FILE=dotenv.json")
        env = {"NODE_CONFIG_FILE": "environment.json"}
        found = [
            self.load(env=env, config="option.json"),
            self.load(env=env, config=None),
            self.load(env={"NODE_CONFIG_FILE": ""}),
            self.load(),
        ]
        self.assertEqual(
            [each.nodes[0].name for each in found],
            ["option", "environment", "config/node_config", "dotenv"],
        )

    def test_bare_name(self) -> None:
        """The bare name means the one in ``config``, unless only the other exists."""
        env = {"NODE_CONFIG_FILE": "node_config.json"}
        self.assertIn("config/node_config.json: cannot be read", self.faults(env=env)[0])
        self.write("node_config.json", "here")
        self.assertEqual(self.load(env=env).source, "node_config.json")
        self.write("config/node_config.json", "usual")
        self.assertEqual(self.load(env=env).source, "config/node_config.json")

    def test_absolute(self) -> None:
        """A file elsewhere is named in full."""
        elsewhere = Path(self.mktemp()).absolute()
        elsewhere.write_text("{}")
        self.assertEqual(self.load(config=str(elsewhere)).source, str(elsewhere))

    def test_missing(self) -> None:
        """A file that was asked for and is not there is never passed over."""
        self.write("config/node_config.json", "usual")
        for options in ({"config": "other.json"}, {"env": {"NODE_CONFIG_FILE": "other.json"}}):
            self.assertEqual(
                self.faults(**options), ("other.json: cannot be read: No such file or directory",)
            )

    def test_link_to_nowhere(self) -> None:
        """Nor is a link that leads nowhere."""
        (self.cwd / "config").mkdir()
        (self.cwd / "config" / "node_config.json").symlink_to("gone.json")
        self.assertIn("cannot be read", self.faults()[0])

    def test_variables(self) -> None:
        """Variables in the file come from the environment, else from ``.env``."""
        self.write("a.json", "${FIRST}", "${SECOND}")
        self.dotenv("FIRST=dotenv\nSECOND=second\nNOTHING")
        found = self.load(config="a.json", env={"FIRST": "environment"})
        self.assertEqual([each.name for each in found.nodes], ["environment", "second"])


class SettingTests(LoadCase):
    """Single settings."""

    def test_strategy(self) -> None:
        """The file's strategy yields to ``.env``, this to the environment, this to the option."""
        self.write("config/node_config.json", strategy="least_connections")
        found = [self.load().strategy]
        self.dotenv("SCHEDULING_STRATEGY=weighted_round_robin")
        found.append(self.load().strategy)
        env = {"SCHEDULING_STRATEGY": "round_robin"}
        found.append(self.load(env=env).strategy)
        found.append(self.load(env=env, strategy="least_connections").strategy)
        self.assertEqual(
            found, ["least_connections", "weighted_round_robin", "round_robin", "least_connections"]
        )

    def test_listen(self) -> None:
        """Host and port may come from different sources; an endpoint says it all."""
        self.write("config/node_config.json", gateway={"listen": ["tcp:1"]})
        env = {"GATEWAY_HOST": "::", "GATEWAY_PORT": "80"}
        self.assertEqual(
            [
                self.load().gateway.listen,
                self.load(env={"GATEWAY_PORT": "0"}).gateway.listen,
                self.load(env={"GATEWAY_HOST": "0.0.0.0", "GATEWAY_PORT": ""}).gateway.listen,
                self.load(env=env).gateway.listen,
                self.load(env=env, port="81", host="[::1]").gateway.listen,
                self.load(env=env, listen=["unix:/a", "tcp:2"]).gateway.listen,
                self.load(env=env, listen=[], port=None).gateway.listen,
            ],
            [
                ("tcp:1",),
                ("tcp:0:interface=127.0.0.1",),
                ("tcp:11435:interface=0.0.0.0",),
                (r"tcp:80:interface=\:\:",),
                (r"tcp:81:interface=\:\:1",),
                ("unix:/a", "tcp:2"),
                (r"tcp:80:interface=\:\:",),
            ],
        )

    def test_log(self) -> None:
        """The access log of the command line wins over the file's."""
        self.write("config/node_config.json", gateway={"access_log": "a.log", "attempts": 7})
        found = self.load(access_log="off", log_format="text").gateway
        self.assertEqual((found.access_log, found.log_format, found.attempts), ("off", "text", 7))


class FaultTests(LoadCase):
    """What is told when it cannot be used."""

    def test_every_source(self) -> None:
        """Faults of all sources are told together, each with its place."""
        self.write("config/node_config.json", "a", line=1, strategy="least_conections")
        env = {"GATEWAY_PORT": "65536", "SCHEDULING_STRATEGY": "random"}
        self.assertEqual(
            self.faults(env=env, log_format="jsn"),
            (
                'config/node_config.json: strategy: unknown "least_conections";'
                ' did you mean "least_connections"?',
                "config/node_config.json: line: expected an object, got a whole number",
                "GATEWAY_PORT: expected a port, 1 to 65535, or 0 for any that is free",
                '--log-format: unknown "jsn"; did you mean "json"?',
                'SCHEDULING_STRATEGY: unknown "random"; did you mean "round_robin"?',
            ),
        )

    def test_text(self) -> None:
        """The error as a text is one fault a line."""
        error = self.assertRaises(ConfigError, self.load, strategy="x", port="y")
        self.assertEqual(str(error).splitlines(), list(error.faults))

    def test_ports(self) -> None:
        """A port is a plain number in its range."""
        for port in ("", "-1", "1e3", " 80", "80 ", "٨٠", "0x50", "9" * 5000):
            self.assertEqual(len(self.faults(port=port)), 1, port)

    def test_host(self) -> None:
        """A host cannot add arguments to the endpoint."""
        self.assertEqual(
            self.load(host="::1:backlog=1").gateway.listen,
            (r"tcp:11435:interface=\:\:1\:backlog=1",),
        )
        self.assertEqual(self.load(host="a\\").gateway.listen, (r"tcp:11435:interface=a\\",))
        self.assertEqual(len(self.faults(host="a\nb")), 1)

    def test_beside_listen(self) -> None:
        """An option that would be passed over is refused instead."""
        self.assertEqual(
            self.faults(listen=["tcp:1"], port="2", host="::"),
            (
                "--host: stands beside --listen, which says it all",
                "--port: stands beside --listen, which says it all",
            ),
        )

    def test_dotenv(self) -> None:
        """A ``.env`` that cannot be read is not passed over either."""
        (self.cwd / ".env").write_bytes(b"A=\xff")
        self.assertEqual(self.faults(), (".env: cannot be read: not UTF-8",))
