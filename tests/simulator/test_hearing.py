"""What a simulated node makes of recordings."""

from __future__ import annotations

from typing import Any

from ollama_twisted.simulator.canned import Pace
from tests.simulator.harness import Asked, Harness, NodeCase, Said
from tests.test_audio import sound
from tests.wire.test_form import form, part

PATH = "/v1/audio/transcriptions"
KIND = "multipart/form-data; boundary=x"
PACE = Pace(load_time=0.0, real_time_factor=0.25)


class HearingTests(NodeCase):
    """Words, in the form that is asked for, at the pace that is set."""

    def setUp(self) -> None:
        self.node = self.start(pace=PACE, models=("whisper-1",))

    def ask(
        self,
        *parts: bytes,
        seconds: float = 8.0,
        path: str = PATH,
        node: Any = None,
        fault: str = "",
    ) -> Asked:
        asking: Harness = node or self.node
        fields = (part(b"model", b"whisper-1"), part(b"file", sound(seconds), file=b"a.wav"))
        return asking.ask("POST", path, form(*parts, *fields), fault, kind=KIND)

    def said(self, *parts: bytes, **more: Any) -> Said:
        """The answer, once there was time enough for it."""
        asked = self.ask(*parts, **more)
        self.node.wait(10)
        return asked.said()

    def test_pace(self) -> None:
        """It takes its share of the time that the recording lasts."""
        asked = self.ask()
        self.node.wait(1.9)
        self.assertEqual(asked.raw, b"")
        self.node.wait(0.2)
        self.assertEqual(len(asked.said().json["text"].split()), 20)

    def test_same(self) -> None:
        """The same recording is heard in the same way by every node, another one in another."""
        other = self.start(pace=PACE, models=("whisper-1",))
        asked = self.ask(node=other)
        other.wait(10)
        first = self.said().json["text"]
        self.assertEqual(asked.said().json["text"], first)
        self.assertNotEqual(self.said(seconds=8.5).json["text"][:20], first[:20])

    def test_verbose(self) -> None:
        """With timestamps it tells how long the recording lasts, and when what was said."""
        found = self.said(part(b"response_format", b"verbose_json"), path="/v1/audio/translations")
        told = found.json
        self.assertEqual((told["task"], told["duration"]), ("translate", 8.0))
        spans = [(each["start"], each["end"]) for each in told["segments"]]
        self.assertEqual(spans, [(0.0, 4.8), (4.8, 8.0)])
        self.assertEqual("".join(each["text"] for each in told["segments"]), told["text"])

    def test_forms(self) -> None:
        """Plain text and subtitles are what players read."""
        text = self.said().json["text"]
        self.assertEqual(self.said(part(b"response_format", b"text")).body.decode(), text + "\n")
        srt = self.said(part(b"response_format", b"srt")).body.decode()
        self.assertTrue(srt.startswith("1\n00:00:00,000 --> 00:00:04,800\n"), srt)
        self.assertIn("\n\n2\n00:00:04,800 --> 00:00:08,000\n", srt)
        vtt = self.said(part(b"response_format", b"vtt")).body.decode()
        self.assertTrue(vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:04.800\n"), vtt)

    def test_stream(self) -> None:
        """As events the words come one by one, and then all of them."""
        events = self.said(part(b"stream", b"true")).events
        deltas = [each["delta"] for each in events[:-1]]
        self.assertEqual(events[-1], {"type": "transcript.text.done", "text": "".join(deltas)})
        self.assertEqual(len(deltas), 20)

    def test_refused(self) -> None:
        """What cannot be heard is refused in OpenAI's words."""
        model, file = part(b"model", b"whisper-1"), part(b"file", sound(1), file=b"a.wav")
        for body, kind, status, word in (
            (form(part(b"model", b"nobody"), file), KIND, 404, "not found"),
            (form(model), KIND, 400, "file is required"),
            (form(file), KIND, 400, "model is required"),
            (form(model, part(b"file", b"noise", file=b"a")), KIND, 400, "how long"),
            (form(model, file, part(b"response_format", b"pdf")), KIND, 400, "response_format"),
            (form(model, file)[:-9], KIND, 400, "malformed form"),
            (b"{}", "application/json", 400, "multipart/form-data"),
        ):
            answer = self.node.ask("POST", PATH, body, kind=kind).said()
            self.assertEqual(answer.status, status)
            self.assertIn(word, answer.json["error"]["message"])

    def test_deaf(self) -> None:
        """One that works in its loop answers nobody else meanwhile, and then all of them."""
        deaf = self.ask(fault="deaf")
        health, gone = self.node.ask("GET", "/api/version"), self.node.ask("GET", "/api/version")
        self.node.wait(1)
        gone.leave()
        self.assertEqual((deaf.raw, health.raw), (b"", b""))
        self.node.wait(2)
        self.assertEqual((deaf.said().status, health.said().status), (200, 200))
        self.assertEqual(self.node.get("GET", "/api/version", seconds=0).status, 200)

    def test_deaf_and_left(self) -> None:
        """It hears again when whoever it worked for has left."""
        self.ask(fault="deaf").leave()
        self.assertEqual(self.node.get("GET", "/api/version", seconds=0).status, 200)
