"""Recordings on their way to a node: read as they come, kept, passed on byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.config.resolved import GatewayLimits
from ollama_twisted.record import Record
from ollama_twisted.services import Kind
from tests.gateway.harness import World, chunks, pieces, post, split, whole
from tests.test_audio import sound
from tests.wire.test_form import SOUND, form, part

PATH = b"/v1/audio/transcriptions"
KIND = b"multipart/form-data; boundary=x"
FILE = part(b"file", SOUND, file=b"talk.wav")
MODEL = part(b"model", b"tiny")


def asking(body: bytes, kind: bytes = KIND, path: bytes = PATH) -> bytes:
    """A request to transcribe."""
    return post(path, body, b"Content-Type: " + kind)


def in_chunks(body: bytes, kind: bytes = KIND, *sizes: int) -> bytes:
    """The same, of a client that does not know the length."""
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\n" % (PATH, kind)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(*pieces(body, [*sizes]))


class UploadCase(SynchronousTestCase):
    """Two nodes, each with a model of its own."""

    def start(self, limits: GatewayLimits | None = None, **node: object) -> None:
        self.world = World("ab", limits=limits, kind=Kind.WHISPER, **node)
        self.world.know("a", ("tiny",))
        self.world.know("b", ("large",))
        self.client = self.world.client()

    def setUp(self) -> None:
        self.start()

    def connections(self) -> tuple[int, int]:
        """How many connections were made to each node."""
        first, second = (len(self.world.endpoints[name].connections) for name in "ab")
        return first, second

    def body_at(self, name: str) -> bytes:
        """The body that this node was sent; what is in a file, its transport asks for."""
        node = self.world.node(name)
        while node.wire.producer is not None and not node.wire.streaming:
            node.wire.producer.resumeProducing()
        return split(node.asked())[2]


class ModelTests(UploadCase):
    """The node that is asked is one that has the model."""

    def test_before_and_after(self) -> None:
        """The model counts wherever its field stands."""
        for model, name in ((b"tiny", "a"), (b"large", "b")):
            field = part(b"model", model)
            for parts in ((field, FILE), (FILE, field)):
                before = self.connections()
                client, body = self.world.client(), form(*parts)
                client.send(asking(body))
                self.assertEqual(self.connections()["ab".index(name)], before["ab".index(name)] + 1)
                self.assertEqual(self.body_at(name), body)
                client.leave()

    def test_translations(self) -> None:
        """Translations find their node in the same way."""
        self.client.send(
            asking(form(FILE, part(b"model", b"large")), path=b"/v1/audio/translations")
        )
        self.assertEqual(self.connections(), (0, 1))
        self.world.node("b").answer(whole(b'{"text":"x"}'))
        self.assertEqual(self.world.records[0].operation, "v1_translations")

    def test_no_model(self) -> None:
        """Without a model, and if it is no form at all, the node says what it makes of it."""
        for request in (asking(form(FILE)), asking(b"junk"), asking(b"{}", b"application/json")):
            client = self.world.client()
            client.send(request)
            client.leave()
        self.assertEqual(sum(self.connections()), 3)

    @given(
        st.sampled_from([(MODEL, FILE), (FILE, MODEL)]),
        st.lists(st.integers(0, 700), max_size=20),
        st.lists(st.integers(0, 700), max_size=20),
        st.sampled_from([1, 100, 2**20]),
        st.booleans(),
    )
    @settings(max_examples=50)
    def test_split_anywhere(
        self,
        parts: tuple[bytes, bytes],
        sizes: list[int],
        cuts: list[int],
        memory: int,
        chunked: bool,
    ) -> None:
        """However it is framed, cut and kept, the same bytes reach the node that has the model."""
        self.start(GatewayLimits(memory_body=memory))
        body = form(*parts, preamble=b"\r\n", epilogue=b"\r\nbehind\r\n\r\n")
        request = in_chunks(body, KIND, *sizes) if chunked else asking(body)
        for piece in pieces(request, cuts):
            self.client.send(piece)
        self.assertEqual((self.connections(), self.body_at("a")), ((1, 0), body))
        self.client.leave()


class KeepingTests(UploadCase):
    """A recording is whole before a node is asked, bounded, and there for the next node."""

    def test_slow_client(self) -> None:
        """A client that sends slowly holds no node's place."""
        request = asking(form(MODEL, FILE))
        self.client.send(request[:-1])
        self.assertEqual((self.world.in_flight(), self.connections()), (0, (0, 0)))
        self.client.send(request[-1:])
        self.assertEqual(self.world.in_flight(), 1)

    def test_second_node(self) -> None:
        """If a node dies over a recording, another one is sent the very same bytes."""
        self.start(GatewayLimits(memory_body=10))
        self.world.know("b", ("tiny",))
        body = form(FILE, MODEL)
        self.client.send(asking(body))
        first, second = ("a", "b") if self.connections() == (1, 0) else ("b", "a")
        self.assertEqual(self.body_at(first), body)
        self.world.node(first).close()
        self.assertEqual(self.body_at(second), body)
        self.world.node(second).answer(whole(b'{"text":"hello"}'))
        self.assertEqual(split(self.client.read())[2], b'{"text":"hello"}')
        self.assertEqual(self.world.records[0].retries, ((first, "reset"),))

    def test_line(self) -> None:
        """A node works on one recording; the next waits in line for it."""
        self.start(max_in_flight=1)
        second = self.world.client()
        for client in (self.client, second):
            client.send(asking(form(MODEL, FILE)))
        self.assertEqual((self.connections(), len(self.world.pool.line)), ((1, 0), 1))
        self.world.node("a").answer(whole(b'{"text":"one"}'))
        self.world.node("a").answer(whole(b'{"text":"two"}'))
        self.assertTrue(self.client.read().endswith(b'{"text":"one"}'))
        self.assertTrue(second.read().endswith(b'{"text":"two"}'))

    def test_own_limit(self) -> None:
        """Recordings have a limit of their own, above that of other bodies or below it."""
        self.start(GatewayLimits(max_body=10, max_audio=1000))
        self.client.send(asking(form(MODEL, FILE)))
        self.assertEqual(self.connections(), (1, 0))
        for request in (
            asking(b"x" * 1001)[:-1001],
            in_chunks(b"x" * 1001),
        ):
            client = self.world.client()
            client.send(request)
            first, _, body = split(client.read())
            self.assertEqual(first[9:12], b"413")
            self.assertIn(b"1000 bytes (see gateway.max_audio)", body)
            self.assertIn(b'"type"', body)
        self.assertEqual(self.connections(), (1, 0))


class AnswerTests(UploadCase):
    """What a node answers passes as it came."""

    def test_stream(self) -> None:
        """Events of newer servers pass one by one, and a cut is told among them."""
        self.client.send(asking(form(FILE, part(b"stream", b"true"), MODEL)))
        node = self.world.node("a")
        node.answer(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        event = b'data: {"type":"transcript.text.delta","delta":"Hel"}\n\n'
        node.answer(chunks(event, end=False))
        self.assertIn(event, self.client.read())
        node.close()
        told = self.client.read()
        self.assertIn(b"could not finish this answer", told)
        self.assertTrue(self.world.records[0].streamed)

    def test_formats(self) -> None:
        """Subtitles pass unchanged, under their own type."""
        subtitles = b"1\n00:00:00,000 --> 00:00:02,000\nHello\n\n"
        self.client.send(asking(form(FILE, MODEL, part(b"response_format", b"srt"))))
        answer = whole(subtitles).replace(b"application/json", b"text/plain; charset=utf-8")
        self.world.node("a").answer(answer)
        _, fields, body = split(self.client.read())
        self.assertEqual((fields[b"content-type"], body), (b"text/plain; charset=utf-8", subtitles))


class AccountTests(UploadCase):
    """How much was heard, and how fast."""

    def heard(self, answer: bytes, *parts: bytes, took: float = 2.0) -> Record:
        """The record of a recording that was answered so."""
        self.client.send(asking(form(*parts, part(b"model", b"tiny"))))
        self.world.clock.advance(took)
        self.world.node("a").answer(answer)
        return self.world.records[-1]

    def samples(self, *names: str) -> list[float | None]:
        return [self.world.sample(name, model="tiny", node="a") for name in names]

    def test_told(self) -> None:
        """An answer that tells how long the audio was is believed."""
        answer = b'{"task":"transcribe","language":"en","duration":8.0,"text":"x","segments":[]}'
        self.assertEqual(self.heard(whole(answer), FILE).audio, 8.0)
        names = ("audio_seconds_total", "transcription_duration_seconds_sum")
        self.assertEqual(
            self.samples(*names, "transcription_real_time_factor_sum"), [8.0, 2.0, 0.25]
        )

    def test_measured(self) -> None:
        """Else the recording is, in memory as in a file, once the answer has passed."""
        for memory in (10, 2**20):
            self.start(GatewayLimits(memory_body=memory))
            record = self.heard(whole(b'{"text":"x"}'), part(b"file", sound(4), file=b"a.wav"))
            self.assertEqual((record.audio, self.world.gateway.unaccounted), (4.0, 0))
            self.assertEqual(self.samples("transcription_real_time_factor_sum"), [0.5])

    def test_later(self) -> None:
        """The client has its answer before, and the request is accounted for after."""
        later: list[Callable[[], None]] = []
        self.world.gateway.apart = lambda *calls: later.extend(calls)
        self.client.send(asking(form(MODEL, part(b"file", sound(4), file=b"a.wav"))))
        self.world.node("a").answer(whole(b'{"text":"x"}'))
        self.assertTrue(self.client.read().endswith(b'{"text":"x"}'))
        self.assertEqual((self.world.records, self.world.gateway.unaccounted), ([], 1))
        for call in later:
            call()
        self.assertEqual([each.audio for each in self.world.records], [4.0])

    def test_unknown(self) -> None:
        """What nobody tells is not invented: no seconds, no factor."""
        self.assertIsNone(self.heard(whole(b'{"text":"x"}'), FILE).audio)
        self.assertEqual(
            self.samples("audio_seconds_total", "transcription_real_time_factor_count"),
            [None, None],
        )
        self.assertEqual(self.samples("transcription_duration_seconds_count"), [1])

    def test_no_room(self) -> None:
        """Where a recording cannot be looked into, its client still has its answer."""
        self.start(GatewayLimits(memory_body=10))
        with mock.patch("ollama_twisted.gateway.body.mmap.mmap", side_effect=OSError(12, "")):
            record = self.heard(whole(b'{"text":"x"}'), part(b"file", sound(4), file=b"a.wav"))
        self.assertEqual((record.audio, record.failure), (None, ""))
        self.assertTrue(self.client.read().endswith(b'{"text":"x"}'))

    def test_refused(self) -> None:
        """What was not transcribed counts for nothing."""
        record = self.heard(whole(b"{}", b"400 Bad Request"), part(b"file", sound(4), file=b"a"))
        self.assertIsNone(record.audio)
        self.assertEqual(self.samples("transcription_duration_seconds_count"), [None])

    def test_waited(self) -> None:
        """The time in line, and on a node that died, is not the time that the work took."""
        self.start(max_in_flight=1)
        self.world.know("b", ("tiny",))
        first, second = self.world.client(), self.world.client()
        request = asking(form(MODEL, part(b"file", sound(4), file=b"a.wav")))
        for client in (first, second, self.client):
            client.send(request)
        self.world.clock.advance(10)
        for name in "ab":
            self.world.node(name).answer(whole(b"{}"))
        self.world.clock.advance(2)
        (waiting,) = [each for each in "ab" if self.world.pool.nodes[each].in_flight]
        self.world.node(waiting).answer(whole(b"{}"))
        record = self.world.records[-1]
        self.assertEqual((record.waited, record.asked_at, record.ended), (10, 10, 12))
