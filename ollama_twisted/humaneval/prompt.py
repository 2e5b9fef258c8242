"""What a model is asked, and what is the same for all that it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from ollama_twisted.humaneval.problems import Problem

# Where a model that continues a function has begun something else; Codex was scored with these.
STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")

_INSTRUCTION = (
    "Complete the following Python function. Answer with the whole function, with the imports and "
    "helpers it needs, in one fenced block of Python, and with nothing else.\n\n"
    "```python\n{prompt}```\n"
)


class Mode(Enum):
    """How a model is asked."""

    CHAT = "chat"
    """As an assistant, through its template."""
    COMPLETION = "completion"
    """To continue the text as it stands: for base models."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what is asked and how it is scored; samples of two recipes never mix."""

    mode: Mode = Mode.CHAT
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 42
    num_predict: int = 1024
    timeout: float = 8.0
    problems: str = ""
    """`problems.digest` of those that are asked."""

    def as_row(self) -> dict[str, Any]:
        """As it is written down beside each sample."""
        return {
            "mode": self.mode.value,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "num_predict": self.num_predict,
            "timeout": self.timeout,
        }


def request(
    recipe: Recipe, model: str, problem: Problem, sample: int
) -> tuple[str, dict[str, Any]]:
    """
    The path and the body of one question.

    Each sample has a seed of its own, so that several of a problem differ, and
    the same run asked again gets the same answers.
    """
    options: dict[str, Any] = {
        "temperature": recipe.temperature,
        "top_p": recipe.top_p,
        "seed": recipe.seed + sample,
        "num_predict": recipe.num_predict,
    }
    body: dict[str, Any] = {"model": model, "stream": True, "options": options}
    if recipe.mode is Mode.COMPLETION:
        options["stop"] = list(STOPS)
        return "/api/generate", {**body, "prompt": problem.prompt, "raw": True}
    content = _INSTRUCTION.format(prompt=problem.prompt)
    return "/api/chat", {**body, "messages": [{"role": "user", "content": content}]}
