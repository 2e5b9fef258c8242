#!/usr/bin/env python3
"""
Measure proxies side by side, or show what was measured.

    python bench/run.py --contenders direct,nginx,gateway --tests get,stream --rounds 3 \
        --output bench/results/x.jsonl
    python bench/run.py --table bench/results/x.jsonl

Prints one JSON line a result and the tables at the end.  Exits 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any, TextIO

from harness.build import NODE, build_programs
from harness.conditions import describe_conditions
from harness.contenders import CONTENDERS, Contender, Place, make_place
from harness.flood import flood
from harness.leave import leave
from harness.load import LoadFailed, Requests, run_wrk
from harness.measures import (
    SHORT,
    Bench,
    Figures,
    Measure,
    Size,
    bigpost,
    embed,
    get,
    idle,
    post,
    single,
    stream,
    stream30k,
)
from harness.node import wait_until_up
from harness.process import free_port, pinned, running
from harness.table import Results, read_results, render

TESTS: dict[str, Measure] = {
    "get": get,
    "single": single,
    "post": post,
    "bigpost": bigpost,
    "stream": stream,
    "stream30k": stream30k,
    "idle": idle,
    "embed": embed,
    "flood": flood,
    "leave": leave,
}
_FILES_NEEDED = 8192


def main(arguments: Sequence[str]) -> int:
    options = read_arguments(arguments)
    if options.table:
        print(render(read_results(options.table), options.against))
        return 0
    allow_many_files()
    build_programs()
    lines = []
    with open_output(options.output) as output:
        for line in run(options):
            lines.append(line)
            for file in (sys.stdout, output):
                print(json.dumps(line), file=file, flush=True)
    print()
    print(render(Results(lines), options.against))
    failed = sum(bool(line.get("errors")) for line in lines)
    if failed:
        print(f"\nFAILED: {failed} of {len(lines) - 1} measurements", file=sys.stderr)
    return 1 if failed else 0


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contenders", type=names_of(CONTENDERS), metavar="NAMES", help=explain())
    parser.add_argument("--tests", type=names_of(TESTS), metavar="NAMES", help=", ".join(TESTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="how long each load lasts (4)")
    parser.add_argument("--short", action="store_true", help="small and quick: is it all in order?")
    parser.add_argument("--output", type=Path, help="file for the JSON lines")
    parser.add_argument("--proxy-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1, help="for the node and the load")
    parser.add_argument("--table", type=Path, help="only show the tables of this file")
    parser.add_argument("--against", default="nginx", help="the yardstick of the ratios")
    parser.set_defaults(
        contenders=["direct", "nginx", "haproxy", "aiohttp", "gateway"],
        tests=["get", "post", "stream", "idle", "embed"],
    )
    return parser.parse_args(arguments)


def names_of(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    """A reader of comma-separated names that accepts only known ones; ``all`` is all of them."""

    def read(text: str) -> list[str]:
        names = list(known) if text == "all" else text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; known: {', '.join(known)}"
            )
        return names

    return read


def explain() -> str:
    return "; ".join(f"{name}: {contender.about}" for name, contender in CONTENDERS.items())


def allow_many_files() -> None:
    """2,000 streams are 4,000 connections of a proxy; the children inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _FILES_NEEDED:
        raise SystemExit(f"at most {hard} open files are allowed here; {_FILES_NEEDED} are needed")
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def open_output(path: Path | None) -> TextIO:
    if path is None:
        return Path("/dev/null").open("w")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a")


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """
    All rounds of all tests.

    Within a round the contenders of one test follow upon each other, each
    started afresh; who is first changes from round to round.
    """
    size = SHORT if options.short else Size()
    if options.seconds:
        size = replace(size, seconds=options.seconds)
    names = options.contenders
    yield {"conditions": {**describe_conditions(names), "size": asdict(size)}}
    for number in range(options.rounds):
        turn = number % len(names)
        for test in options.tests:
            for name in [*names[turn:], *names[:turn]]:
                figures = measure(name, test, size, options)
                yield {"contender": name, "test": test, "round": number, **figures}


def measure(name: str, test: str, size: Size, options: argparse.Namespace) -> Figures:
    """Start the node and the contender, put one test on them, stop both."""
    node_port = free_port()
    place = make_place(name, free_port(), node_port)
    node_command = pinned([str(NODE), str(node_port)], options.load_core)
    with running(node_command, place.folder / "node.log") as node:
        why = wait_until_up(node_port, node, patience=5)
        if why:
            return {"errors": [f"the node is not up: {why}"]}
        bench = Bench(node.pid, options.load_core, node_port, node_port, options.load_core, size)
        contender = CONTENDERS[name]
        if contender.command is None:
            figures = attempt(TESTS[test], bench)
            figures.pop("others", None)  # the load works on the same core
            return figures
        bench = replace(bench, port=place.port, core=options.proxy_core)
        return measure_proxy(contender, place, TESTS[test], bench)


def measure_proxy(contender: Contender, place: Place, test: Measure, bench: Bench) -> Figures:
    """``bench`` lacks only the process, which is started here."""
    assert contender.command is not None
    command = pinned(contender.command(place), bench.core)
    log = place.folder / "output.log"
    with running(command, log, contender.env, cwd=place.folder) as process:
        why = wait_until_up(place.port, process, contender.patience)
        if why:
            said = " / ".join(log.read_text(errors="replace").splitlines()[-5:])
            return {"errors": [f"not up: {why}: {said}"]}
        return attempt(test, replace(bench, pid=process.pid))


def attempt(test: Measure, bench: Bench) -> Figures:
    """Warm up and measure; a test that breaks is an error like any other."""
    try:
        run_wrk(bench.port, Requests("/api/status", 4, 1), bench.load_core)
        return test(bench)
    except (LoadFailed, OSError, HTTPException) as error:
        return {"errors": [f"{type(error).__name__}: {error}"]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
