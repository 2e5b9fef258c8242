"""One line an exchange, whatever is in it, and whatever becomes of the disk."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.gateway.accesslog import MAX_WAITING, AccessLog, is_nowhere
from ollama_twisted.gateway.logline import as_json, as_text, line
from ollama_twisted.record import Record
from ollama_twisted.wire.stream import Final
from tests.gateway.harness import STREAM, World, chunks, get, post, whole

RECORD = Record(
    operation="chat",
    method=b"POST",
    path=b"/api/chat",
    client=b"192.168.1.7",
    started=100.0,
    received=57,
    model="llama3:8b",
    streamed=True,
    status=200,
    node="gpu-1",
    attempts=2,
    retries=(("gpu-2", "busy"),),
    waited=0.25,
    first_at=100.5,
    ended=103.25,
    relayed=1234,
    final=Final(complete=True, prompt_tokens=11, generated_tokens=18),
)
BARE = Record("version", b"GET", b"/api/version", b"unix", 100.0, ended=100.001, status=200)


class LineTests(SynchronousTestCase):
    """What a line says."""

    def test_json(self) -> None:
        """As JSON it is one object with all that is known, times in seconds."""
        self.assertEqual(
            json.loads(as_json(RECORD, 1_700_000_000.0)),
            {
                "time": "2023-11-14T22:15:00.000Z",
                "client": "192.168.1.7",
                "method": "POST",
                "path": "/api/chat",
                "operation": "chat",
                "status": 200,
                "duration": 3.25,
                "received": 57,
                "sent": 1234,
                "model": "llama3:8b",
                "node": "gpu-1",
                "attempts": 2,
                "retries": "gpu-2: busy",
                "waited": 0.25,
                "first_byte": 0.5,
                "prompt_tokens": 11,
                "generated_tokens": 18,
            },
        )

    def test_not_retried(self) -> None:
        """Of one that was not asked again for the sake of the nodes, who failed and how."""
        record = replace(BARE, status=502, not_retried=("gpu-2", "reset"))
        said = json.loads(as_json(record, 0.0))["not_retried"]
        self.assertEqual(said, "gpu-2: reset; the retry budget is spent")

    def test_audio(self) -> None:
        """Of a recording that was transcribed, how long it lasts."""
        record = replace(RECORD, operation="v1_transcriptions", audio=61.23456)
        self.assertEqual(json.loads(as_json(record, 0.0))["audio_seconds"], 61.235)

    def test_text(self) -> None:
        """As text it is pairs of the same."""
        line = as_text(RECORD, 1_700_000_000.0)
        self.assertTrue(
            line.startswith(
                b"time=2023-11-14T22:15:00.000Z client=192.168.1.7 method=POST path=/api/chat "
            ),
            line,
        )
        self.assertTrue(line.endswith(b" generated_tokens=18\n"), line)

    def test_unknown(self) -> None:
        """What is not known is not said."""
        said = json.loads(as_json(BARE, 0.0))
        for name in ("model", "node", "waited", "first_byte", "failure", "detail", "error"):
            self.assertNotIn(name, said)

    def test_failure(self) -> None:
        """A failure is said in a word and in words."""
        said = json.loads(as_json(replace(BARE, failure="reset", detail="it closed"), 0.0))
        self.assertEqual((said["failure"], said["detail"]), ("reset", "it closed"))

    def test_hostile(self) -> None:
        """No value breaks out of its line, or moves a terminal's cursor."""
        model = 'a"}\nfake=1\r\x1b[2J\x00\x7f\x9b31m\u2028 b=c\\'
        record = replace(RECORD, model=model, path=b"/x\x9b?\xff", detail=model, failure="x")
        for form in (as_json, as_text):
            line = form(record, 0.0).decode()
            self.assertTrue(line.endswith("\n") and line[:-1].isprintable(), line)
        self.assertEqual(json.loads(as_json(record, 0.0))["model"], model)

    def test_quoted(self) -> None:
        """In text, a value that is not plain is quoted as JSON, so that pairs can be told apart."""
        line = as_text(replace(RECORD, model="a b=c"), 0.0).decode()
        self.assertIn(' model="a b=c" node=gpu-1', line)

    def test_readable(self) -> None:
        """Letters of any script stay what they are."""
        self.assertIn("模型".encode(), as_json(replace(RECORD, model="模型"), 0.0))

    def test_long(self) -> None:
        """No value takes a whole line."""
        long = replace(RECORD, model="m" * 10_000, path=b"/" * 10_000, detail="d" * 10_000)
        long = replace(long, failure="x", final=Final(complete=False, error="e" * 10_000))
        self.assertLess(len(as_json(long, 0.0)), 3000)

    @given(
        st.binary(max_size=100),
        st.none() | st.text() | st.just(',"duration":0.0,"received":0,"sent":0'),
        st.text(max_size=20) | st.just("100%d"),
        st.tuples(*[st.integers(0, 10**13)] * 3).map(sorted),
    )
    def test_alike(self, path: bytes, model: str | None, over: str, times: list[int]) -> None:
        """A line written in the form of those like it says the same as one of its own."""
        started, first, ended = (time / 1e6 for time in times)
        for first_at in (0.0, first):
            record = replace(BARE, path=path, model=model, passed_over=over, received=5)
            record.started, record.first_at, record.ended = started, first_at, ended
            for _ in range(2):
                said = json.loads(as_json(record, 0.0))
                self.assertEqual(said, json.loads(msgspec.json.encode(line(record, 0.0))))

    @given(st.text(), st.binary(max_size=100), st.text())
    def test_anything(self, model: str, path: bytes, error: str) -> None:
        """Whatever is asked, it is one printable line, and the JSON says it all."""
        record = replace(RECORD, model=model, path=path, final=Final(False, error=error))
        for form in (as_json, as_text):
            line = form(record, 0.0).decode()
            self.assertTrue(line.endswith("\n") and line[:-1].isprintable(), line)
        said = json.loads(as_json(record, 0.0))
        self.assertEqual((said["model"], said["path"]), (model[:512], path.decode("latin-1")))


class FileTests(SynchronousTestCase):
    """Where lines go."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.calls: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.log = self.logging(str(self.path))

    def logging(self, path: str) -> AccessLog:
        def later(call: Callable[[], None], done: Callable[[], None]) -> None:
            self.calls.append((call, done))

        return AccessLog(path, "json", lambda: 0.0, later)

    def write(self) -> None:
        """Let the other thread do its work."""
        calls, self.calls = self.calls, []
        for call, done in calls:
            call()
            done()

    def add(self, *names: str) -> None:
        for name in names:
            self.log.add(replace(BARE, operation=name))

    def written(self, path: Path | None = None) -> list[str]:
        return [json.loads(line)["operation"] for line in (path or self.path).open()]

    def test_later(self) -> None:
        """Nothing is written by whoever adds a line, nor by the flush."""
        self.add("a", "b")
        self.log.flush()
        self.assertEqual(self.path.exists(), False)
        self.write()
        self.assertEqual(self.written(), ["a", "b"])

    def test_one_batch_at_a_time(self) -> None:
        """While a batch is being written the next ones wait, and go together."""
        for name in "abc":
            self.add(name)
            self.log.flush()
        self.assertEqual(len(self.calls), 1)
        self.write()
        self.log.flush()
        self.write()
        self.assertEqual(self.written(), ["a", "b", "c"])

    def test_appended(self) -> None:
        """A file that is there already is added to."""
        self.path.write_text('{"operation":"old"}\n')
        self.add("new")
        self.log.flush()
        self.write()
        self.assertEqual(self.written(), ["old", "new"])

    def test_rotated(self) -> None:
        """A file that is moved away is left alone, and a new one begun."""
        self.add("a")
        self.log.flush()
        self.write()
        moved = self.path.with_suffix(".1")
        self.path.rename(moved)
        self.add("b")
        self.log.flush()
        self.write()
        self.assertEqual((self.written(moved), self.written()), (["a"], ["b"]))

    def test_replaced(self) -> None:
        """So it is if another one has been put in its place."""
        self.test_rotated()
        other = Path(self.mktemp())
        other.write_text("")
        os.replace(other, self.path)
        self.add("c")
        self.log.flush()
        self.write()
        self.assertEqual(self.written(), ["c"])

    def test_bounded(self) -> None:
        """When writing is stuck, lines beyond a bound are dropped, and counted."""
        self.add("stuck")
        self.log.flush()
        self.add(*["x"] * (MAX_WAITING + 3))
        self.assertEqual(self.log.dropped, 3)

    def test_full_disk(self) -> None:
        """A full disk loses lines, which are counted, and nothing else."""
        if not Path("/dev/full").exists():
            return
        self.log = self.logging("/dev/full")
        for _ in range(2):
            self.add("a", "b")
            self.log.flush()
            self.write()
        self.assertEqual(self.log.dropped, 4)

    def test_room_again(self) -> None:
        """Once a folder that was missing is there, lines are written."""
        folder = Path(self.mktemp())
        self.log = self.logging(str(folder / "log"))
        self.add("a")
        self.log.flush()
        self.write()
        folder.mkdir()
        self.add("b")
        self.log.flush()
        self.write()
        self.assertEqual((self.log.dropped, self.written(folder / "log")), (1, ["b"]))

    def test_told(self) -> None:
        """That lines are lost, and why, is said once, and once that they are no more."""
        folder = Path(self.mktemp())
        self.log = self.logging(str(folder / "log"))
        with capturedLogs() as said:
            for there in (False, False, True, True):
                if there:
                    folder.mkdir(exist_ok=True)
                self.add("a")
                self.log.flush()
                self.write()
        lost, again = map(formatEvent, said)
        self.assertRegex(lost, r"^the access log loses lines: .*No such file or directory")
        self.assertEqual(again, "the access log is written again")

    def test_nowhere(self) -> None:
        """A daemon is told that its standard output leads nowhere; nobody else is."""
        here, there = os.pipe()
        null = os.open(os.devnull, os.O_WRONLY)
        for each in (here, there, null):
            self.addCleanup(os.close, each)
        self.assertEqual((is_nowhere(null), is_nowhere(there)), (True, False))

    def test_closed(self) -> None:
        """What still waits at the end is written then."""
        self.add("a", "b")
        self.log.close()
        self.assertEqual(self.written(), ["a", "b"])

    def test_standard_output(self) -> None:
        """``-`` is standard output, the real one, whatever twistd has put in its place."""
        import sys
        from io import BytesIO, TextIOWrapper

        real = TextIOWrapper(BytesIO())
        self.patch(sys, "__stdout__", real)
        self.log = self.logging("-")
        self.add("a")
        self.log.close()
        self.assertIn(b'"operation":"a"', real.buffer.getvalue())  # type: ignore[attr-defined]


class ExchangeTests(SynchronousTestCase):
    """Which exchanges are logged, and as what."""

    def lines(self, world: World, act: Callable[[], Any], form: str = "json") -> list[bytes]:
        path = Path(self.mktemp())
        world.gateway.access_log = log = AccessLog(
            str(path), form, world.clock.seconds, lambda call, done: (call(), done())
        )
        act()
        log.flush()
        return path.read_bytes().splitlines()

    def test_one_each(self) -> None:
        """Each request has one line: answered, refused, failed, a page, or left."""
        world = World()

        def act() -> None:
            client = world.client()
            client.send(post(b"/api/chat"))
            world.node().answer(STREAM + chunks(b'{"done":true,"eval_count":3}\n'))
            client.send(get(b"/health"))
            client.send(post(b"/api/chat"))
            world.node().answer(STREAM)
            world.node().close()
            world.client().send(b"JUNK\r\n\r\n")
            leaves = world.client()
            leaves.send(post(b"/api/chat"))
            leaves.leave()

        said = [json.loads(line) for line in self.lines(world, act)]
        self.assertEqual(
            [(each["operation"], each["status"], each.get("failure")) for each in said],
            [
                ("chat", 200, None),
                ("page", 200, None),
                ("chat", 200, "upstream_cut"),
                ("refused", 400, "refused"),
                ("chat", 0, "client_left"),
            ],
        )
        self.assertEqual((said[0]["generated_tokens"], said[1]["path"]), (3, "/health"))

    def test_text(self) -> None:
        """The same in text."""
        world = World()

        def act() -> None:
            client = world.client()
            client.send(post(b"/api/chat", b'{"model":"a\\nb c"}'))
            world.node().answer(whole(b"{}"))

        (line,) = self.lines(world, act, "text")
        self.assertTrue(re.search(rb' model="a\\nb c" node=a ', line), line)

    def test_secrets(self) -> None:
        """No key that a client sends is in its line."""
        world = World()

        def act() -> None:
            client = world.client()
            client.send(post(b"/api/chat?key=hunter2", b"{}", b"Authorization: Bearer hunter2"))
            world.node().answer(whole(b"{}"))

        (line,) = self.lines(world, act)
        self.assertNotIn(b"hunter2", line)
