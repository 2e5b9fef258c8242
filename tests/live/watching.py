"""
A prober as a program of its own: prints each snapshot as a line of JSON.

Run as ``python -m tests.live.watching --uid 1234 --interval 1 PORT ...``.  It
becomes that user only after everything is imported, as the interpreter itself
may stand where only root can read.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from ollama_twisted.probe.prober import Prober
from ollama_twisted.probe.snapshot import Snapshot
from tests.probe.children import Refusing


def told(snapshot: Snapshot) -> dict[str, object]:
    """What the tests want to know of a snapshot."""
    return {
        "source": snapshot.source,
        "sees_others": snapshot.sees_others,
        "hint": snapshot.hint,
        "cpu": _cpu(resource.RUSAGE_SELF) + _cpu(resource.RUSAGE_CHILDREN),
        "uid": os.geteuid(),
        "probes": {
            name: {"success": each.success, "detail": each.detail}
            for name, each in snapshot.probes.items()
        },
        "ports": {
            str(port): {
                "established": snapshot.connections[port].established,
                "listening": snapshot.connections[port].listening,
                "opened": each.opened,
                "closed": each.closed,
                "unaccounted": each.unaccounted,
                "sent": each.sent,
                "received": each.received,
                "method": each.method,
                "quality": each.quality,
            }
            for port, each in snapshot.traffic.items()
        },
    }


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Look until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uid", type=int, default=None)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--path", default=None)
    parser.add_argument("--no-netlink", action="store_true", help="as if it were refused")
    parser.add_argument("ports", type=int, nargs="+")
    options = parser.parse_args()
    if options.uid is not None:
        os.setgroups([])
        os.setgid(options.uid)
        os.setuid(options.uid)
    reactor.seconds = time.monotonic
    prober = Prober(
        reactor,
        options.ports,
        interval=options.interval,
        path=options.path,
        kernel=Refusing() if options.no_netlink else None,
    )

    def tell(snapshot: Snapshot) -> None:
        sys.stdout.write(json.dumps(told(snapshot)) + "\n")
        sys.stdout.flush()

    async def run() -> None:
        await prober.start()

    prober.watch(tell)
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run()))
    reactor.addSystemEventTrigger("before", "shutdown", prober.stop)
    reactor.run()


if __name__ == "__main__":
    main()
