"""Variables in the configuration file: ``${NAME}``, which stands for a value of the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


def expand(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """
    The text with its variables replaced, and the names of those that have no value.

    One that is set but empty has none: it is how a secret that is missing shows.
    What a variable brings in is not looked through again.
    """
    lacking = [name for name in _VARIABLE.findall(text) if not environ.get(name)]
    return _VARIABLE.sub(lambda found: environ.get(found[1]) or found[0], text), lacking
