"""A gateway in front of many Ollama nodes, and an exporter beside each of them."""

__version__ = "0.1.0.dev0"
