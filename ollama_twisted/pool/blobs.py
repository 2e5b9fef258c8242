"""Which nodes hold which blobs, as far as was seen, and where each client's blobs go."""

from __future__ import annotations

from collections.abc import Iterable

#: Blobs, and clients, that are remembered; the oldest are forgotten.
BLOBS = 10_000
CLIENTS = 1_000
#: How long a client's next blob goes to where its last one went, in seconds.
SETTLED = 3600.0


class Blobs:
    """
    What is known of blobs.  It is a memory, not a promise: a node may drop what no model needs.

    The blobs of one model must be on one node, and nothing in an upload says which
    belong together.  So a client has a home: the nodes that its blobs were last sent
    to, or found on, until a model has been made of them.
    """

    def __init__(self) -> None:
        self._holders: dict[str, frozenset[str]] = {}
        self._homes: dict[bytes, tuple[float, frozenset[str]]] = {}

    def seen(self, digest: str, node: str, held: bool = True) -> None:
        """The node holds the blob, or it does not."""
        holders = self._holders.pop(digest, frozenset())
        holders = holders | {node} if held else holders - {node}
        if holders:
            self._holders[digest] = holders
            if len(self._holders) > BLOBS:
                del self._holders[next(iter(self._holders))]

    def holders(self, digest: str) -> frozenset[str]:
        """The nodes that hold the blob, by name."""
        return self._holders.get(digest, frozenset())

    def settle(self, client: bytes, nodes: Iterable[str], now: float) -> None:
        """The client's blobs are on these nodes now."""
        self._homes.pop(client, None)
        self._homes[client] = now, frozenset(nodes)
        if len(self._homes) > CLIENTS:
            del self._homes[next(iter(self._homes))]

    def found(self, client: bytes, nodes: Iterable[str], now: float) -> None:
        """A blob of the client's is there already: where it is, its others had best go."""
        nodes = frozenset(nodes)
        self.settle(client, self.home(client, now) & nodes or nodes, now)

    def home(self, client: bytes, now: float) -> frozenset[str]:
        """Where the client's blobs are; nowhere, after a while."""
        since, nodes = self._homes.get(client, (0.0, frozenset()))
        return nodes if nodes and now - since <= SETTLED else frozenset()

    def leave(self, client: bytes) -> None:
        """A model was made of them: the next one may be made elsewhere."""
        self._homes.pop(client, None)


def digest_of(text: str) -> str:
    """A digest in the one spelling that it is remembered by."""
    return text.lower().replace("-", ":", 1)
