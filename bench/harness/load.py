"""The load generators, run to their end: wrk for small requests, streamload for streams."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .build import BENCH, STREAMLOAD
from .process import pinned

_MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


class LoadFailed(Exception):
    """A load generator could not do its work at all."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What wrk shall send: GETs, or POSTs with a JSON body of so many bytes."""

    path: str
    connections: int
    seconds: float
    body: int = 0

    def command(self, port: int) -> list[str]:
        options = ["-t1", f"-c{self.connections}", f"-d{self.seconds:.0f}", "--timeout", "10s"]
        url = f"http://127.0.0.1:{port}{self.path}"
        if not self.body:
            return ["wrk", *options, "--latency", url]
        script = str(BENCH / "post.lua")
        return ["wrk", *options, "--latency", "-s", script, url, "--", str(self.body)]


def run_wrk(port: int, requests: Requests, core: int) -> dict[str, Any]:
    done = subprocess.run(
        pinned(requests.command(port), core), capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise LoadFailed(f"wrk: {(done.stdout + done.stderr).strip()[-300:]}")
    return read_wrk(done.stdout)


def read_wrk(text: str) -> dict[str, Any]:
    """What wrk printed, as numbers; ``errors`` lists what it complained of."""
    total = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not total or not rate:
        raise LoadFailed(f"wrk said: {text[-300:]}")
    errors = re.findall(r"Socket errors:.*|Non-2xx.*", text)
    if total[1] == "0":
        errors.append("no request was answered")
    return {
        "requests": int(total[1]),
        "requests_s": float(rate[1]),
        "p50_us": _wrk_percentile(text, "50"),
        "p99_us": _wrk_percentile(text, "99"),
        "errors": [error.strip() for error in errors],
    }


def _wrk_percentile(text: str, percent: str) -> float | None:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    return float(found[1]) * _MICROSECONDS[found[2]] if found else None


@dataclass(frozen=True, slots=True)
class Streams:
    """What streamload shall open: how many streams at a time, how long and how paced."""

    count: int
    chunks: int
    every_ms: int
    seconds: float
    ramp: float = 1.0

    def command(self, port: int) -> list[str]:
        path = f"/api/chat?n={self.chunks}&ms={self.every_ms}"
        return [
            str(STREAMLOAD),
            str(port),
            path,
            f"c={self.count}",
            f"secs={self.seconds}",
            f"ramp={self.ramp}",
            f"expect={self.chunks - 1}",
        ]


def start_streams(port: int, streams: Streams, core: int) -> subprocess.Popen[str]:
    """Start streamload; ``finish_streams`` must follow."""
    return subprocess.Popen(
        pinned(streams.command(port), core),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish_streams(process: subprocess.Popen[str], patience: float) -> dict[str, Any]:
    """What streamload printed when it was through; ``errors`` lists what it complained of."""
    try:
        output, complaints = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise LoadFailed("streamload did not end") from None
    if process.returncode:
        raise LoadFailed(f"streamload: {complaints.strip()[-300:]}")
    return read_streamload(output, complaints.splitlines())


def read_streamload(output: str, complaints: Iterable[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(output)
    count = result.pop("errors")
    result["errors"] = [f"{count} streams failed", *complaints] if count else []
    if not result["all_chunks"]:
        result["errors"].append("no chunk came")
    return result


def run_streams(port: int, streams: Streams, core: int) -> dict[str, Any]:
    return finish_streams(start_streams(port, streams, core), streams.seconds + 60)
