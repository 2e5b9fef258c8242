"""What an operator should know of how well the ports can be seen, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from ollama_twisted.probe.connection import Connections, State
from ollama_twisted.probe.snapshot import ProbeReport, Quality, Reason, Traffic


def hint(
    source: str | None,
    sees_others: bool | None,
    connections: Mapping[int, Connections],
    traffic: Mapping[int, Traffic],
    reports: Mapping[str, ProbeReport],
    platform: str,
) -> str:
    """The most urgent advice; empty if all is well."""
    linux = platform.startswith("linux")
    if source is None:
        reasons = dict.fromkeys(report.detail for report in reports.values() if report.detail)
        tried = "; ".join(reasons)
        install = " Install iproute2 (it brings ss)." if linux else ""
        return f"Nothing can be seen: {tried or 'no probe has run yet'}.{install}"
    if not sees_others:
        better = "install iproute2 (it brings ss), or " if linux else ""
        return (
            f"{source} shows this user's own sockets only, so connections may be missing: "
            f"{better}run the exporter as the user that Ollama runs as."
        )
    deaf = [str(port) for port, each in connections.items() if not each.listening]
    if deaf:
        return (
            f"Nothing listens on port {', '.join(deaf)} here. If Ollama runs in a container, the "
            "exporter must share its network: network_mode: service:ollama."
        )
    if any(each.states[State.UNKNOWN] for each in connections.values()):
        return f"{source} names states in a language that is not known here; they count as unknown."
    return _bytes_hint(traffic, reports, linux)


def _bytes_hint(
    traffic: Mapping[int, Traffic], reports: Mapping[str, ProbeReport], linux: bool
) -> str:
    if any(each.sent is None for each in traffic.values()):
        if not linux:
            return "Nothing counts bytes here; configure an estimate if a rough number will do."
        ss = reports.get("ss")
        if ss is not None and ss.failures.get(Reason.NOT_FOUND):
            return "Bytes are not counted without ss: install iproute2."
        return "The kernel does not tell ss of bytes here (a sandbox, or a filter on netlink)."
    events = reports.get("ss_events")
    lossy = any(each.quality is Quality.LOWER_BOUND for each in traffic.values())
    if lossy and events is not None and not events.success:
        return f"Short connections are missing from the bytes: {events.detail}."
    return ""
