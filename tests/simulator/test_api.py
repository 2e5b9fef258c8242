"""Ollama's routes, through the real HTTP stack."""

from __future__ import annotations

import json
from hashlib import sha256

from zstandard import ZstdCompressor

from ollama_twisted.simulator.canned import Pace
from ollama_twisted.simulator.node import Limits
from tests.simulator.harness import HELLO, NodeCase

compress = ZstdCompressor().compress
ASK = {"model": "llama3:8b", "prompt": "hello"}


class PlainTests(NodeCase):
    """Routes that need no model."""

    def setUp(self) -> None:
        self.node = self.start()

    def test_running(self) -> None:
        """The root says that somebody is there, to HEAD as well."""
        said = self.node.get("GET", "/")
        self.assertEqual((said.status, said.body), (200, b"Ollama is running"))
        self.assertEqual(said.headers["content-type"], "text/plain; charset=utf-8")
        head = self.node.get("HEAD", "/")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["content-length"], "17")

    def test_version(self) -> None:
        """The version is the one that was set."""
        said = self.node.get("GET", "/api/version")
        self.assertEqual(said.json, {"version": "0.20.0"})
        self.assertEqual(said.headers["content-type"], "application/json; charset=utf-8")

    def test_unknown(self) -> None:
        """What is not there is told as Ollama's router tells it."""
        said = self.node.get("GET", "/api/nothing")
        self.assertEqual((said.status, said.body), (404, b"404 page not found"))
        said = self.node.get("GET", "/api/chat")
        self.assertEqual((said.status, said.body), (405, b"405 method not allowed"))
        self.assertEqual(said.headers["allow"], "POST")
        self.assertEqual(self.node.get("HEAD", "/api/ps").status, 405)

    def test_says_no_server(self) -> None:
        """Ollama sends no Server header."""
        self.assertIsNone(self.node.get("GET", "/").headers["server"])


class GenerationTests(NodeCase):
    """Chat and generate."""

    def setUp(self) -> None:
        self.node = self.start()

    def test_chat_streams(self) -> None:
        """Chat streams unless told otherwise: a line for each token, then the counts."""
        said = self.node.get("POST", "/api/chat", HELLO)
        self.assertEqual(said.headers["content-type"], "application/x-ndjson")
        *tokens, last = said.lines
        self.assertEqual(
            [(each["message"]["role"], each["done"]) for each in tokens], [("assistant", False)] * 4
        )
        self.assertEqual(
            {name: last[name] for name in ("model", "done", "done_reason", "eval_count")},
            {"model": "llama3:8b", "done": True, "done_reason": "stop", "eval_count": 4},
        )
        self.assertTrue(last["total_duration"] > last["eval_duration"] > 0)

    def test_whole_is_the_stream(self) -> None:
        """An answer in one piece says what the stream says."""
        streamed = self.node.get("POST", "/api/chat", HELLO).lines
        whole = self.node.get("POST", "/api/chat", {**HELLO, "stream": False})
        self.assertEqual(
            whole.json["message"]["content"], "".join(x["message"]["content"] for x in streamed)
        )
        self.assertEqual(whole.headers["content-type"], "application/json; charset=utf-8")
        self.assertEqual(int(whole.headers["content-length"]), len(whole.body))

    def test_token_by_token(self) -> None:
        """Each token is on its way when it is made, and before the first not even a head."""
        asked = self.node.ask("POST", "/api/generate", ASK)
        self.node.wait(2.25)
        self.assertEqual(asked.raw, b"")
        self.node.wait(0.375)
        self.assertEqual(asked.raw.count(b'"response"'), 2)
        self.node.wait(0.125)
        self.assertEqual(asked.raw.count(b'"response"'), 3)

    def test_equal_bytes(self) -> None:
        """Two frozen nodes of the same seed answer the same bytes, whenever they are asked."""
        other = self.start()
        other.get("POST", "/api/generate", {**ASK, "prompt": "something else"})
        for path, body in (("/api/generate", ASK), ("/v1/chat/completions", HELLO)):
            with self.subTest(path):
                self.assertEqual(
                    self.node.get("POST", path, body).body, other.get("POST", path, body).body
                )

    def test_context(self) -> None:
        """The last object of a generation carries its context, unless it was raw."""
        self.assertIn("context", self.node.get("POST", "/api/generate", ASK).lines[-1])
        raw = self.node.get("POST", "/api/generate", {**ASK, "raw": True})
        self.assertNotIn("context", raw.lines[-1])

    def test_go_keys(self) -> None:
        """Keys match in any letter case, and what follows the first JSON value is not read."""
        body = b'{"MODEL":"llama3:8b","Prompt":"hello","Stream":false} {"model":"other"}'
        self.assertEqual(self.node.get("POST", "/api/generate", body).status, 200)

    def test_compressed(self) -> None:
        """A compressed body is opened on routes of other protocols, and nowhere else."""
        body = json.dumps(HELLO).encode()
        asked = self.node.ask("POST", "/v1/chat/completions", body)
        packed = self.node.ask("POST", "/v1/chat/completions", compress(body), coding="zstd")
        junk = self.node.ask("POST", "/v1/chat/completions", body, coding="zstd")
        native = self.node.ask("POST", "/api/chat", compress(body), coding="zstd")
        self.node.wait(10)
        self.assertEqual(asked.said().status, 200)
        self.assertEqual(packed.said().body, asked.said().body)
        self.assertEqual((junk.said().status, native.said().status), (400, 400))

    def test_beside(self) -> None:
        """What is said depends on tools and images too, on each protocol's way to send them."""
        tool, picture = {"name": "f"}, {"type": "image_url", "image_url": {"url": "data:,a"}}
        text = {"type": "text", "text": "hello"}
        turn = HELLO["messages"][0]
        for path in ("/api/chat", "/v1/chat/completions", "/v1/messages"):
            plain = {**HELLO, "stream": False, "max_tokens": 100}
            texts = {
                json.dumps(self.node.get("POST", path, {**plain, **more}).json)
                for more in (
                    {},
                    {"tools": [tool]},
                    {"messages": [{**turn, "images": ["YQ=="]}]},
                    {"messages": [{**turn, "images": ["Yg=="]}]},
                    {"messages": [{**turn, "content": [text, picture]}]},
                )
            }
            self.assertEqual(len(texts), 5, path)
            parts = {**plain, "messages": [{**turn, "content": [text]}]}
            self.assertIn(json.dumps(self.node.get("POST", path, parts).json), texts)

    def test_refused(self) -> None:
        """What cannot be served is refused in Ollama's words."""
        for path, body, status, error in (
            ("/api/chat", {}, 400, "model is required"),
            ("/api/chat", b"", 400, "missing request body"),
            ("/api/chat", {**HELLO, "model": "llama3"}, 404, "model 'llama3' not found"),
            ("/api/generate", {**ASK, "model": "x"}, 404, "model 'x' not found"),
            ("/api/generate", {**ASK, "keep_alive": "soon"}, 400, 'time: invalid duration "soon"'),
            ("/api/embed", {"model": "x"}, 404, "model 'x' not found"),
            ("/api/embeddings", {"model": "x"}, 404, 'model "x" not found, try pulling it first'),
            ("/api/embed", {"model": "llama3:8b", "input": [1]}, 400, "invalid input type"),
            ("/api/show", {"model": "x"}, 404, "model 'x' not found"),
            ("/api/copy", {"source": "x", "destination": "y"}, 404, 'model "x" not found'),
        ):
            with self.subTest(path=path, body=body):
                said = self.node.get("POST", path, body)
                self.assertEqual((said.status, said.json), (status, {"error": error}))

    def test_no_json(self) -> None:
        """A body that is no object is a client's fault."""
        for body in (b"{", b"[]", b"\xff", b'"text"', b'{"model":1}', b'{"model":"m","stream":1}'):
            with self.subTest(body):
                self.assertEqual(self.node.get("POST", "/api/chat", body).status, 400)

    def test_load_and_unload(self) -> None:
        """Without a prompt a model is loaded, or with no time to stay unloaded."""
        said = self.node.get("POST", "/api/generate", {"model": "llama3:8b"})
        self.assertEqual((said.json["done_reason"], said.json["response"]), ("load", ""))
        (running,) = self.node.get("GET", "/api/ps").json["models"]
        self.assertEqual((running["name"], running["size_vram"]), ("llama3:8b", 4800000000))
        said = self.node.get("POST", "/api/chat", {"model": "llama3:8b", "keep_alive": 0})
        self.assertEqual(said.json["done_reason"], "unload")
        self.assertEqual(self.node.get("GET", "/api/ps").json, {"models": []})

    def test_busy(self) -> None:
        """Who finds no place and no room to wait is told so, in the words of its protocol."""
        self.node = self.start(limits=Limits(places=1, queue=1))
        for _ in range(2):
            self.node.ask("POST", "/api/chat", HELLO)
        busy = "server busy, please try again.  maximum pending requests exceeded"
        said = self.node.ask("POST", "/api/chat", HELLO).said()
        self.assertEqual((said.status, said.json), (503, {"error": busy}))
        said = self.node.ask("POST", "/v1/chat/completions", HELLO).said()
        self.assertEqual((said.status, said.json["error"]["message"]), (503, busy))

    def test_client_leaves(self) -> None:
        """A client that leaves ends the work, gives its place back and is counted."""
        self.node = self.start(limits=Limits(places=1))
        for seconds in (0.0, 1.0, 1.25, 0.75):
            with self.subTest(seconds):
                asked = self.node.ask("POST", "/api/chat", HELLO)
                self.node.wait(seconds)
                asked.leave()
                state = self.node.node.state()
                self.assertEqual((state["active"], state["waiting"]), (0, 0))
        self.assertEqual(self.node.counts.cancelled, 4)
        self.assertEqual(self.node.get("POST", "/api/chat", HELLO).status, 200)

    def test_slow_reader(self) -> None:
        """A client that does not read is not generated for."""
        pace = Pace(tokens_per_second=0.0, first_token_delay=0.0, answer_tokens=10000)
        self.node = self.start(pace=pace)
        asked = self.node.ask("POST", "/api/chat", HELLO)
        self.node.wait(2.0)
        asked.transport.producer.pauseProducing()
        self.node.wait(1.0)
        before = self.node.counts.tokens
        self.node.wait(1.0)
        self.assertEqual(self.node.counts.tokens, before)
        asked.transport.producer.resumeProducing()
        self.node.wait(10.0)
        self.assertEqual(len(asked.said().lines), 10001)


class EmbedTests(NodeCase):
    """Embeddings."""

    def setUp(self) -> None:
        self.node = self.start()

    def test_embed(self) -> None:
        """A vector for each text, and the count of their tokens."""
        body = {"model": "llama3:8b", "input": ["one", "two words"]}
        said = self.node.get("POST", "/api/embed", body).json
        self.assertEqual([len(each) for each in said["embeddings"]], [384, 384])
        self.assertEqual((said["model"], said["prompt_eval_count"]), ("llama3:8b", 3))

    def test_shorter(self) -> None:
        """With fewer dimensions vectors are cut and of length one again."""
        body = {"model": "llama3:8b", "input": "one", "dimensions": 8}
        (vector,) = self.node.get("POST", "/api/embed", body).json["embeddings"]
        self.assertEqual(len(vector), 8)
        self.assertAlmostEqual(sum(each * each for each in vector), 1.0)

    def test_nothing(self) -> None:
        """Nothing to embed loads the model."""
        said = self.node.get("POST", "/api/embed", {"model": "llama3:8b"}).json
        self.assertEqual(said, {"model": "llama3:8b", "embeddings": []})
        self.assertEqual(self.node.node.state()["loaded"], ["llama3:8b"])

    def test_old(self) -> None:
        """The old route gives the same vector."""
        new = self.node.get("POST", "/api/embed", {"model": "llama3:8b", "input": "one"}).json
        old = self.node.get("POST", "/api/embeddings", {"model": "llama3:8b", "prompt": "one"}).json
        self.assertEqual(old, {"embedding": new["embeddings"][0]})


class ShelfTests(NodeCase):
    """Models and blobs."""

    def setUp(self) -> None:
        self.node = self.start()

    def names(self) -> list[str]:
        return [each["name"] for each in self.node.get("GET", "/api/tags").json["models"]]

    def test_tags(self) -> None:
        """A model is listed with what a gateway needs to know."""
        (model,) = self.node.get("GET", "/api/tags").json["models"]
        self.assertEqual((model["name"], model["model"]), ("llama3:8b", "llama3:8b"))
        self.assertEqual(model["details"]["parameter_size"], "8B")
        self.assertEqual(len(model["digest"]), 64)

    def test_show(self) -> None:
        """A model is shown by either key."""
        for key in ("model", "name"):
            said = self.node.get("POST", "/api/show", {key: "LLAMA3:8b"}).json
            self.assertEqual(said["model_info"]["general.parameter_count"], 8 * 10**9)

    def test_pull(self) -> None:
        """A pull tells its progress, and only then the model is there."""
        asked = self.node.ask("POST", "/api/pull", {"model": "phi:3b"})
        self.node.wait(0.5)
        self.assertEqual(self.names(), ["llama3:8b"])
        self.node.wait(5.0)
        lines = asked.said().lines
        self.assertEqual(
            (lines[0], lines[-1]), ({"status": "pulling manifest"}, {"status": "success"})
        )
        done = [each["completed"] for each in lines if "completed" in each]
        self.assertEqual((done, done[-1]), (sorted(done), lines[1]["total"]))
        self.assertIn("phi:3b", self.names())

    def test_pull_whole(self) -> None:
        """Without a stream only the last word of a pull is said."""
        said = self.node.get("POST", "/api/pull", {"name": "phi:3b", "stream": False})
        self.assertEqual(said.json, {"status": "success"})
        self.assertEqual(said.headers["content-type"], "application/json")

    def test_pull_abandoned(self) -> None:
        """A pull whose client leaves brings nothing."""
        asked = self.node.ask("POST", "/api/pull", {"model": "phi:3b"})
        self.node.wait(0.5)
        asked.leave()
        self.node.wait(5.0)
        self.assertEqual(self.names(), ["llama3:8b"])

    def test_copy_and_delete(self) -> None:
        """A copy outlives the model it was made of."""
        body = {"source": "llama3:8b", "destination": "mine"}
        said = self.node.get("POST", "/api/copy", body)
        self.assertEqual((said.status, said.body), (200, b""))
        self.assertEqual(self.node.get("DELETE", "/api/delete", {"model": "llama3:8b"}).status, 200)
        self.assertEqual(self.names(), ["mine:latest"])
        self.assertEqual(self.node.get("DELETE", "/api/delete", {"name": "llama3:8b"}).status, 404)

    def test_push(self) -> None:
        """What is not here cannot be pushed."""
        said = self.node.get("POST", "/api/push", {"model": "llama3:8b"})
        self.assertEqual(said.lines[-1], {"status": "success"})
        self.assertEqual(self.node.get("POST", "/api/push", {"model": "x"}).status, 404)

    def test_blobs(self) -> None:
        """A blob is taken if it is what its digest says, and then it is here."""
        data = b"weights" * 400000
        path = f"/api/blobs/sha256:{sha256(data).hexdigest()}"
        self.assertEqual(self.node.get("HEAD", path).status, 404)
        wrong = self.node.get("POST", path, data + b"!")
        self.assertEqual(wrong.status, 400)
        self.assertIn("digest mismatch", wrong.json["error"])
        self.assertEqual(self.node.get("POST", path, data).status, 201)
        self.assertEqual(self.node.get("POST", path, data).status, 200)
        self.assertEqual(self.node.get("HEAD", path).status, 200)
        self.assertEqual(self.node.get("HEAD", "/api/blobs/md5:1").status, 400)

    def test_create(self) -> None:
        """A model is made of another, or of blobs that are here."""
        said = self.node.get("POST", "/api/create", {"model": "mine", "from": "llama3:8b"})
        self.assertEqual(said.lines[-1], {"status": "success"})
        self.assertIn("mine:latest", self.names())
        body = {"model": "other", "files": {"a.gguf": "sha256:" + "0" * 64}}
        self.assertEqual(self.node.get("POST", "/api/create", body).status, 400)
        self.assertEqual(self.node.get("POST", "/api/create", {"model": "other"}).status, 400)
