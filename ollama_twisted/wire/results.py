"""What several nodes made of one request, as one answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: What a node says is cut after so many characters.
LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a request on one node; ``status`` is what it answered, or what that means."""

    node: str
    status: int
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def absent(self) -> bool:
        """Does the node not have what the request is about?"""
        return self.status == 404

    def told(self) -> dict[str, str]:
        """The result as it stands in an answer."""
        if self.ok:
            return {"status": "success"}
        told = {"error": self.error[:LONGEST]}
        return {"status": "absent", **told} if self.absent else told


def verdict(
    results: Iterable[Result], verb: str, good: Mapping[str, Any], absent_is_well: bool = False
) -> tuple[int, dict[str, Any]]:
    """
    The status and the object that tell what several nodes answered; ``good`` is in it
    if all went well.

    With ``absent_is_well``, a node that does not have the thing is no failure as
    long as another one has it.
    """
    results = sorted(results, key=lambda each: each.node)
    nodes = {each.node: each.told() for each in results}
    done = [each for each in results if each.ok]
    failed = [each for each in results if not each.ok]
    if absent_is_well and any(not each.absent for each in results):
        failed = [each for each in failed if not each.absent]
    if not failed:
        return 200, {**good, "nodes": nodes}
    statuses = {each.status for each in failed}
    if len(statuses) == 1 and not done:
        (status,) = statuses
        if len(failed) == len(results) and len({each.error for each in failed}) == 1:
            # All say the same, in the words that clients know.
            return status, {"error": failed[0].error[:LONGEST], "nodes": nodes}
    else:
        status = 502
    why = "; ".join(f"{each.node}: {each.error[:LONGEST]}" for each in failed)
    what = f"{verb} failed on {len(failed)} of {len(results)} nodes ({why})"
    if done:
        what += f"; done on {', '.join(each.node for each in done)}"
    return status, {"error": what, "nodes": nodes}


def error_in(body: bytes, status: int) -> str:
    """What a node says is wrong, in an answer with this status."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, str) and error else f"it answered {status}"
