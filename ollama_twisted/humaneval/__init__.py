"""Scores the models behind an Ollama address on HumanEval."""
