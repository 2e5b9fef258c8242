"""What is known of an answer that has passed."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ollama_twisted.wire.stream import Final, Watch

TOKEN: dict[str, Any] = {
    "model": "llama3.2:1b",
    "created_at": "2026-11-24T01:00:00.123456789Z",
    "message": {"role": "assistant", "content": ' "total_duration":5}\n'},
    "done": False,
}
NUMBERS = {
    "total_duration": 4_000_000_000,
    "load_duration": 3_000_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 200_000_000,
    "eval_count": 298,
    "eval_duration": 1_500_000_000,
}
DONE = {**TOKEN, "done": True, "done_reason": "stop", **NUMBERS}
FINAL = Final(
    complete=True,
    prompt_tokens=26,
    generated_tokens=298,
    total=4.0,
    load=3.0,
    prompt_eval=0.2,
    eval=1.5,
    done_reason="stop",
)


def compact(value: object) -> bytes:
    """``value`` as Go writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def lines(*objects: object) -> list[bytes]:
    """Objects as Ollama streams them."""
    return [compact(each) + b"\n" for each in objects]


def events(*objects: object) -> list[bytes]:
    """Objects as OpenAI's protocol streams them."""
    return [b"data: %b\n\n" % compact(each) for each in objects]


def named_events(*objects: dict[str, Any]) -> list[bytes]:
    """Objects as Anthropic's protocol streams them."""
    return [b"event: %b\ndata: %b\n\n" % (each["type"].encode(), compact(each)) for each in objects]


def watched(pieces: list[bytes], streamed: bool = True) -> Final | None:
    """What is known after ``pieces`` have passed."""
    watch = Watch(streamed)
    for piece in pieces:
        watch.see(piece)
    return watch.final()


LINES = lines(*[TOKEN] * 20, DONE)
OPENAI = [
    *events(*[{"choices": [{"delta": {"content": "data: x"}, "finish_reason": None}]}] * 20),
    *events({"choices": [{"delta": {}, "finish_reason": "length"}], "usage": None}),
    *events({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}),
    b"data: [DONE]\n\n",
]
OPENAI_FINAL = Final(True, prompt_tokens=3, generated_tokens=5, done_reason="length")
ANTHROPIC = named_events(
    {"type": "message_start", "message": {"id": "x" * 40, "usage": {"input_tokens": 7}}},
    {"type": "content_block_start", "index": 0},
    *[{"type": "content_block_delta", "delta": {"type": "text_delta", "text": " word"}}] * 20,
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 9},
    },
    {"type": "message_stop"},
)
ANTHROPIC_FINAL = Final(True, prompt_tokens=7, generated_tokens=9, done_reason="end_turn")


class StreamTests(SynchronousTestCase):
    """Answers that come piece by piece."""

    def test_ollama(self) -> None:
        """The last line of Ollama's tells it all."""
        self.assertEqual(watched(LINES), FINAL)

    def test_cut(self) -> None:
        """A stream without its last line is not complete."""
        self.assertEqual(watched(LINES[:-1]), Final(complete=False))
        self.assertEqual(watched([*LINES[:-1], LINES[-1][:-20]]), Final(complete=False))

    def test_nothing(self) -> None:
        """Of nothing, nothing is known."""
        watch = Watch()
        self.assertFalse(watch.started)
        self.assertIsNone(watch.final())
        watch.see(b"{")
        self.assertTrue(watch.started)
        self.assertEqual(watch.final(), Final(complete=False))

    def test_cached_prompt(self) -> None:
        """What was not counted is not known to be zero."""
        self.assertEqual(
            watched(lines({"done": True, "eval_count": 2})), Final(True, generated_tokens=2)
        )

    def test_error_in_stream(self) -> None:
        """An error in the midst of a stream is its end, and no complete one."""
        self.assertEqual(
            watched([*LINES[:5], *lines({"error": "out of memory"})]),
            Final(False, error="out of memory"),
        )
        self.assertEqual(
            watched([*OPENAI[:3], *events({"error": {"message": "m", "type": "t"}})]),
            Final(False, error="m"),
        )
        error = {"type": "error", "error": {"type": "api_error", "message": "m"}}
        self.assertEqual(
            watched([*ANTHROPIC[:3], *named_events(error)]),
            Final(False, prompt_tokens=7, error="m"),
        )

    def test_openai(self) -> None:
        """The usage, if asked for, stands before the end."""
        self.assertEqual(watched(OPENAI), OPENAI_FINAL)
        self.assertEqual(watched(OPENAI[:-2]), Final(False, done_reason="length"))

    def test_swallowed_error(self) -> None:
        """A stream of events that just stops is not complete, though nothing was said."""
        self.assertEqual(watched(OPENAI[:4]), Final(False))

    def test_anthropic(self) -> None:
        """What was asked stands in the first event, what was answered in the last but one."""
        self.assertEqual(watched(ANTHROPIC), ANTHROPIC_FINAL)
        self.assertFalse(watched(ANTHROPIC[:-1]) == ANTHROPIC_FINAL)

    def test_responses(self) -> None:
        """The last event of a response has its usage further inside."""
        response = {"status": "completed", "usage": {"input_tokens": 1, "output_tokens": 2}}
        pieces = named_events(
            {"type": "response.created", "response": {"status": "in_progress", "usage": None}},
            *[{"type": "response.output_text.delta", "delta": "x"}] * 9,
            {"type": "response.completed", "response": response},
        )
        self.assertEqual(watched(pieces), Final(True, prompt_tokens=1, generated_tokens=2))

    def test_progress(self) -> None:
        """A pull ends with success."""
        pieces = lines({"status": "pulling", "total": 5}, {"status": "success"})
        self.assertEqual(watched(pieces), Final(True))
        self.assertEqual(watched(pieces[:1]), Final(False))

    def test_very_long_last_line(self) -> None:
        """The numbers of a last line are found though its beginning was not kept."""
        done = {"done": True, "context": list(range(200_000)), **NUMBERS}
        (line,) = lines(done)
        pieces = [line[start : start + 65536] for start in range(0, len(line), 65536)]
        final = watched([*LINES[:3], *pieces])
        assert final is not None
        self.assertEqual((final.complete, final.generated_tokens, final.eval), (True, 298, 1.5))

    def test_no_json(self) -> None:
        """What is not understood is only not known."""
        for junk in (b"hello\n", b"\0\xff\n", b"data\n", b"data: {\n\n", b"[1]\n", b"5\n", b"\n\n"):
            self.assertEqual(watched([junk]), Final(complete=False))

    def test_nonsense_numbers(self) -> None:
        """A number that cannot be one is not taken for one."""
        for nonsense in (-1, 2**70, True, "5", 1.5, None, [1]):
            (line,) = lines({"done": True, "eval_count": nonsense, "usage": nonsense})
            self.assertEqual(watched([line]), Final(True))

    def test_memory(self) -> None:
        """However long a stream, only a few of its pieces are kept."""
        for piece in (LINES[0], b"x" * 65536, b"x" * 65535 + b"\n", b"y\n" * 30_000, b"\n", b"z"):
            watch = Watch()
            tracemalloc.start()
            for _ in range(300):
                watch.see(bytes(bytearray(piece)))
            kept = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            self.assertLess(kept, 700_000, piece[:3])


class DocumentTests(SynchronousTestCase):
    """Answers that are one document."""

    def test_ollama(self) -> None:
        """A document has what the last line of a stream has."""
        self.assertEqual(watched([compact(DONE)], streamed=False), FINAL)

    def test_embeddings(self) -> None:
        """Of a document that is too long to keep, the numbers at its end are known."""
        document = compact(
            {
                "model": "m",
                "embeddings": [[0.123456789] * 100_000],
                "total_duration": 4_000_000_000,
                "load_duration": 3_000_000_000,
                "prompt_eval_count": 26,
            }
        )
        pieces = [document[start : start + 1000] for start in range(0, len(document), 1000)]
        self.assertEqual(
            watched(pieces, streamed=False), Final(True, prompt_tokens=26, total=4.0, load=3.0)
        )

    def test_transcripts(self) -> None:
        """A transcript with timestamps tells how long the audio was, however long it is itself."""
        segments = [{"id": each, "text": "a", "duration": 1.5} for each in range(5000)]
        head = {"task": "transcribe", "language": 'e\n"n', "duration": 8.47}
        for document, audio in (
            ({**head, "text": "a", "segments": segments}, 8.47),
            ({"duration": 12, "text": "a"}, 12.0),
            ({"text": '"duration":5,', "usage": {"duration": 5}}, None),
            ({"segments": segments, "duration": 3.0}, None),
            ({"text": "a"}, None),
        ):
            for text in (compact(document), json.dumps(document).encode()):
                final = watched([text[:10], text[10:]], streamed=False)
                self.assertEqual(final, Final(True, audio=audio), text[:80])

    def test_other_protocols(self) -> None:
        """A document of OpenAI's or Anthropic's has its usage."""
        openai = {
            "choices": [{"finish_reason": "stop", "message": {"content": "x"}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
        }
        anthropic = {
            "type": "message",
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 5},
        }
        for document, reason in ((openai, "stop"), (anthropic, "end_turn")):
            self.assertEqual(
                watched([compact(document) + b"\n"], streamed=False),
                Final(True, prompt_tokens=3, generated_tokens=5, done_reason=reason),
            )

    def test_error(self) -> None:
        """An error is known, in all its shapes."""
        for error, message in (("m", "m"), ({"message": "m"}, "m"), ([5], "unknown")):
            self.assertEqual(
                watched([compact({"error": error})], streamed=False), Final(False, error=message)
            )

    def test_plain_text(self) -> None:
        """A document that is no JSON says nothing of itself."""
        self.assertEqual(watched([b"what was said"], streamed=False), Final(True))


class StreamProperties(SynchronousTestCase):
    """What holds however the bytes come."""

    @given(
        st.sampled_from([(LINES, FINAL), (OPENAI, OPENAI_FINAL), (ANTHROPIC, ANTHROPIC_FINAL)]),
        st.lists(st.integers(0, 10_000), max_size=60),
        st.integers(0, 200),
    )
    def test_split_anywhere(
        self, stream: tuple[list[bytes], Final], cuts: list[int], near_end: int
    ) -> None:
        """However a stream is split, the same is known at its end."""
        pieces, final = stream
        data = b"".join(pieces)
        edges = {0, len(data), len(data) - near_end, *(cut % len(data) for cut in cuts)}
        parts = [data[start:end] for start, end in pairwise(sorted(edges))]
        self.assertEqual(watched(parts), final)

    @given(st.sampled_from([(LINES, FINAL), (OPENAI, OPENAI_FINAL), (ANTHROPIC, ANTHROPIC_FINAL)]))
    def test_line_by_line(self, stream: tuple[list[bytes], Final]) -> None:
        """The same if every line, or every byte, comes alone."""
        pieces, final = stream
        data = b"".join(pieces)
        self.assertEqual(watched(data.splitlines(keepends=True)), final)
        self.assertEqual(watched([bytes([code]) for code in data]), final)

    @given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"{}\n", b"data: {}\n"])))
    def test_garbage(self, pieces: list[bytes]) -> None:
        """Nothing that passes raises anything."""
        watched(pieces)
        watched(pieces, streamed=False)
