"""Metrics of the Ollama servers themselves: what they say, and what they use of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import InfoMetricFamily, Metric

from ollama_twisted.exporter.families import NODE, Labelled, counter, gauge
from ollama_twisted.exporter.view import ProcessFacts, View
from ollama_twisted.web.loaded import Model


def api_families(view: View) -> Iterable[Metric]:
    """What each Ollama says of itself: is it up, which version, which models."""
    asked = [(node, node.api) for node in view.nodes if node.api is not None]
    yield gauge(
        "ollama_up",
        "1 if Ollama's API answered when it was last asked.",
        NODE,
        (((node.name,), api.up) for node, api in asked),
    )
    version = InfoMetricFamily("ollama_version", "Version of the Ollama server.", labels=NODE)
    for node, api in asked:
        if api.version is not None:
            version.add_metric([node.name], {"version": api.version})
    yield version
    facts = InfoMetricFamily("ollama_node", "Where a node is.", labels=NODE)
    for node in view.nodes:
        facts.add_metric([node.name], {"hostname": view.hostname, "port": str(node.port)})
    yield facts

    def each(name: str, text: str, value: Callable[[Model], float | None]) -> Metric:
        return gauge(
            name,
            text,
            (*NODE, "model"),
            (
                ((node.name, model.name), value(model))
                for node, api in asked
                for model in api.models or ()
            ),
        )

    yield each("ollama_model_loaded", "1 for each model that is in memory.", lambda model: 1)
    yield each(
        "ollama_model_size_bytes",
        "Memory that a loaded model takes in all.",
        lambda model: model.size,
    )
    yield each(
        "ollama_model_vram_bytes",
        "Memory of the GPU that a loaded model takes.",
        lambda model: model.vram,
    )
    yield each(
        "ollama_model_expires_timestamp_seconds",
        "Unix time at which a loaded model leaves memory; absent if it stays.",
        lambda model: model.expires,
    )


def process_families(processes: Mapping[str, ProcessFacts]) -> Iterable[Metric]:
    """What Ollama's processes use of this machine."""
    labels = ("process",)

    def series(value: Callable[[ProcessFacts], float | None]) -> Labelled:
        return (((kind,), value(facts)) for kind, facts in processes.items())

    yield gauge(
        "ollama_processes",
        "Ollama's processes on this machine: server, or runner of a model.",
        labels,
        series(lambda facts: facts.count),
    )
    yield gauge(
        "ollama_process_resident_memory_bytes",
        "Resident memory of Ollama's processes on this machine.",
        labels,
        series(lambda facts: facts.resident),
    )
    yield counter(
        "ollama_process_cpu_seconds",
        "CPU time that Ollama's processes on this machine were seen to use.",
        labels,
        series(lambda facts: facts.cpu),
    )
    yield gauge(
        "ollama_process_open_files",
        "Open file descriptors of Ollama's processes; absent if they are another user's.",
        labels,
        series(lambda facts: facts.open_files),
    )
