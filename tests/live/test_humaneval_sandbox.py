"""Candidates that mean harm: each is scored failed, and nothing else happens."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from ollama_twisted.humaneval import jail
from ollama_twisted.humaneval import sandbox as sandbox_module
from ollama_twisted.humaneval.sandbox import Candidate, Level, Limits, Sandbox, SandboxBroken
from ollama_twisted.humaneval.verdict import Reason, Verdict

TEST = "def check(candidate):\n    assert candidate() == 1\n"
RIGHT = "def one():\n    return 1\n"
WRONG = "def one():\n    return 2\n"
# Time enough on any machine, except for those who are meant to run out of it.
LIMITS = Limits(timeout=15.0, memory=256)
BRIEF = replace(LIMITS, timeout=1.0)
BOMB = "import posix\nwhile True:\n    try:\n        posix.fork()\n    except OSError: pass"


def descendants() -> set[int]:
    """Whatever runs below us."""
    return {each.pid for each in psutil.Process().children(recursive=True)}


def of_candidates() -> list[int]:
    """Processes of users that only candidates have."""
    found = []
    for each in psutil.process_iter(["uids"]):
        uids = each.info["uids"]
        if uids and 61184 <= uids.real < 65520:
            found.append(each.pid)
    return found


class Hostile(TestCase):
    """What all of these tests need: a sandbox of the level that is tested, and a look around."""

    timeout = 150
    level = Level.FULL

    def setUp(self) -> None:
        # Other runs have their folders where folders usually are.
        folder = tempfile.mkdtemp()
        os.chmod(folder, 0o755)
        self.patch(tempfile, "tempdir", folder)

    async def sandbox(self, limits: Limits = LIMITS) -> Sandbox:
        best = await Sandbox.best(reactor, limits, 2)
        if best.level is not self.level:
            if list(Level).index(self.level) < list(Level).index(best.level):
                raise SkipTest(f"the system grants no more than {best.level.value}")
            best = Sandbox(reactor, limits, 2, self.level)
            try:
                if not (await best.run(Candidate(RIGHT, TEST, "one"))).passed:
                    raise SkipTest(f"{self.level.value}: the interpreter is out of reach")
            except SandboxBroken as broken:
                raise SkipTest(f"{self.level.value}: {broken}") from broken
        return best

    async def run_one(self, program: str, limits: Limits = LIMITS) -> Verdict:
        """Its verdict, after which nothing is left of it and we are as before."""
        sandbox = await self.sandbox(limits)
        before, files = descendants(), set(os.listdir(tempfile.gettempdir()))
        verdict = await sandbox.run(Candidate(program, TEST, "one"))
        self.assertEqual(descendants() - before, set())
        if os.geteuid() == 0:
            await self._until(lambda: of_candidates() == [])  # another run may have some
        self.assertEqual(set(os.listdir(tempfile.gettempdir())), files)
        again = await sandbox.run(Candidate(RIGHT, TEST, "one"))
        self.assertTrue(again.passed, again)
        return verdict

    async def _until(self, true: Callable[[], bool]) -> None:
        # As long as another run may take that has candidates all the time.
        for _ in range(1200):
            if true():
                return
            await self._pause()
        self.fail("it did not come to be")

    def _pause(self) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        reactor.callLater(0.05, done.callback, None)
        return done


class HostileTests(Hostile):
    """With all that the system grants."""

    async def test_fork_bomb(self) -> None:
        """One that forks for ever is ended with all its children."""
        verdict = await self.run_one(
            "import posix\nwhile True:\n    try:\n        posix.fork()\n"
            "    except OSError:\n        pass\n",
            BRIEF,
        )
        self.assertIs(verdict.reason, Reason.TIMEOUT)

    async def test_fork_count(self) -> None:
        """It cannot have more processes than it may."""
        verdict = await self.run_one(
            "import posix, time\nmade = 0\n"
            "try:\n    while True:\n        if not posix.fork():\n            time.sleep(60)\n"
            "        made += 1\nexcept OSError:\n    raise RuntimeError(f'made {made}')\n"
        )
        self.assertIs(verdict.reason, Reason.FAILED)
        made = int(verdict.detail.rpartition(" ")[2])
        self.assertTrue(made <= LIMITS.processes, verdict)

    async def test_daemons(self) -> None:
        """Children that have gone their own way, in sessions of their own, end with it."""
        verdict = await self.run_one(
            "import posix, time\nfor _ in range(2):\n    if not posix.fork():\n"
            "        posix.setsid()\n        if posix.fork():\n            posix._exit(0)\n"
            "        time.sleep(1000)\ntime.sleep(0.1)\n" + WRONG
        )
        self.assertIs(verdict.reason, Reason.FAILED)

    async def test_memory_bomb(self) -> None:
        """One that takes ever more memory gets no more than it may."""
        verdict = await self.run_one(
            "kept = []\nwhile True:\n    kept.append(bytearray(10**7))\n",
            Limits(timeout=10.0, memory=128),
        )
        self.assertIs(verdict.reason, Reason.MEMORY)
        self.assertTrue(verdict.peak_mb < 160, verdict)

    async def test_endless_output(self) -> None:
        """One that prints for ever is ended when it has printed enough."""
        verdict = await self.run_one("while True:\n    print('x' * 10000)\n", Limits(timeout=30.0))
        self.assertIs(verdict.reason, Reason.OUTPUT)

    async def test_big_file(self) -> None:
        """One that fills the disk is refused."""
        verdict = await self.run_one(
            "for number in range(64):\n    with open(f'big{number}', 'wb') as file:\n"
            "        file.write(b'x' * 2**24)\n",
            Limits(timeout=10.0),
        )
        self.assertIs(verdict.reason, Reason.FAILED)
        self.assertIn("OSError", verdict.detail)

    async def test_kill_parent(self) -> None:
        """One that signals its parent, or everybody, hits nobody."""
        for target in ("posix.getppid()", "-1", "0"):
            verdict = await self.run_one(
                f"import posix, time\ntry:\n    posix.kill({target}, 9)\n"
                f"except OSError:\n    pass\ntime.sleep(0.1)\n{WRONG}"
            )
            self.assertFalse(verdict.passed)

    async def test_kill_runner(self) -> None:
        """Nor can it reach us by our number."""
        verdict = await self.run_one(f"import posix\nposix.kill({os.getpid()}, 9)\n{RIGHT}")
        self.assertIs(verdict.reason, Reason.FAILED)
        self.assertRegex(verdict.detail, "ProcessLookupError|PermissionError")

    async def test_os_kill(self) -> None:
        """``os.kill`` is not there, as for the reference evaluator."""
        verdict = await self.run_one(f"import os\nos.kill(os.getppid(), 9)\n{RIGHT}")
        self.assertIs(verdict.reason, Reason.FAILED)

    async def test_read_files(self) -> None:
        """It sees neither our files nor our environment."""
        secret = Path(tempfile.mkdtemp()) / "secret"
        secret.write_text("secret")
        self.addCleanup(secret.unlink)
        self.patch(os, "environ", {**os.environ, "OLLAMA_API_KEY": "secret"})
        places = [secret, __file__, f"/proc/{os.getpid()}/environ", "/proc/1/environ"]
        for place in [*places, Path.home() / ".profile", "/etc/shadow", "/etc/passwd"]:
            verdict = await self.run_one(f"open({str(place)!r}).read()\n{RIGHT}")
            self.assertIs(verdict.reason, Reason.FAILED, f"{place}: {verdict}")
            self.assertRegex(verdict.detail, "FileNotFoundError|PermissionError")
        verdict = await self.run_one(
            "import os\nraise RuntimeError(sorted(os.environ))\n",
        )
        self.assertNotIn("OLLAMA", verdict.detail)

    async def test_descriptors(self) -> None:
        """It inherits nothing that is open."""
        verdict = await self.run_one(
            "import os\nopened = []\nfor each in range(256):\n    try:\n        os.fstat(each)\n"
            "        opened.append(each)\n    except OSError:\n        pass\n"
            "raise RuntimeError(opened)\n"
        )
        self.assertEqual(verdict.detail, "RuntimeError: [0, 1, 2, 3]")

    async def test_write_outside(self) -> None:
        """It writes nowhere but in its own folder, which is empty and goes with it."""
        outside = Path(tempfile.mkdtemp())
        self.addCleanup(outside.rmdir)
        for place in (outside / "evil", "/evil", "/usr/evil", Path(__file__).parent / "evil"):
            verdict = await self.run_one(f"open({str(place)!r}, 'w').write('x')\n{RIGHT}")
            self.assertIs(verdict.reason, Reason.FAILED, f"{place}: {verdict}")
            self.assertFalse(Path(place).exists())
        verdict = await self.run_one(
            f"import os\nassert os.listdir('.') == []\nopen('mine', 'w').write('x')\n{RIGHT}"
        )
        self.assertTrue(verdict.passed, verdict)

    async def test_network(self) -> None:
        """It cannot connect, not even to this machine."""
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        verdict = await self.run_one(
            f"import socket\nplace = ('127.0.0.1', {server.server_port})\n"
            f"socket.create_connection(place, 1)\n{RIGHT}"
        )
        self.assertIs(verdict.reason, Reason.FAILED)
        self.assertIn("OSError", verdict.detail)

    async def test_sleep(self) -> None:
        """One that sleeps for ever is ended at its time."""
        verdict = await self.run_one("import time\ntime.sleep(1000)\n", BRIEF)
        self.assertIs(verdict.reason, Reason.TIMEOUT)

    async def test_swallowed_signals(self) -> None:
        """Nor does it help to be deaf."""
        verdict = await self.run_one(
            "import signal\nfor each in range(1, 65):\n    try:\n"
            "        signal.signal(each, signal.SIG_IGN)\n    except (OSError, ValueError):\n"
            "        pass\nwhile True:\n    try:\n        while True:\n            pass\n"
            "    except BaseException:\n        pass\n",
            BRIEF,
        )
        self.assertIs(verdict.reason, Reason.TIMEOUT)

    async def test_exit(self) -> None:
        """One that ends before its test has not passed it, however it ends."""
        for end in ("sys.exit(0)", "os._exit(0)", "raise SystemExit", "os.abort()"):
            verdict = await self.run_one(f"import os, sys\n{end}\n")
            self.assertFalse(verdict.passed, end)

    async def test_other_program(self) -> None:
        """Nor has one that becomes another program."""
        verdict = await self.run_one(
            "import posix\nposix.execv('/bin/sh', ['sh', '-c', 'sleep 100 & echo passed >&3'])\n"
        )
        self.assertFalse(verdict.passed)

    async def test_forged(self) -> None:
        """A verdict that it tells itself is not believed."""
        verdict = await self.run_one(
            "import os\nfor each in range(16):\n    try:\n        os.write(each, b'passed\\n')\n"
            "    except OSError:\n        pass\nos._exit(0)\n"
        )
        self.assertIs(verdict.reason, Reason.ENDED)

    async def test_patched_assert(self) -> None:
        """To change what an assertion means changes no verdict."""
        patches = (
            "import builtins\nbuiltins.AssertionError = type('Fine', (Exception,), {})\n",
            "AssertionError = None\n",
            "import builtins\nbuiltins.exec = lambda *_: None\n",
            "import builtins\nbuiltins.compile = lambda *_: None\n",
            "def check(candidate):\n    pass\n",
            "import sys\nsys.flags = None\n__debug__ = False\n",
            "import sys\ndef jump(frame, event, _):\n    if frame.f_code.co_name == 'check':\n"
            "        def inside(frame, event, _):\n            raise SystemExit(0)\n"
            "        return inside\nsys.settrace(jump)\n",
            "import ctypes\nerror = ctypes.py_object(AssertionError)\n"
            "AssertionError.__init__ = lambda *_: None\n",
        )
        for patch in patches:
            verdict = await self.run_one(patch + WRONG)
            self.assertIs(verdict.reason, Reason.FAILED, f"{patch}: {verdict}")

    async def test_traced(self) -> None:
        """Nor does leading the test around its assertions, by what sees each line."""
        verdict = await self.run_one(
            "import sys\ndef seen(frame, event, _):\n"
            "    if frame.f_code.co_name == 'check' and event == 'line':\n"
            "        frame.f_lineno = 1\n    return seen\nsys.settrace(seen)\n" + WRONG
        )
        self.assertIs(verdict.reason, Reason.FAILED, verdict)

    async def test_cancelled(self) -> None:
        """When we want it to end it ends, with all it has started."""
        sandbox = await self.sandbox(Limits(timeout=60.0))
        before = descendants()
        waiting = Deferred.fromCoroutine(
            sandbox.run(
                Candidate("import posix, time\nposix.fork()\ntime.sleep(100)\n", TEST, "one")
            )
        )
        await self._until(lambda: len(descendants() - before) >= 2)
        waiting.cancel()
        await waiting.addErrback(lambda _: None)
        await self._until(lambda: descendants() - before == set())
        await self._until(lambda: os.geteuid() != 0 or of_candidates() == [])

    async def test_many(self) -> None:
        """Beside hostile ones those that are right pass."""
        sandbox = await self.sandbox(replace(LIMITS, timeout=5.0))
        verdicts = await gatherResults(
            Deferred.fromCoroutine(sandbox.run(Candidate(each, TEST, "one")))
            for each in (BOMB, RIGHT, RIGHT, RIGHT)
        )
        self.assertEqual([each.passed for each in verdicts], [False, True, True, True])


class BareTests(Hostile):
    """Where the system grants no namespaces: what holds there as well."""

    level = Level.BARE

    async def test_fork_bomb(self) -> None:
        """A fork bomb is ended with all its children."""
        verdict = await self.run_one(
            "import posix\nwhile True:\n    try:\n        posix.fork()\n"
            "    except OSError:\n        pass\n",
            BRIEF,
        )
        self.assertIs(verdict.reason, Reason.TIMEOUT)

    async def test_daemons(self) -> None:
        """Children in sessions of their own are found, and ended."""
        verdict = await self.run_one(
            "import posix, time\nfor _ in range(2):\n    if not posix.fork():\n"
            "        posix.setsid()\n        if posix.fork():\n            posix._exit(0)\n"
            "        time.sleep(1000)\ntime.sleep(0.1)\n" + WRONG
        )
        self.assertIs(verdict.reason, Reason.FAILED)

    async def test_kill_parent(self) -> None:
        """One that ends its supervisor, where it can, is failed for it."""
        verdict = await self.run_one(
            f"import posix, time\nposix.kill(posix.getppid(), 9)\ntime.sleep(1)\n{RIGHT}"
        )
        self.assertIn(verdict.reason, {Reason.FAILED, Reason.ENDED})

    async def test_limits(self) -> None:
        """Time, memory and output are bounded."""
        verdicts = [
            await self.run_one(each, Limits(timeout=1.5, memory=128))
            for each in (
                "import time\ntime.sleep(100)\n",
                "kept = []\nwhile True:\n    kept.append(bytearray(10**7))\n",
                "while True:\n    print('x' * 10000)\n",
            )
        ]
        self.assertEqual(
            [each.reason for each in verdicts], [Reason.TIMEOUT, Reason.MEMORY, Reason.OUTPUT]
        )


class OrdinaryUserTests(SynchronousTestCase):
    """Without being root, where the tests themselves are."""

    def judge(self, program: str, limits: Limits = LIMITS) -> str:
        """What the jail says of a program, when somebody without any right starts it."""
        if os.geteuid() != 0:
            raise SkipTest("all of the other tests are such tests here")
        python = shutil.which("python3", path="/usr/bin")
        if python is None:
            raise SkipTest("there is no Python that everybody may start")
        place = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, place)
        package = place / "ollama_twisted" / "humaneval"
        package.mkdir(parents=True)
        for each in Path(jail.__file__).parent.glob("*.py"):
            shutil.copy(each, package)
        (place / "ollama_twisted" / "__init__.py").touch()
        scratch = place / "scratch"
        scratch.mkdir()
        for each in (place, *place.rglob("*")):
            each.chmod(0o755)
        os.chown(scratch, 65534, 65534)
        spec = {"program": program, "test": TEST, "entry_point": "one", "level": "full"}
        spec |= {
            "scratch": str(scratch),
            "timeout": limits.timeout,
            "limits": limits.rlimits(),
            "number": 1,
        }
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        command = [python, "-I", "-B", "-c", sandbox_module._START, str(place)]
        done = subprocess.run(
            [*user, "sh", "-c", 'exec 3>&1 >&2; exec "$@"', "sh", *command],
            input=json.dumps(spec).encode(),
            capture_output=True,
            timeout=30,
        )
        if b"unshare" in done.stderr:
            raise SkipTest("ordinary users get no namespaces here")
        verdict: str = json.loads(done.stdout)["verdict"]
        return verdict

    def test_same(self) -> None:
        """An ordinary user's candidates are fenced in as root's are."""
        self.assertEqual(self.judge(RIGHT), "passed")
        self.assertRegex(self.judge(f"open('/etc/passwd')\n{RIGHT}"), "FileNotFoundError")
        self.assertRegex(self.judge(f"open('/usr/evil', 'w')\n{RIGHT}"), "Read-only|Permission")
        self.assertRegex(
            self.judge(f"import socket\nsocket.create_connection(('127.0.0.1', 9))\n{RIGHT}"),
            "unreachable",
        )
        self.assertEqual(self.judge(BOMB, BRIEF), "timeout")
        self.assertRegex(
            self.judge(
                "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                "raise OSError(libc.umount2(b'/scratch', 2), ctypes.get_errno())"
            ),
            "-1, 1|Errno -1",
        )


class OrphanTests(TestCase):
    """A runner that is killed."""

    timeout = 60

    async def test_killed_runner(self) -> None:
        """What it has started ends with it, although nobody was left to end it."""
        code = (
            "from twisted.internet import reactor, defer\n"
            "from ollama_twisted.humaneval.sandbox import *\n"
            "async def go():\n"
            "    box = await Sandbox.best(reactor, Limits(timeout=100), 2)\n"
            "    print(box.level.value, flush=True)\n"
            "    await box.run(Candidate('import posix, time\\nposix.fork()\\n"
            "print(1)\\ntime.sleep(100)', '', 'one'))\n"
            "defer.Deferred.fromCoroutine(go())\nreactor.run()\n"
        )
        runner = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(jail.__file__).parents[2])},
        )
        assert runner.stdout is not None
        level = runner.stdout.readline().strip()
        children: list[psutil.Process] = []
        for _ in range(200):
            children = psutil.Process(runner.pid).children(recursive=True)
            if len(children) >= 4 or (level == "bare" and len(children) >= 3):
                break
            time.sleep(0.05)
        self.assertTrue(len(children) >= 3, children)
        runner.kill()
        runner.wait(10)
        runner.stdout.close()
        if level == "bare":
            children = children[:2]  # what the candidate has started may outlive it there
        _, alive = psutil.wait_procs(children, 10)
        self.assertEqual(alive, [])
