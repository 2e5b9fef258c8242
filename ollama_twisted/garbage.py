"""What the garbage collector need not do: most of what we allocate goes by itself."""

from __future__ import annotations

import gc

#: So many new objects have the youngest searched for cycles; Python's own number is 700.
COLLECT_AFTER = 20_000


def spare_the_collector() -> None:
    """
    Have the collector walk little, and seldom; called once everything is set up.

    What is here now stays.  Neither an exchange of the gateway nor a look of the
    exporter leaves cycles behind; but with Python's own threshold fifty exchanges, or a
    few hundred sockets, are enough to have all that they hold walked in search of some.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
