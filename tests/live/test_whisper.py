"""Real speech, understood by a real server behind the gateway."""

from __future__ import annotations

import atexit
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.clients.conversation import Conversations, held, in_python
from tests.live.gateways import RunningGateway
from tests.live.speech import MODEL, SENTENCES, SpeechServer, spoken, words
from tests.wire.test_form import form, part

#: Transcribing takes its time, and more of it where others work too.
PATIENCE = 120.0
#: So fast that a node which answers no check for a second is down.
CHECKS = {"interval": 0.2, "timeout": 0.2, "fall": 2, "rise": 1}
PATH = "/v1/audio/transcriptions"
WORDS = words(" ".join(SENTENCES))


@cache
def folder() -> Path:
    """Where files of these tests are."""
    return Path(tempfile.mkdtemp(prefix="ollama-gateway-speech-"))


@cache
def server() -> SpeechServer:
    """One for all tests: it takes a few seconds to start, and to load its model."""
    started = SpeechServer(folder())
    atexit.register(started.stop)
    return started


def gateway_for(**servers: SpeechServer) -> RunningGateway:
    """A gateway that checks these nodes often."""
    nodes = tuple({"name": name, **each.node} for name, each in servers.items())
    running = RunningGateway({}, nodes=nodes, health=CHECKS, strategy="round_robin")
    return running.until_healthy(*servers)


@cache
def gateway() -> RunningGateway:
    """One in front of the one server."""
    running = gateway_for(one=server())
    atexit.register(running.stop)
    return running


@cache
def conversations() -> Conversations:
    """What OpenAI's client hears through it."""
    file = folder() / "speech.wav"
    file.write_bytes(spoken())
    return held(in_python("speech_conversations.py"), gateway().url, str(file))


def ask(running: RunningGateway, *fields: bytes) -> tuple[int, dict[str, str], Any]:
    """Have a recording transcribed: status, headers and what was said."""
    connection = HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
    try:
        kind = "multipart/form-data; boundary=x"
        connection.request("POST", PATH, form(*fields), {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read())
    finally:
        connection.close()


def recording(sound: bytes) -> tuple[bytes, ...]:
    """The fields of a form, the model behind the file."""
    verbose = part(b"response_format", b"verbose_json")
    return part(b"file", sound, file=b"long.wav"), verbose, part(b"model", MODEL.encode())


def stats(running: RunningGateway, name: str) -> dict[str, Any]:
    """How the gateway sees one node."""
    (found,) = [each for each in running.get("GET", "/api/nodes")["nodes"] if each["name"] == name]
    seen: dict[str, Any] = found["stats"]
    return seen


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("it never came to that")
        time.sleep(0.02)


class ClientTests(SynchronousTestCase):
    """OpenAI's client for Python."""

    def setUp(self) -> None:
        self.heard = conversations()

    def test_word_for_word(self) -> None:
        """What was said is what comes out, with timestamps too, and as a translation."""
        self.assertEqual(words(self.heard["transcription"]), WORDS)
        self.assertEqual(words(self.heard["translation"]), WORDS)
        text, duration, language, starts = self.heard["verbose"]
        self.assertEqual((words(text), language), (WORDS, "en"))
        self.assertTrue(0 <= starts[0] < duration < 10, self.heard["verbose"])

    def test_refused(self) -> None:
        """A model that the server does not know is refused in its own words."""
        kind, status, said = self.heard["refused"]
        self.assertEqual((kind, status), ("BadRequestError", 400))
        self.assertEqual(said["detail"]["error"]["message"], "unknown model: nobody-has")


class LongTests(SynchronousTestCase):
    """A recording that keeps the server from answering its checks."""

    def test_stays_healthy(self) -> None:
        """
        A node that hears two minutes of speech is busy, not down; who comes next waits in line.
        """
        sound, running = spoken(seconds=110), gateway_for(one=server())
        self.addCleanup(running.stop)
        with ThreadPoolExecutor(2) as threads:
            long = threads.submit(ask, running, *recording(sound))
            until(lambda: stats(running, "one")["active_connections"] == 1)
            until(deaf)
            short = threads.submit(ask, running, *recording(spoken()))
            down = self.watch(running, long)
            status, _, said = long.result()
            self.assertEqual((status, down), (200, set()))
            self.assertEqual(words(short.result()[2]["text"]), WORDS)
        self.assertGreater(said["duration"], 110)
        self.assertGreater(len(words(said["text"])), 14 * len(WORDS))
        lines = running.logged(2)
        self.assertEqual([each["attempts"] for each in lines], [1, 1])
        self.assertEqual(lines[0]["audio_seconds"], round(said["duration"], 3))
        self.assertGreater(lines[1]["waited"], 0)

    def watch(self, running: RunningGateway, work: Future[Any]) -> set[str]:
        """What else than healthy the node was found to be, while there was work."""
        found = set()
        while not work.done():
            seen = stats(running, "one")
            if not seen["is_healthy"] or seen["failed_requests"]:
                found.add(repr(seen))
            time.sleep(0.05)
        return found


def deaf() -> bool:
    """Does the server leave a check unanswered, for longer than the gateway waits for one?"""
    connection = HTTPConnection("127.0.0.1", server().port, timeout=1.0)
    try:
        connection.request("GET", "/health")
        connection.getresponse()
    except TimeoutError:
        return True
    finally:
        connection.close()
    return False


class KilledTests(SynchronousTestCase):
    """A server that dies over a recording."""

    def test_other_node(self) -> None:
        """Another one is sent the recording, and begins anew; the client sees nothing of it."""
        mortal = SpeechServer(folder())
        self.addCleanup(mortal.stop)
        nodes = ({"name": "mortal", **mortal.node}, {"name": "one", **server().node})
        # It is sent from the file where it was kept.
        running = RunningGateway(
            {}, nodes=nodes, health=CHECKS, strategy="round_robin", gateway={"memory_body": 1000}
        )
        self.addCleanup(running.stop)
        running.until_healthy("mortal", "one")
        with ThreadPoolExecutor(1) as threads:
            work = threads.submit(ask, running, *recording(spoken(seconds=12)))
            until(lambda: stats(running, "mortal")["active_connections"] == 1)
            self.assertFalse(work.done())
            mortal.stop()
            status, headers, said = work.result()
        self.assertEqual(status, 200)
        self.assertEqual(words(said["text"])[: len(WORDS)], WORDS)
        self.assertEqual(headers["X-Ollama-Gateway-Retries"], "mortal: reset")
        self.assertEqual(headers["X-Ollama-Gateway-Node"], "one")
