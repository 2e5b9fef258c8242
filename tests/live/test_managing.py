"""Models of three nodes changed by the clients that people use."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import parts
from tests.live.client_suite import suite
from tests.live.clients import conversation
from tests.live.gateways import RunningGateway
from tests.live.simulated import SimulatedNode

MODEL = "llama3:8b"
NEW = "phi3:3.8b"
NAMES = ("gpu-1", "gpu-2", "gpu-3")
FIELD = "X-Ollama-Gateway-Nodes"
NODE = ("--model", MODEL, "--load-time", "0", "--first-token-delay", "0", "--answer-tokens", "2")


class ManagingCase(SynchronousTestCase):
    """Three nodes behind a gateway."""

    #: Nodes that take for ever to pull.
    slow: tuple[str, ...] = ()

    def setUp(self) -> None:
        self.nodes = {
            name: SimulatedNode(*NODE, "--pull-time", "600" if name in self.slow else "0.2")
            for name in NAMES
        }
        for node in self.nodes.values():
            self.addCleanup(node.stop)
        ports = {name: node.port for name, node in self.nodes.items()}
        self.gateway = RunningGateway(ports, gateway={"pull": "all", "drain": 1})
        self.addCleanup(self.gateway.stop)
        self.gateway.until_healthy(*NAMES)

    def told(self, command: list[str], env: dict[str, str] | None = None) -> Any:
        """What a client printed."""
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def python(self, method: str, nodes: str = "", **arguments: Any) -> Any:
        """What a call of the official Python client came to."""
        python = suite.command()[0]
        script = conversation._here / "call.py"
        headers = {FIELD: nodes} if nodes else {}
        said = [json.dumps(arguments), json.dumps(headers)]
        return self.told(
            [python, str(script), self.gateway.url, method, *said], suite.environment()
        )

    def javascript(self, method: str, **arguments: Any) -> Any:
        """The same of npm's."""
        node, _, modules = conversation.in_javascript()
        script = conversation._here / "call.cjs"
        said = [self.gateway.url, method, json.dumps(arguments), "{}"]
        return self.told([node, str(script), modules, *said])

    def curl(self, path: str, *options: str) -> tuple[int, bytes]:
        """The status and body of an answer to curl."""
        command = [parts.executable("curl"), "-sS", "-w", "\n%{http_code}", *options]
        out = subprocess.run(
            [*command, self.gateway.url + path], stdin=subprocess.DEVNULL, capture_output=True
        ).stdout
        body, _, status = out.rpartition(b"\n")
        return int(status), body

    def having(self, model: str) -> list[str]:
        """The nodes that have a model, by what they say themselves."""
        return [
            name
            for name, node in self.nodes.items()
            if node.process.poll() is None
            and model in {each["name"] for each in node.get("GET", "/api/tags")["models"]}
        ]

    def draws(self, lines: list[Any]) -> None:
        """A client that draws a bar for each layer can: none shrinks, and each gets full."""
        bars: dict[str, tuple[int, int]] = {}
        for line in lines:
            if "digest" in line:
                total, completed = bars.get(line["digest"], (line["total"], 0))
                self.assertEqual(line["total"], total)
                self.assertGreaterEqual(line.get("completed", 0), completed)
                bars[line["digest"]] = total, line.get("completed", 0)
        self.assertTrue(bars)
        for total, completed in bars.values():
            self.assertEqual(total, completed)


class ClientTests(ManagingCase):
    """Clients that know nothing of gateways."""

    def test_python(self) -> None:
        """A pull to all nodes looks like one, and so does all that comes after."""
        told = self.python("pull", model=NEW, stream=True)
        self.assertNotIn("error", told)
        self.draws(told["parts"])
        statuses = [each["status"] for each in told["parts"]]
        self.assertEqual((statuses[0], statuses[-1]), ("pulling manifest", "success"))
        self.assertEqual(statuses.count("success"), 1)
        self.assertEqual(self.having(NEW), list(NAMES))
        whole = self.python("pull", model=NEW)
        self.assertEqual([each["status"] for each in whole["parts"]], ["success"])
        copied = self.python("copy", source=NEW, destination="copied")
        self.assertEqual(copied["parts"], [{"status": "success"}])
        self.assertEqual(self.having("copied:latest"), list(NAMES))
        for model in (NEW, "copied"):
            self.assertEqual(self.python("delete", model=model)["parts"], [{"status": "success"}])
            self.assertEqual(self.having(model), [])
        again = self.python("delete", model=NEW)
        self.assertEqual((again["status"], again["error"]), (404, f"model '{NEW}' not found"))

    def test_python_named(self) -> None:
        """A header of the client's names the nodes."""
        self.python("pull", "gpu-2,gpu-3", model=NEW)
        self.assertEqual(self.having(NEW), ["gpu-2", "gpu-3"])
        told = self.python("pull", "gpu-9", model=NEW)
        self.assertEqual(told["status"], 400)
        self.assertIn("known are gpu-1, gpu-2, gpu-3", told["error"])

    def test_python_create(self) -> None:
        """A model made of a file is made where the file went."""
        file = self.gateway.folder / "weights.gguf"
        file.write_bytes(b"GGUF" + bytes(3 * 2**20))
        (digest,) = self.python("create_blob", path=str(file))["parts"]
        told = self.python("create", model="made", files={"weights.gguf": digest})
        self.assertEqual([each["status"] for each in told["parts"]], ["success"])
        self.assertEqual(len(self.having("made:latest")), 1)

    def test_unload(self) -> None:
        """A model leaves the memory of every node."""
        for node in self.nodes.values():
            node.get("POST", "/api/generate", {"model": MODEL, "stream": False})
        (told,) = self.python("generate", model=MODEL, keep_alive=0)["parts"]
        self.assertEqual((told["done"], told["done_reason"]), (True, "unload"))
        self.assertEqual([node.state()["loaded"] for node in self.nodes.values()], [[]] * 3)

    def test_javascript(self) -> None:
        """npm's client as well."""
        told = self.javascript("pull", model=NEW, stream=True)
        self.assertNotIn("error", told)
        self.draws(told["parts"])
        self.assertEqual(told["parts"][-1]["status"], "success")
        self.assertEqual(set(told["parts"][-1]["nodes"]), set(NAMES))
        self.assertEqual(self.javascript("delete", model=NEW)["parts"], [{"status": "success"}])
        self.assertEqual(self.having(NEW), [])

    def test_curl(self) -> None:
        """curl says it all on its command line."""
        said = ("-d", json.dumps({"model": NEW, "stream": False}))
        status, body = self.curl("/api/pull?gateway_nodes=2", *said)
        nodes = json.loads(body)["nodes"]
        self.assertEqual((status, list(nodes.values())), (200, [{"status": "success"}] * 2))
        self.assertEqual(self.having(NEW), list(nodes))
        (last,) = set(NAMES) - set(nodes)
        status, body = self.curl("/api/delete", "-X", "DELETE", "-d", json.dumps({"model": NEW}))
        self.assertEqual((status, json.loads(body)["nodes"][last]["status"]), (200, "absent"))
        status, body = self.curl("/api/me", "-X", "POST")
        self.assertEqual((status, FIELD in json.loads(body)["error"]), (400, True))

    def test_curl_blob(self) -> None:
        """A file goes to several nodes at once, after curl was told to send it."""
        file = self.gateway.folder / "blob"
        file.write_bytes(bytes(range(256)) * 2**14)
        path = f"/api/blobs/sha256:{sha256(file.read_bytes()).hexdigest()}"
        options = ("-H", "Expect: 100-continue", "-H", f"{FIELD}: gpu-1,gpu-3")
        for _ in range(2):
            status, body = self.curl(path, *options, "--data-binary", f"@{file}")
            self.assertEqual(set(json.loads(body)["nodes"]), {"gpu-1", "gpu-3"})
        self.assertEqual(status, 200)  # the second time they had it
        for name, node in self.nodes.items():
            with node.open("HEAD", path) as answer:
                self.assertEqual(answer.status, 404 if name == "gpu-2" else 200)
        self.assertEqual(self.curl(path, "-I")[0], 200)


class EndTests(ManagingCase):
    """Pulls that do not end well."""

    slow = ("gpu-2",)

    def test_node_dies(self) -> None:
        """A node that is killed in the middle is named; the others have done their work."""
        with self.gateway.open("POST", "/api/pull", {"model": NEW}) as answer:
            told = [json.loads(answer.readline())]
            while not {"gpu-1", "gpu-3"} <= {each["status"].partition(":")[0] for each in told}:
                told.append(json.loads(answer.readline()))
            self.nodes["gpu-2"].process.kill()
            self.nodes["gpu-2"].process.wait()
            last = json.loads(answer.read().splitlines()[-1])
        self.assertRegex(
            last["error"],
            r"^pull failed on 1 of 3 nodes \(gpu-2: .*connection\); done on gpu-1, gpu-3$",
        )
        self.assertEqual(last["nodes"]["gpu-1"], {"status": "success"})
        self.assertEqual(self.having(NEW), ["gpu-1", "gpu-3"])

    def test_error_raised(self) -> None:
        """The Python client raises what the last line says, after the progress of the others."""
        self.nodes["gpu-2"].process.kill()
        self.nodes["gpu-2"].process.wait()
        told = self.python("pull", model=NEW, stream=True)
        self.assertIn("pull failed on 1 of 3 nodes (gpu-2: ", told["error"])
        statuses = {each["status"] for each in told["parts"]}
        self.assertTrue(statuses & {"gpu-1: success", "gpu-3: success"}, statuses)
        self.assertEqual(self.having(NEW), ["gpu-1", "gpu-3"])

    def test_client_leaves(self) -> None:
        """A client that leaves stops the pull that is still under way."""
        answer = self.gateway.open("POST", "/api/pull", {"model": NEW})
        answer.readline()
        self.nodes["gpu-2"].until(active=1)
        answer.close()
        self.nodes["gpu-2"].until(cancelled=1)
        self.assertNotIn("gpu-2", self.having(NEW))
