"""
The configuration as the rest of the program sees it: complete, checked, unchangeable.

Every value has its default here and nowhere else.  Times are in seconds, sizes in
bytes, sizes of models in billions of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ollama_twisted.services import Kind, Service

#: Where an Ollama listens unless told otherwise.
OLLAMA_PORT = 11434

#: Where the gateway listens unless told otherwise.
GATEWAY_HOST = "127.0.0.1"
GATEWAY_PORT = 11435

STRATEGY = "adaptive"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node can be reached; ``path`` is a prefix without a slash at its end."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def authority(self) -> str:
        """Host and port as a Host header carries them; the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SizeRange:
    """Models from ``min_b`` to ``max_b`` billions of parameters; ``None``: no upper end."""

    min_b: float = 0.0
    max_b: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """Active checks: how often, how long to wait, and how many in a row decide."""

    interval: float = 2.0
    timeout: float = 2.0
    rise: int = 2
    fall: int = 3
    start_period: float = 0.0
    slow_start: float = 10.0
    models_interval: float = 10.0


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """Passive ejection: failed answers in a row, and how long the node is then left alone."""

    failures: int = 5
    cooldown: float = 5.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The limits of a request's phases.  There is none on the whole."""

    connect: float = 2.0
    first_byte: float = 300.0
    loading: float = 600.0
    idle: float = 300.0


@dataclass(frozen=True, slots=True)
class ConnectionsConfig:
    """Connections to a node that are kept open for the next request."""

    idle: int = 64
    idle_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """One server, as configured."""

    name: str
    addresses: tuple[Address, ...]
    kind: Kind = Kind.OLLAMA
    weight: float = 1.0
    enabled: bool = True
    memory_gb: float | None = None
    description: str = ""
    ranges: tuple[SizeRange, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_key: str | None = field(default=None, repr=False)
    max_in_flight: int | None = None
    lacks: frozenset[Service] = frozenset()
    models: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    health: HealthConfig = HealthConfig()
    breaker: BreakerConfig = BreakerConfig()
    timeouts: Timeouts = Timeouts()
    connections: ConnectionsConfig = ConnectionsConfig()


#: Nodes that are checked otherwise than the others, unless told so.
HEALTH_OF: Mapping[Kind, HealthConfig] = {
    # Where requests are counted, or paid for, a check every other second is not welcome.
    Kind.EXTERNAL: HealthConfig(interval=30.0, timeout=10.0, rise=1, fall=3, models_interval=300.0),
    # Its list is of what it could download, and may be long.
    Kind.WHISPER: HealthConfig(models_interval=300.0),
}

#: Nodes that are waited for otherwise: a recording is heard to its end before a word is said.
TIMEOUTS_OF: Mapping[Kind, Timeouts] = {Kind.WHISPER: Timeouts(first_byte=600.0)}

#: Nodes that work on so many requests at once, unless told otherwise.
MAX_IN_FLIGHT_OF: Mapping[Kind, int] = {Kind.WHISPER: 1}

#: The node there is when none was configured.
LOCAL_NODE = NodeConfig(
    "local", (Address("http", "127.0.0.1", OLLAMA_PORT),), description="the Ollama on this machine"
)


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """How the size of a model is found from its name."""

    patterns: Mapping[str, float] = field(default_factory=dict)
    mapping: Mapping[str, float] = field(default_factory=dict)
    default: float = 7.0


@dataclass(frozen=True, slots=True)
class LineConfig:
    """Who may wait for a place on a node, and for how long."""

    max_waiting: int = 1000
    wait_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What the gateway allows its clients, and where it listens and logs."""

    listen: tuple[str, ...] = (f"tcp:{GATEWAY_PORT}:interface={GATEWAY_HOST}",)
    max_connections: int = 10_000
    max_body: int = 100 * 2**20
    max_upload: int | None = None
    max_audio: int = 2**30
    memory_body: int = 2**20
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    keep_alive: float = 75.0
    send_timeout: float = 120.0
    attempts: int = 3
    retry_percent: float = 20.0
    min_retries: int = 3
    allowed_hosts: tuple[str, ...] = ()
    framed_by: tuple[str, ...] = ()
    manage_models: str = "loopback"
    manage_keys: tuple[str, ...] = field(default=(), repr=False)
    pull: str = "1"
    access_log: str = "-"
    log_format: str = "json"
    drain: float = 300.0


@dataclass(frozen=True, slots=True)
class Config:
    """Everything, and where it came from."""

    nodes: tuple[NodeConfig, ...]
    strategy: str = STRATEGY
    sizes: ModelSizes = ModelSizes()
    gateway: GatewayLimits = GatewayLimits()
    line: LineConfig = LineConfig()
    source: str = ""
    warnings: tuple[str, ...] = ()
    is_default: bool = False
