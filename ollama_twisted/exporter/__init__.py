"""The exporter: who is connected to Ollama, and how many bytes it really carried."""
