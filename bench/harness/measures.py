"""
The tests: each puts one kind of load on a contender and returns its figures.

A figure that is missing could not be had; ``errors`` lists what went wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .load import Requests, Streams, finish_streams, run_streams, run_wrk, start_streams
from .node import NodeView
from .process import Meter, resident_bytes

EMBED_BYTES = 262144
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    seconds: float = 4.0
    streams: int = 500
    every_ms: int = 50
    idle_streams: int = 2000
    leaves: int = 200
    flood_chunks: int = 1_000_000
    flood_seconds: float = 4.0


SHORT = Size(
    seconds=1.0,
    streams=100,
    idle_streams=200,
    leaves=20,
    flood_chunks=200_000,
    flood_seconds=1.5,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """A contender that is up: who it is, where it and the node behind it are, on which cores."""

    pid: int
    core: int
    port: int
    node_port: int
    load_core: int
    size: Size


def _per_request(bench: Bench, requests: Requests) -> Figures:
    meter = Meter(bench.pid, bench.core)
    figures = run_wrk(bench.port, requests, bench.load_core)
    cpu, use = meter.read()
    answered = max(figures["requests"], 1)
    return {**figures, "cpu_us": cpu / answered * 1e6, **use}


def get(bench: Bench) -> Figures:
    """GETs of a tiny answer from 50 connections."""
    return _per_request(bench, Requests("/api/status", 50, bench.size.seconds))


def single(bench: Bench) -> Figures:
    """GETs one after the other on one connection: what the proxy adds to a lone request."""
    return _per_request(bench, Requests("/api/status", 1, bench.size.seconds))


def post(bench: Bench) -> Figures:
    """POSTs of 4 KB."""
    return _per_request(bench, Requests("/api/embed?size=200", 50, bench.size.seconds, body=4000))


def bigpost(bench: Bench) -> Figures:
    """POSTs of 150 KB."""
    requests = Requests("/api/embed?size=200", 20, bench.size.seconds, body=150_000)
    return _per_request(bench, requests)


def embed(bench: Bench) -> Figures:
    """Answers of 256 KB with a length."""
    requests = Requests(f"/api/embed?size={EMBED_BYTES}", 20, bench.size.seconds, body=2000)
    figures = _per_request(bench, requests)
    megabytes = EMBED_BYTES / 1e6
    return {
        **figures,
        "cpu_us_mb": figures["cpu_us"] / megabytes,
        "mb_s": figures["requests_s"] * megabytes,
    }


def _stream(bench: Bench, every_ms: int) -> Figures:
    streams = Streams(
        count=bench.size.streams,
        chunks=3000 // every_ms,
        every_ms=every_ms,
        seconds=bench.size.seconds + 2,
    )
    meter = Meter(bench.pid, bench.core)
    figures = run_streams(bench.port, streams, bench.load_core)
    cpu, use = meter.read()
    return {
        **figures,
        "offered_s": streams.count * 1000 / every_ms,
        "cpu_us": cpu / max(figures["all_chunks"], 1) * 1e6,
        **use,
    }


def stream(bench: Bench) -> Figures:
    """500 streams of 20 chunks/s, 3 s long: 10,000 chunks/s."""
    return _stream(bench, bench.size.every_ms)


def stream30k(bench: Bench) -> Figures:
    """The same streams at three times the pace, about 30,000 chunks/s."""
    return _stream(bench, round(bench.size.every_ms / 3))


def idle(bench: Bench) -> Figures:
    """What 2,000 streams weigh that say something every 2 s."""
    count = bench.size.idle_streams
    node = NodeView(bench.node_port)
    finish_streams(start_streams(bench.port, Streams(10, 3, 10, 0.5, 0.1), bench.load_core), 30)
    before = resident_bytes(bench.pid)
    load = start_streams(bench.port, Streams(count, 60, 2000, 60, ramp=3), bench.load_core)
    try:
        active = node.wait_active(count, patience=30)
        time.sleep(2.5)
        after = resident_bytes(bench.pid)
    finally:
        load.terminate()
        figures = finish_streams(load, 30)
        node.close()
    errors = figures["errors"]
    if active < count:
        errors.append(f"only {active} of {count} streams were open")
    return {
        "active": active,
        "kb_per_stream": (after - before) / 1024 / max(active, 1),
        "before_mb": before / 1e6,
        "after_mb": after / 1e6,
        "errors": errors,
    }


Measure = Callable[[Bench], Figures]
