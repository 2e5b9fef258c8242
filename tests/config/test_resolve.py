"""From what an operator said to what the program runs with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import (
    HEALTH_OF,
    LOCAL_NODE,
    Address,
    BreakerConfig,
    Config,
    ConnectionsConfig,
    GatewayLimits,
    HealthConfig,
    LineConfig,
    ModelSizes,
    NodeConfig,
    SizeRange,
    Timeouts,
)
from ollama_twisted.services import Kind, Service
from tests.config.files import config, node

RECORDED = Path(__file__).resolve().parent.parent / "recorded"
NODE = {"name": "a", "url": "http://10.0.0.1:11434"}


def original() -> dict[str, Any]:
    """The sample that the original ships."""
    document: dict[str, Any] = json.loads(
        (RECORDED / "node_config.original.json").read_text(encoding="utf-8")
    )
    return document


class OriginalTests(SynchronousTestCase):
    """The original's own file, unchanged."""

    def test_local(self) -> None:
        """All of a local node's hosts are addresses of the one node, in their order."""
        self.assertEqual(
            config(**original()).nodes[2],
            NodeConfig(
                name="node3",
                addresses=tuple(
                    Address("http", host, 11434)
                    for host in ("192.168.50.94", "node3", "m1", "m1.local", "m1-16gb.local")
                ),
                memory_gb=16.0,
                description="m1-16gb",
                ranges=(SizeRange(1.0, 8.0, "1B~8B 小模型"),),
            ),
        )

    def test_external(self) -> None:
        """An external node is reached over HTTPS with its own key."""
        cloud = config({"OLLAMA_API_KEY": "secret"}, **original()).nodes[4]
        self.assertEqual(
            cloud,
            NodeConfig(
                name="ollama-cloud",
                kind=Kind.EXTERNAL,
                addresses=(Address("https", "ollama.com", 443),),
                description="Ollama Cloud API",
                ranges=(SizeRange(1.0, None, "所有模型（云端）"),),  # noqa: RUF001
                headers=(("Authorization", "Bearer secret"),),
                api_key="secret",
                health=HEALTH_OF[Kind.EXTERNAL],
                timeouts=Timeouts(first_byte=300.0, idle=300.0),
            ),
        )

    def test_without_its_key(self) -> None:
        """Without the key the external node is disabled, and the others are served."""
        found = config(**original())
        self.assertEqual(
            [(each.name, each.enabled) for each in found.nodes],
            [
                ("node1", True),
                ("node2", True),
                ("node3", True),
                ("node4", True),
                ("ollama-cloud", False),
            ],
        )
        self.assertEqual(found.warnings, ("ollama-cloud is disabled: OLLAMA_API_KEY is not set",))
        self.assertEqual((found.nodes[4].headers, found.nodes[4].api_key), ((), None))

    def test_sizes(self) -> None:
        """Names of models are read by the file's own patterns and mapping."""
        sizes = config(**original()).sizes
        self.assertEqual(
            (sizes.patterns["120b"], sizes.mapping["qwen3-coder"], sizes.default),
            (120.0, 30.0, 7.0),
        )


class KindTests(SynchronousTestCase):
    """Nodes of each kind, and what differs among them if nothing is said of it."""

    def kind(self, **said: Any) -> NodeConfig:
        return config(nodes=[{"name": "a", "url": "http://a", **said}]).nodes[0]

    def test_kinds(self) -> None:
        """A node's type is its kind; the original called an Ollama local, and so may a file."""
        found = [self.kind(type=each).kind for each in ("local", "ollama", "openai", "whisper")]
        self.assertEqual(found, [Kind.OLLAMA, Kind.OLLAMA, Kind.OPENAI, Kind.WHISPER])
        self.assertEqual(self.kind().kind, Kind.OLLAMA)

    def test_max_in_flight(self) -> None:
        """A whisper node works on one request at a time, unless told otherwise."""
        found = [self.kind(type=each).max_in_flight for each in ("ollama", "openai", "whisper")]
        self.assertEqual(found, [None, None, 1])
        self.assertEqual(self.kind(type="whisper", max_in_flight=3).max_in_flight, 3)
        self.assertEqual(self.kind(type="whisper", max_in_flight=None).max_in_flight, None)

    def test_limits(self) -> None:
        """It is waited for longer, and asked for its long list less often."""
        whisper = self.kind(type="whisper")
        self.assertEqual((whisper.timeouts.first_byte, whisper.health.models_interval), (600, 300))
        self.assertEqual(self.kind(type="openai").timeouts, Timeouts())
        said = self.kind(type="whisper", timeouts={"first_byte": 5}, health={"models_interval": 7})
        self.assertEqual((said.timeouts.first_byte, said.health.models_interval), (5, 7))

    def test_lacks(self) -> None:
        """What a node lacks of what others of its kind have can be said."""
        found = self.kind(type="openai", lacks=["responses", "messages"]).lacks
        self.assertEqual(found, {Service.RESPONSES, Service.MESSAGES})

    def test_models(self) -> None:
        """The names of its models can be said of one that lists none."""
        self.assertEqual(self.kind(type="whisper", models=["whisper-1"]).models, ("whisper-1",))

    def test_key(self) -> None:
        """Any kind may have a key and headers, over plain http too."""
        node = self.kind(type="openai", api_key="k", headers={"X-Org": "o"})
        self.assertEqual(node.headers, (("X-Org", "o"), ("Authorization", "Bearer k")))


class DefaultTests(SynchronousTestCase):
    """What need not be said."""

    def test_nothing(self) -> None:
        """A file that says nothing stands for the Ollama on this machine."""
        self.assertEqual(config(), Config((LOCAL_NODE,), is_default=True))

    def test_node(self) -> None:
        """Of a node, a name and a place are enough."""
        self.assertEqual(
            config(nodes=[NODE]), Config((NodeConfig("a", (Address("http", "10.0.0.1", 11434),)),))
        )

    def test_all(self) -> None:
        """Everything about the gateway can be said."""
        found = config(
            nodes=[NODE],
            strategy="least_connections",
            line={"max_waiting": 0, "wait_timeout": 1},
            gateway={
                "listen": ["unix:/run/gateway.sock", "tcp:80"],
                "max_body": 1,
                "max_audio": 9,
                "allowed_hosts": ["gateway.example.org"],
                "manage_models": "off",
                "access_log": "off",
                "log_format": "text",
                "drain": 0,
            },
            model_name_patterns={"8x7b": 47},
            model_name_mapping={"mixtral": 47},
            default_model_size_b=3,
        )
        self.assertEqual(
            (found.strategy, found.line, found.gateway, found.sizes),
            (
                "least_connections",
                LineConfig(0, 1.0),
                GatewayLimits(
                    listen=("unix:/run/gateway.sock", "tcp:80"),
                    max_body=1,
                    max_audio=9,
                    allowed_hosts=("gateway.example.org",),
                    manage_models="off",
                    access_log="off",
                    log_format="text",
                    drain=0.0,
                ),
                ModelSizes({"8x7b": 47.0}, {"mixtral": 47.0}, 3.0),
            ),
        )

    def test_null(self) -> None:
        """Where nothing is an answer, null says it."""
        found = node(
            memory_gb=None,
            max_in_flight=None,
            api_key=None,
            supported_model_ranges=[{"max_params_b": None}],
        )
        self.assertEqual(
            (found.memory_gb, found.max_in_flight, found.api_key, found.headers, found.ranges),
            (None, None, None, (), (SizeRange(),)),
        )


class NodeTests(SynchronousTestCase):
    """Single nodes."""

    def test_layers(self) -> None:
        """A node's own limits win over the file's, each for itself, and these over defaults."""
        first, second = config(
            health={"interval": 1, "rise": 4},
            breaker={"failures": 7},
            timeouts={"connect": 9, "idle": 9},
            connections={"idle": 1},
            nodes=[
                NODE,
                {
                    "name": "b",
                    "hosts": ["b"],
                    "health": {"interval": 5},
                    "breaker": {"cooldown": 1},
                    "timeouts": {"idle": 1},
                    "connections": {"idle_seconds": 1},
                },
            ],
        ).nodes
        self.assertEqual(
            [
                (each.health, each.breaker, each.timeouts, each.connections)
                for each in (first, second)
            ],
            [
                (
                    HealthConfig(interval=1.0, rise=4),
                    BreakerConfig(failures=7),
                    Timeouts(connect=9.0, idle=9.0),
                    ConnectionsConfig(idle=1),
                ),
                (
                    HealthConfig(interval=5.0, rise=4),
                    BreakerConfig(failures=7, cooldown=1.0),
                    Timeouts(connect=9.0, idle=1.0),
                    ConnectionsConfig(idle=1, idle_seconds=1.0),
                ),
            ],
        )

    def test_timeout_seconds(self) -> None:
        """The original's one timeout is for the first byte and between parts; ours are nearer."""
        found = node(timeout_seconds=20, timeouts={"idle": 5})
        self.assertEqual(found.timeouts, Timeouts(first_byte=20.0, idle=5.0))

    def test_key(self) -> None:
        """A key becomes an Authorization, unless there is one in any letters."""
        self.assertEqual(node(api_key="k").headers, (("Authorization", "Bearer k"),))
        self.assertEqual(
            node(api_key="k", headers={"authorization": "Basic x", "X-Team": "a"}).headers,
            (("authorization", "Basic x"), ("X-Team", "a")),
        )
        self.assertEqual(node(api_key="").headers, ())

    def test_same_host_twice(self) -> None:
        """An address that is named twice is tried once."""
        self.assertEqual(
            node(hosts=["a", "b", "a"], port=1).addresses,
            (Address("http", "a", 1), Address("http", "b", 1)),
        )

    def test_repr(self) -> None:
        """Secrets are not in the repr of anything that logs might show."""
        found = config(nodes=[{**NODE, "api_key": "hunter2", "headers": {"X-Key": "hunter2"}}])
        self.assertNotIn("hunter2", repr(found))


class WarningTests(SynchronousTestCase):
    """What can be run, but is probably not meant."""

    def test_disabled(self) -> None:
        """A node that is disabled anyway may lack its key without a word."""
        found = config(nodes=[NODE, {**NODE, "name": "b", "api_key": "${K}", "enabled": False}])
        self.assertEqual(found.warnings, ())

    def test_none_enabled(self) -> None:
        """With all nodes disabled, nobody will be served."""
        self.assertEqual(
            config(nodes=[{**NODE, "enabled": False}]).warnings,
            ("no node is enabled: every request will be refused",),
        )

    def test_shared_address(self) -> None:
        """Two nodes at one address count their requests past each other."""
        self.assertEqual(
            config(nodes=[NODE, {**NODE, "name": "b"}]).warnings,
            ("a and b share http://10.0.0.1:11434",),
        )

    def test_key_in_the_clear(self) -> None:
        """A key that leaves the machine unencrypted is told."""
        keyed = {**NODE, "api_key": "k"}
        self.assertEqual(
            config(nodes=[keyed]).warnings,
            ("the key of a is sent over http, where others can read it",),
        )
        for url in ("https://10.0.0.1", "http://localhost:1"):
            self.assertEqual(config(nodes=[{**keyed, "url": url}]).warnings, ())

    def test_manage_keys(self) -> None:
        """A key without its variable opens nothing, and no key at all lets nobody in."""
        found = config(gateway={"manage_models": "keys", "manage_keys": ["${K}", "k"]})
        self.assertEqual(found.gateway.manage_keys, ("k",))
        self.assertEqual(found.warnings, ("gateway.manage_keys[0] opens nothing: K is not set",))
        self.assertEqual(
            config(gateway={"manage_models": "keys", "manage_keys": [""]}).warnings,
            ("nobody may change models: gateway.manage_keys has none",),
        )
        self.assertEqual(
            config(gateway={"manage_keys": ["k"]}).warnings,
            ('gateway.manage_keys opens nothing unless gateway.manage_models is "keys"',),
        )
        keys = {"manage_models": "keys", "manage_keys": ["${K}"]}
        self.assertEqual(config({"K": "s"}, gateway=keys).gateway.manage_keys, ("s",))
        self.assertNotIn("hunter2", repr(config({"K": "hunter2"}, gateway=keys)))

    def test_pull(self) -> None:
        """Nodes that pull, and are not there, are told with those that are."""
        labelled = {**NODE, "labels": {"zone": "attic"}}
        for pull, warnings in (
            ("all", ()),
            ("a,label:zone=attic", ()),
            ("b", ("gateway.pull: no node is called b; known are a",)),
            ("label:x=y", ("gateway.pull: no node has the label x=y",)),
        ):
            found = config(nodes=[labelled], gateway={"pull": pull})
            self.assertEqual(found.warnings, warnings)
