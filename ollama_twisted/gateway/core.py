"""What all exchanges of one gateway share: the pool, the connections, the accounts."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from ollama_twisted.config.resolved import Config, GatewayLimits, NodeConfig
from ollama_twisted.gateway.accesslog import AccessLog
from ollama_twisted.gateway.connection import NodeConnection
from ollama_twisted.gateway.failures import Refused
from ollama_twisted.gateway.live import Live
from ollama_twisted.gateway.permit import has_key, may_manage
from ollama_twisted.gateway.reasons import told_why
from ollama_twisted.gateway.upstream import EndpointFor, Upstream
from ollama_twisted.gauges import NodeView, PoolView
from ollama_twisted.metrics import OTHER, GatewayMetrics
from ollama_twisted.pool.blobs import Blobs
from ollama_twisted.pool.eligibility import Want
from ollama_twisted.pool.node import Node
from ollama_twisted.pool.pool import NodePool
from ollama_twisted.pulse.tally import Tallies
from ollama_twisted.record import Record
from ollama_twisted.services import Kind
from ollama_twisted.web.changes import iso
from ollama_twisted.wire.ask import Ask
from ollama_twisted.wire.head import RequestHead
from ollama_twisted.wire.headers import request_to_node
from ollama_twisted.wire.routes import Route

if TYPE_CHECKING:
    from ollama_twisted.gateway.channel import Channel
    from ollama_twisted.gateway.lists import Listed, NodeLists

#: Names that the metrics tell apart; one more and it is "other".
MAX_MODELS = 500
#: A client that does not read holds its node's place no longer than that while others wait.
SEND_LIMIT_IN_LINE = 30.0
#: How a body is announced whose length is not known.
CHUNKED = (b"Transfer-Encoding", b"chunked")
#: A head that is longer is written anew each time.
MAX_KEPT = 2048
_AUTHORIZATION = frozenset({b"authorization"})
#: A client's keys are meant for us, or for a node of ours; never for a provider.
CREDENTIALS = frozenset({b"authorization", b"cookie", b"x-api-key", b"api-key"})


class Gateway:
    """
    The shared state of a running gateway.

    ``lists``, ``refresh``, ``loaded`` and ``doubt`` are set by the composition root: what
    answers for all nodes, what asks a node for its models anew, what it said last of
    those in its memory, and what asks it at once whether it is still there.
    """

    def __init__(self, config: Config, pool: NodePool, endpoint: EndpointFor, reactor: Any) -> None:
        self.config = config
        self.limits: GatewayLimits = config.gateway
        self.pool = pool
        self.reactor = reactor
        self.seconds: Callable[[], float] = reactor.seconds
        self._endpoint = endpoint
        self.upstreams = {node.name: self._upstream(node) for node in config.nodes}
        self.metrics: GatewayMetrics
        self.access_log: AccessLog | None = None
        self.lists: NodeLists | None = None
        self.refresh: Callable[[str], None] = lambda name: None
        self.loaded: Callable[[str], list[Any]] = lambda name: []
        self.doubt: Callable[[str], None] = lambda name: None
        self.blobs = Blobs()
        #: Calls its first argument where that may take a while, then its second one back here.
        self.apart: Callable[[Callable[[], None], Callable[[], None]], object] = _at_once
        #: Exchanges that have ended, but of which something is still to be found out.
        self.unaccounted = 0
        self.client_connections = 0
        #: The models that nodes are asked for at this moment, once for each request.
        self.asked_models: Callable[[], Iterable[str | None]] = tuple
        #: When the configuration was taken over, in Unix time, and could the newest one be?
        self.configured_at = time.time()
        self.reload_successful = True
        #: Said on the status page above everything else.
        self.notice = ""
        #: When each node's list of models was last had.
        self.listed_at: dict[str, float] = {}
        self._labels = {node.name: node.name.encode() for node in config.nodes}
        self._own_fields = {node.name: _own_fields(node) for node in config.nodes}
        self._known: set[str] = set()
        self.tallies = Tallies(self.date)
        self.live = Live(self)

    def _upstream(self, node: NodeConfig) -> Upstream:
        upstream = Upstream(node, self._endpoint, self.seconds)
        # A node that goes away closes what it holds, long before it is asked anything.
        upstream.lost = lambda: self.doubt(node.name)
        return upstream

    # For exchanges.

    def label(self, node: Node) -> bytes:
        """The node's name as a header carries it."""
        return self._labels[node.config.name]

    def may_manage(self, client: bytes, authorization: bytes = b"") -> bool:
        """May this client change what the nodes have?"""
        return may_manage(self.limits, client, authorization)

    def want_of(self, route: Route, ask: Ask) -> Want:
        """What a request needs of a node; whoever foretells and whoever decides asks in here."""
        return Want(ask.model, ask.options, ask.prefix, route.service, route.path)

    def own_list(self, head: RequestHead, ask: Ask) -> Coroutine[Any, Any, Listed | None] | None:
        """The answer to a request that concerns all nodes; ``None`` if one node is to answer."""
        if head.method != b"GET" or self.lists is None:
            return None
        return self.lists.answer(head.path, ask)

    def head_for(
        self,
        node: Node,
        connection: NodeConnection,
        head: RequestHead,
        channel: Channel,
        length: int | None,
    ) -> bytes:
        """The head of a client's request as this node gets it; ``None``: with a body in chunks."""
        # A node may have left while a connection to it was made.
        extra, drop = own = self._own_fields.get(node.config.name) or _own_fields(node.config)
        like = channel.peer, channel.proto, head.target, head, own, self.limits
        if length == 0 and connection.asked[0] == like:
            # Whoever asks again and again need not have it written anew.
            return connection.asked[1]
        has_body = length or head.chunked or b"content-length" in head.lower
        if length is None:
            extra = (*extra, CHUNKED)
        keys = self.limits.manage_keys
        if keys and has_key(keys, head.lower.get(b"authorization", b"")):
            # A client may show it with whatever it asks; it is for us alone.
            drop = drop | _AUTHORIZATION
        written = request_to_node(
            head,
            target=connection.prefix + head.target if connection.prefix else None,
            host=connection.host,
            client=channel.peer,
            proto=channel.proto,
            body_length=length if has_body else None,
            extra=extra,
            drop=drop,
        )
        if not has_body and len(written) <= MAX_KEPT:
            connection.asked = like, written
        return written

    def first_byte_limit(self, node: Node, model: str | None) -> float:
        """How long the node may stay silent: longer while it must load the model first."""
        timeouts = node.config.timeouts
        if model is None or node.models is None or node.models.is_loaded(model):
            return timeouts.first_byte
        return max(timeouts.first_byte, timeouts.loading)

    @property
    def send_limit(self) -> float:
        """How long a client may leave its answer unread: less while others wait for its place."""
        limit = self.limits.send_timeout
        return min(limit, SEND_LIMIT_IN_LINE) if self.pool.line else limit

    def nobody(self, want: Want) -> Refused:
        """What a client is told whom no node may answer: why not, in one sentence for people."""
        return told_why(want, self.pool.explain(want, self.seconds()))

    def learn(self, models: Iterable[str]) -> None:
        """Remember the models that nodes have, for the metrics' labels."""
        for name in models:
            if len(self._known) < MAX_MODELS:
                self._known.add(name)

    def account(self, record: Record) -> None:
        """An exchange has ended, one way or another."""
        model = self.model_label(record.model)
        self.metrics.observe(record, model)
        self.tallies.count(record, model)
        if self.access_log is not None:
            self.access_log.add(record)

    def passing(self, record: Record, relayed: int) -> None:
        """So much of an answer has been relayed, which is not over; told about once a second."""
        self.tallies.passing(record, relayed, self.model_label(record.model))

    def model_label(self, model: str | None) -> str:
        """The model's name if some node has it, as that tells it; "other" for the rest."""
        if model is None:
            return ""
        if model in self._known:
            return model
        return full if (full := f"{model}:latest") in self._known else OTHER

    # For whoever looks in from outside.

    def view(self) -> PoolView:
        """The gateway at this moment, as its gauges show it."""
        now = self.seconds()
        log = self.access_log
        return PoolView(
            nodes=tuple(self._view_of(node, now) for node in self.pool.nodes.values()),
            waiting=len(self.pool.line),
            client_connections=self.client_connections,
            log_lines_dropped=log.dropped if log is not None else 0,
            reload_successful=self.reload_successful,
            reloaded_at=self.configured_at,
        )

    def _view_of(self, node: Node, now: float) -> NodeView:
        up = node.config.enabled and node.health.healthy
        ejected = node.breaker.ejected(now)
        return NodeView(
            name=node.config.name,
            up=up,
            ready=up and not ejected and not node.draining,
            ejected=ejected,
            weight=node.config.weight,
            in_flight=node.in_flight,
            idle_connections=self.upstreams[node.config.name].idle_count,
        )

    def wall_time(self, moment: float | None) -> float | None:
        """A moment of the monotonic clock in Unix time."""
        return None if moment is None else time.time() - self.seconds() + moment

    def date(self, moment: float) -> str:
        """A moment of the monotonic clock, in words."""
        return iso(time.time() - self.seconds() + moment) or ""

    def sweep(self, now: float) -> None:
        """Told about once a second."""
        for upstream in self.upstreams.values():
            upstream.sweep(now)
        if len(self.upstreams) > len(self.pool.nodes):
            self._forget_gone()
        self.live.tick(now)

    # Changing.

    def replace(self, config: Config) -> None:
        """
        Take over a new configuration in place.

        Requests that are under way end as they would have; connections that wait for
        work are closed if their node is gone, or somewhere else.
        """
        for node in config.nodes:
            upstream = self.upstreams.get(node.name)
            if upstream is not None and upstream.serves(node):
                upstream.config = node
            else:
                if upstream is not None:
                    upstream.close()
                self.upstreams[node.name] = self._upstream(node)
            self._labels[node.name] = node.name.encode()
            self._own_fields[node.name] = _own_fields(node)
        self.config, self.limits = config, config.gateway
        self.pool.replace(config, self.seconds())
        for name in self.upstreams.keys() - self.pool.nodes.keys():
            self.upstreams[name].close()

    def _forget_gone(self) -> None:
        """Keep nothing of nodes that have left and have done their work."""
        self.pool.let_go()
        left = self.pool.nodes.keys() | self.pool.leaving.keys()
        for name in self.upstreams.keys() - left:
            del self.upstreams[name], self._labels[name], self._own_fields[name]
            self.listed_at.pop(name, None)

    def close(self) -> None:
        for upstream in self.upstreams.values():
            upstream.close()


def _own_fields(node: NodeConfig) -> tuple[tuple[tuple[bytes, bytes], ...], frozenset[bytes]]:
    """What a node's requests carry on top, and what of a client's it must not see."""
    extra = tuple((name.encode(), value.encode()) for name, value in node.headers)
    foreign = node.kind is Kind.EXTERNAL or (node.kind is not Kind.OLLAMA and node.api_key)
    return extra, CREDENTIALS if foreign else frozenset()


def _at_once(call: Callable[[], None], done: Callable[[], None]) -> None:
    call()
    done()
