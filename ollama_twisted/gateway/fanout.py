"""One request on several nodes at once, and their answers as one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from ollama_twisted.gateway.errand import Errand
from ollama_twisted.gateway.pagechannel import PageChannel
from ollama_twisted.gateway.together import Together
from ollama_twisted.wire.framing import LAST_CHUNK, chunk
from ollama_twisted.wire.progress import Progress

#: What a field says of nodes is cut after so many bytes.
MAX_FIELD = 2048


def nodes_field(names: Sequence[str]) -> tuple[bytes, bytes]:
    """The field of an answer that says which nodes it is from."""
    return b"X-Ollama-Gateway-Nodes", ", ".join(names).encode()[:MAX_FIELD]


@implementer(IPushProducer)
class Fanout:
    """
    Errands that are run side by side.

    A client that does not read pauses all of their nodes.
    """

    def __init__(self, errands: Sequence[Errand], channel: PageChannel) -> None:
        self.errands = errands
        self._channel = channel

    async def run(self, told: Told | None = None) -> None:
        """Returns when the last node has answered; cancelling it lets go of all of them."""
        works = [told.one(each) if told is not None else each.run() for each in self.errands]
        self._channel.produce(self)
        try:
            await Together(works).ended
        finally:
            self._channel.produce(None)

    def pauseProducing(self) -> None:
        for errand in self.errands:
            errand.pause(True)

    def resumeProducing(self) -> None:
        for errand in self.errands:
            errand.pause(False)

    def stopProducing(self) -> None:
        """The client's connection says so to the exchange, which ends the run."""

    def sweep(self, now: float) -> None:
        for errand in self.errands:
            errand.sweep(now)


class Lines:
    """An NDJSON answer of the gateway's own; its head waits for the first line."""

    def __init__(self, channel: PageChannel, minor: int, names: Sequence[str]) -> None:
        self._channel = channel
        # One who knows no chunks reads until the connection ends.
        self._chunked = bool(minor)
        self._names = names
        self.begun = False
        #: Bytes of payload so far.
        self.relayed = 0

    def line(self, value: Mapping[str, Any]) -> None:
        payload = json.dumps(value).encode() + b"\n"
        self.relayed += len(payload)
        data = chunk(payload) if self._chunked else payload
        if not self.begun:
            self.begun = True
            data = self._head() + data
        self._channel.transport.write(data)

    def _head(self) -> bytes:
        lines = [b"HTTP/1.1 200 OK", b"Content-Type: application/x-ndjson"]
        lines.append(b"%b: %b" % nodes_field(self._names))
        if self._chunked:
            lines.append(b"Transfer-Encoding: chunked")
        else:
            self._channel.last()
        if not self._channel.keeps_alive:
            lines.append(b"Connection: close")
        return b"\r\n".join([*lines, b"", b""])

    def end(self) -> None:
        """That was all of it."""
        if self._chunked:
            self._channel.transport.write(LAST_CHUNK)


class Told:
    """
    Hears several nodes tell of their progress, and tells a client.

    ``lines`` is where; ``None``: the client wants to know the end alone.  As long as
    nodes have done nothing but fail, nothing is told: the answer may still get the
    status that says so.
    """

    def __init__(self, progress: Progress, lines: Lines | None) -> None:
        self.progress = progress
        self._lines = lines
        self._held: list[Mapping[str, Any]] = []

    def hearing(self, node: str) -> Callable[[bytes], None]:
        """What hears this node, line by line."""
        return lambda raw: self._heard(node, raw)

    def _heard(self, node: str, raw: bytes) -> None:
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            return
        if isinstance(line, dict):
            told = self.progress.told(node, line)
            if told is not None:
                self._tell(told, "error" in line)

    async def one(self, errand: Errand) -> None:
        """Run the errand, and count as failed a node that has said no word of success."""
        await errand.run()
        result = errand.result
        error = result.error or "its answer ended without success"
        told = self.progress.failed(
            errand.node.name, error, result.status if not result.ok else 502
        )
        if told is not None:
            self._tell(told, True)

    def _tell(self, told: Mapping[str, Any], failure: bool) -> None:
        if self._lines is None:
            return
        if failure and not self._lines.begun:
            self._held.append(told)
            return
        for line in (*self._held, told):
            self._lines.line(line)
        self._held.clear()

    def end(self, status: int, last: Mapping[str, Any]) -> bool:
        """Say the last word in the stream, unless it is no stream, or can still be a status."""
        if self._lines is None or (status != 200 and not self._lines.begun):
            return False
        self._lines.line(last)
        self._lines.end()
        return True
