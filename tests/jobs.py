"""
What a lane does at a time: a package of tests, or some modules.

The longest come first, so that none is left over when everything else is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests import parts

#: In this order, before all others.
LONGEST: tuple[tuple[str, ...], ...] = (
    # These share one browser.
    (
        "tests.live.test_pages",
        "tests.live.test_topology",
        "tests.live.test_scripts",
        "tests.live.test_browser",
        "tests.live.test_exporter_page",
    ),
    # These see the candidates of each other.
    (
        "tests.live.test_humaneval",
        "tests.live.test_humaneval_sandbox",
        "tests.live.test_humaneval_reference",
    ),
    ("tests.live.test_probing",),
    ("tests.live.test_whisper",),
    ("tests.live.test_managing",),
    ("tests.test_packaging",),
)

#: Here is measured what anything beside it would change.
ALONE = "tests.live.alone"


@dataclass(frozen=True, slots=True)
class Job:
    """
    Modules or packages that one lane runs, one after the other.

    Nothing runs beside one that is ``alone``.  What a ``heavy`` one has started, a browser
    say, shall not be there any longer than it needs it: its lane does nothing else.
    """

    names: tuple[str, ...]
    alone: bool = False
    heavy: bool = False

    def __str__(self) -> str:
        return ", ".join(self.names)


def everything() -> Iterator[Job]:
    """All tests there are, each once."""
    for names in LONGEST:
        yield Job(names, heavy=True)
    taken = {each for names in LONGEST for each in names}
    live, rest = parts.ROOT / "tests" / "live", parts.ROOT / "tests"
    for folder in (live, rest):
        package = ".".join(folder.relative_to(parts.ROOT).parts)
        for path in sorted(folder.iterdir()):
            name = f"{package}.{path.stem}"
            holds = path.is_dir() and any(path.rglob("test_*.py"))
            if name in taken or path == live:
                continue
            if holds or path.match("test_*.py"):
                yield Job((name,), alone=name == ALONE)
