"""What twistd can start.  Nothing is imported until it is asked for."""

from twisted.application.service import ServiceMaker

gateway = ServiceMaker(
    "Ollama gateway",
    "ollama_twisted.gateway.tap",
    "One address for many Ollama nodes.",
    "ollama-gateway",
)

simulator = ServiceMaker(
    "Ollama simulator",
    "ollama_twisted.simulator.tap",
    "An Ollama node without a GPU, for tests, benchmarks and demos.",
    "ollama-simulator",
)

exporter = ServiceMaker(
    "Ollama exporter",
    "ollama_twisted.exporter.tap",
    "Who is connected to an Ollama, and how many bytes it carried.",
    "ollama-exporter",
)
