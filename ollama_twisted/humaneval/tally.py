"""What the results of a run come to: by model, and by node."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ollama_twisted.humaneval.estimate import interval, mean_pass_at_k, pass_at_k

Row = Mapping[str, Any]


@dataclass(slots=True)
class Share:
    """What one model, or one node for it, has done."""

    samples: int = 0
    passed: int = 0
    cut: int = 0
    """Answers that ended for want of tokens."""
    tokens: int = 0
    prompt_tokens: int = 0
    generate_seconds: float = 0.0
    """The time that those tokens took which were timed."""
    timed_tokens: int = 0
    asked_seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Count one sample."""
        self.samples += 1
        self.passed += bool(row["passed"])
        self.cut += row.get("done_reason") == "length"
        self.reasons[str(row.get("reason", ""))] += 1
        tokens, seconds = row.get("tokens") or 0, row.get("generate_seconds") or 0.0
        self.tokens += tokens
        self.prompt_tokens += row.get("prompt_tokens") or 0
        self.asked_seconds += row.get("seconds") or 0.0
        if tokens and seconds:
            self.timed_tokens += tokens
            self.generate_seconds += seconds

    @property
    def rate(self) -> float | None:
        """Of all samples, the share that is right."""
        return self.passed / self.samples if self.samples else None

    @property
    def tokens_per_second(self) -> float | None:
        """The pace of one answer while it is made."""
        return self.timed_tokens / self.generate_seconds if self.generate_seconds else None

    def as_json(self) -> dict[str, Any]:
        """For a summary."""
        return {
            "samples": self.samples,
            "passed": self.passed,
            "rate": self.rate,
            "cut_by_num_predict": self.cut,
            "reasons": dict(sorted(self.reasons.items())),
            "tokens": self.tokens,
            "prompt_tokens": self.prompt_tokens,
            "tokens_per_second": self.tokens_per_second,
            "asked_seconds": self.asked_seconds,
        }


class Tally:
    """Counts results as they come."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.models: dict[str, Share] = {}
        self.nodes: dict[tuple[str, str], Share] = {}
        self._problems: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for each in rows:
            self.add(each)

    def add(self, row: Row) -> None:
        """Count one."""
        model, node = str(row["model"]), str(row.get("node", ""))
        self.models.setdefault(model, Share()).add(row)
        self.nodes.setdefault((model, node), Share()).add(row)
        counts = self._problems[model].setdefault(str(row["task_id"]), [0, 0])
        counts[0] += 1
        counts[1] += bool(row["passed"])

    @property
    def samples(self) -> int:
        return sum(each.samples for each in self.models.values())

    @property
    def passed(self) -> int:
        return sum(each.passed for each in self.models.values())

    def problems(self, model: str) -> int:
        """How many problems have a sample."""
        return len(self._problems[model])

    def pass_at(self, model: str, k: int) -> float | None:
        """The estimate over the problems that have samples; None where one has too few."""
        return mean_pass_at_k([(n, c) for n, c in self._problems[model].values()], k)

    def pass_at_1_interval(self, model: str) -> tuple[float, float]:
        """Where pass@1 lies, 19 times of 20, were the problems others of their kind."""
        return interval([pass_at_k(n, c, 1) for n, c in self._problems[model].values()])

    def unsolved(self, model: str) -> list[str]:
        """The problems of which no sample is right."""
        return [name for name, (_, correct) in self._problems[model].items() if not correct]

    def node_shares(self) -> dict[str, int]:
        """How many samples each node has answered, over all models."""
        found: Counter[str] = Counter()
        for (_, node), share in self.nodes.items():
            found[node] += share.samples
        return dict(found)
