"""The command line of ``twistd ollama-simulator``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from ollama_twisted.parent import ParentWatch
from ollama_twisted.simulator.canned import CannedEngine, Pace
from ollama_twisted.simulator.engine import Engine
from ollama_twisted.simulator.faults import BadFault, Faults, Kind, Rule, parse_rule
from ollama_twisted.simulator.memory import keep_alive
from ollama_twisted.simulator.node import Limits, Node
from ollama_twisted.simulator.service import simulator
from ollama_twisted.simulator.stamps import Stamps
from ollama_twisted.startup import without_traceback

_DEFAULT_MODEL = "smollm2:135m"


def _count(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError("less than nothing")
    return number


def _amount(value: str) -> float:
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError("less than nothing, or no number")
    return number


def _answers(path: str) -> dict[str, str]:
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(error.strerror) from error
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ValueError("must be one object of texts")
    return found


class Options(UsageOptions):
    """What can be said on the command line."""

    longdesc = (
        "A node without a GPU: speaks Ollama's API with words from a list (--engine canned) "
        "or with a small real model (--engine llama)."
    )
    optParameters: list[list[Any]] = [
        ["port", "p", 11434, "Port to listen on; 0 takes any that is free.", _count],
        ["host", None, "127.0.0.1", "Address to listen on."],
        ["engine", "e", "canned", "What makes the words: canned or llama."],
        ["tokens-per-second", None, 50.0, "Canned: pace of an answer; 0 for no limit.", _amount],
        ["first-token-delay", None, 0.1, "Canned: seconds until the first token.", _amount],
        ["load-time", None, 0.5, "Canned: seconds to load a model.", _amount],
        [
            "prompt-tokens-per-second",
            None,
            0.0,
            "Canned: pace of reading what of a prompt was not read before; 0: at once.",
            _amount,
        ],
        ["real-time-factor", None, 0.1, "Canned: seconds of work for each of audio.", _amount],
        ["answer-tokens", None, 64, "Canned: tokens in an answer.", _count],
        ["seed", None, 0, "Canned: answers of equal seeds are equal.", int],
        ["answers", None, {}, "Canned: a file of JSON, answers by part of a prompt.", _answers],
        ["slots", None, 4, "Requests a model works on at a time; 0 for no limit.", _count],
        ["queue", None, 512, "Requests that may wait; one more is told 503.", _count],
        ["max-loaded", None, 3, "Models loaded at a time; 0 for no limit.", _count],
        ["pull-time", None, 1.0, "Seconds that a pull takes.", _amount],
        [
            "keep-alive",
            None,
            300.0,
            "How long an idle model stays loaded, as 5m or -1.",
            keep_alive,
        ],
        ["ollama-version", None, "0.20.0", "Version to report."],
    ]
    optFlags = [
        ["frozen-clock", None, "Say the same times in each answer, so that bytes can be compared."],
        ["announce", None, "Print one line, 'listening on HOST:PORT', when it does."],
        ["stop-on-stdin-eof", None, "Stop when standard input ends: when the parent dies."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["models"] = []
        self["rules"] = []

    def opt_model(self, name: str) -> None:
        """A model that is on disk; may be given more than once (default: smollm2:135m)."""
        self["models"].append(name)

    opt_m = opt_model

    def opt_fault(self, text: str) -> None:
        """A fault, as 'cut-at-token=5 path=/api/chat times=3 share=0.5'; may be repeated."""
        try:
            self["rules"].append(parse_rule(text))
        except BadFault as bad:
            raise UsageError(f"--fault: {bad}") from bad

    def postOptions(self) -> None:
        """Check what no single option can."""
        if self["engine"] not in _ENGINES:
            raise UsageError(f"--engine: {self['engine']!r} is none of {', '.join(_ENGINES)}")
        self["models"] = self["models"] or [_DEFAULT_MODEL]


def makeService(options: Options, reactor: Any = None) -> IService:
    """A node as the options describe it."""
    if reactor is None:
        from twisted.internet import reactor

        without_traceback("ollama-simulator")
    stamps = Stamps(time.time, frozen=bool(options["frozen-clock"]))
    rules: list[Rule] = options["rules"]
    refusals = [each for each in rules if each.fault.kind is Kind.REFUSE]
    node = Node(
        engine=_ENGINES[options["engine"]](reactor, options),
        clock=reactor,
        stamps=stamps,
        faults=Faults(Random(options["seed"]), [each for each in rules if each not in refusals]),
        limits=Limits(
            places=options["slots"],
            queue=options["queue"],
            loaded=options["max-loaded"],
            pull_time=options["pull-time"],
            keep_alive=options["keep-alive"],
        ),
        models=options["models"],
        version=options["ollama-version"],
    )
    service, listener = simulator(
        reactor, node, options["host"], options["port"], bool(options["announce"])
    )
    for rule in refusals:
        reactor.callWhenRunning(listener.refuse, rule.fault.value)
    if options["stop-on-stdin-eof"]:
        ParentWatch(reactor).setServiceParent(service)
    return service


def _canned(reactor: Any, options: Options) -> Engine:
    pace = Pace(
        tokens_per_second=options["tokens-per-second"],
        first_token_delay=options["first-token-delay"],
        load_time=options["load-time"],
        answer_tokens=options["answer-tokens"],
        prompt_tokens_per_second=options["prompt-tokens-per-second"],
        real_time_factor=options["real-time-factor"],
    )
    return CannedEngine(reactor, pace, options["seed"], options["answers"], options["slots"])


def _llama(reactor: Any, options: Options) -> Engine:
    from ollama_twisted.simulator.llama import LlamaEngine, MissingParts

    try:
        return LlamaEngine(reactor, options["slots"] or 4)
    except MissingParts as missing:
        raise UsageError(f"--engine llama: {missing}") from missing


_ENGINES: dict[str, Callable[[Any, Options], Engine]] = {"canned": _canned, "llama": _llama}
