"""What is new in a configuration, and what of that a running gateway cannot take over."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ollama_twisted.config.resolved import Config, GatewayLimits

#: Read when the gateway starts, and not again.
FIXED = ("listen", "access_log", "log_format")


@dataclass(frozen=True, slots=True)
class Difference:
    """
    Nodes by name, and settings by the names they have in the file.

    ``waiting`` are settings that have changed, but wait for a restart.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = [
            f"{len(names)} {'node' if len(names) == 1 else 'nodes'} {what} ({', '.join(names)})"
            for what, names in (
                ("added", self.added),
                ("removed", self.removed),
                ("changed", self.changed),
            )
            if names
        ]
        if self.settings:
            said.append(f"changed: {', '.join(self.settings)}")
        return "; ".join(said) or "nothing has changed"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the operator must know of it."""
        return tuple(f"{name} has changed: that needs a restart" for name in self.waiting)


def difference(old: Config, new: Config) -> Difference:
    """What is another one in ``new``."""
    before, now = ({node.name: node for node in each.nodes} for each in (old, new))
    settings = [name for name in ("strategy", "sizes", "line") if _differs(old, new, name)]
    limits = [
        each.name for each in fields(GatewayLimits) if _differs(old.gateway, new.gateway, each.name)
    ]
    return Difference(
        added=tuple(name for name in now if name not in before),
        removed=tuple(name for name in before if name not in now),
        changed=tuple(name for name in now if name in before and now[name] != before[name]),
        settings=(*settings, *(f"gateway.{each}" for each in limits if each not in FIXED)),
        waiting=tuple(f"gateway.{each}" for each in limits if each in FIXED),
    )


def _differs(old: object, new: object, name: str) -> bool:
    return bool(getattr(old, name) != getattr(new, name))
