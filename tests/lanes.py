"""
Lanes: processes that test at the same time.

Each takes one job after another, and whatever it printed over one is shown whole when the job
is done.  Jobs that want to be alone come last, one by one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests import parts
from tests.jobs import Job
from tests.summary import Summary

#: Begins the line with which a lane ends what it says about a job.
END = "\x1e"

#: Seconds that a lane has to end itself, before it is ended less kindly.
PATIENCE = 10.0

#: One line may be the whole difference between two long values.
_LONGEST_LINE = 2**26


def usual() -> int:
    """
    One lane more than there are processors, as some tests mostly wait.

    Only one where lanes could not be ended with whatever they have started.
    """
    return (os.cpu_count() or 1) + 1 if hasattr(os, "killpg") else 1


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one job."""

    job: Job
    text: str
    summary: Summary


class Lane:
    """One process, with a session of its own: it is ended with whatever it has started."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Lane:
        """A lane that waits for its first job."""
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.run", "--serve"),
                cwd=parts.ROOT,
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT,
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
        )

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def run(self, job: Job) -> Report:
        """Have a job done; if the process ends over it, that is a failure."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{' '.join(job.names)}\n".encode())
        said = []
        async for raw in self._process.stdout:
            line = raw.decode("utf-8", "replace")
            if line.startswith(END):
                counts, missing = json.loads(line.removeprefix(END))
                parts.missing.update(missing)
                return Report(job, "".join(said), Summary(*counts))
            said.append(line)
        code = await self._process.wait()
        said.append(f"\n{job}: the process that ran it ended with {code}\n")
        return Report(job, "".join(said), Summary(failed=1))

    async def close(self) -> None:
        """Let it end: there is nothing more to do."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def end(self) -> None:
        """End it, and what it has started, in the midst of its work."""
        for way in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            self._signal(way)
            try:
                await asyncio.wait_for(self._process.wait(), PATIENCE)
                break
            except asyncio.TimeoutError:
                continue
        # Of those that it left behind.
        self._signal(signal.SIGTERM)

    def _signal(self, way: int) -> None:
        try:
            os.killpg(self._process.pid, way)
        except ProcessLookupError:
            return


async def _work(waiting: deque[Job], tell: Callable[[Report], None]) -> None:
    """Do jobs for as long as any wait; a lane that has ended over one is followed by another."""
    lane = None
    try:
        while waiting:
            job = waiting.popleft()
            if lane is None or lane.ended:
                lane = await Lane.start()
            tell(await lane.run(job))
            if job.heavy and not lane.ended:
                await lane.close()
    except asyncio.CancelledError:
        if lane is not None:
            await lane.end()
        raise
    if lane is not None and not lane.ended:
        await lane.close()


async def _run(jobs: Iterable[Job], count: int, tell: Callable[[Report], None]) -> None:
    together, alone = deque[Job](), deque[Job]()
    for job in jobs:
        (alone if job.alone else together).append(job)
    working = asyncio.current_task()
    assert working is not None
    # Whoever ends us means all of us.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    await asyncio.gather(*(_work(together, tell) for _ in range(count)))
    await _work(alone, tell)


def run(jobs: Iterable[Job], count: int) -> Summary:
    """Have all jobs done by so many lanes, and show each report as it comes."""
    reports: list[Report] = []

    def tell(report: Report) -> None:
        reports.append(report)
        print(report.text, end="", flush=True)

    try:
        asyncio.run(_run(jobs, count, tell))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    broken = sorted(str(each.job) for each in reports if each.summary.failed)
    if broken:
        print("\nFailed, see above:", *broken)
    return Summary.total(each.summary for each in reports)
